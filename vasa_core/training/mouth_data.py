"""Training pairs for the mouth painter: two frames of one clip, the first as the photo, the second as the truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset

from vasa_core.face.mouth import SIDE, network_input, patch_affine, source_of, transform
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, CHIN, FOREHEAD, LIPS_OUTER
from vasa_core.io.video import read_frames
from vasa_core.training.tracking import TrackedClip, cache_file

CROP_SIDES = 1.7  # side of a cached crop, in patch sides
LARGE_FACE = 150  # px, forehead to chin: smaller faces show no teeth to learn from
SMALL_FACE_WEIGHT = 0.3
LIVELY_LIPS = 0.06  # face widths: a clip whose lips open less than this teaches less
OPEN_SHARE, CLOSED_PHOTO_SHARE = 0.5, 0.4  # of driving frames from the more open half; of photos from the closed third
SAME_FRAME_SHARE = 0.04  # pairs in which there is nothing to paint


@dataclass(frozen=True)
class MouthClip:
    """Mouth crops of a clip's kept frames. landmarks: px of the crops. lips: inner-lip gap in face widths."""

    speaker: str
    frames: UInt8[np.ndarray, "n side side 3"]
    landmarks: Float[np.ndarray, "n 478 3"]
    lips: Float[np.ndarray, " n"]
    face_height: float

    @property
    def weight(self) -> float:
        """How much this clip has to teach."""
        size = 1.0 if self.face_height >= LARGE_FACE else SMALL_FACE_WEIGHT
        return size * min(1.0, float(np.percentile(self.lips, 95)) / LIVELY_LIPS)


def speaker(clip: TrackedClip) -> str:
    """Identity of a clip; clips of a folder without a manifest count as one speaker."""
    return clip.clip.identity if clip.clip.identity != clip.clip.path.stem else str(clip.clip.path.parent)


def few_per_speaker(clips: list[TrackedClip], most: int) -> list[TrackedClip]:
    """At most `most` clips of each speaker, spread over what there is."""
    groups: dict[str, list[TrackedClip]] = {}
    for clip in clips:
        groups.setdefault(speaker(clip), []).append(clip)
    return [clip for group in groups.values() for clip in group[:: -(-len(group) // most)]]


def face_widths(landmarks: Float[np.ndarray, "n 478 3"]) -> Float[np.ndarray, " n"]:
    """Distance of the cheeks, px."""
    return np.linalg.norm(landmarks[:, CHEEK_RIGHT] - landmarks[:, CHEEK_LEFT], axis=1)


def lip_gaps(landmarks: Float[np.ndarray, "n 478 3"]) -> Float[np.ndarray, " n"]:
    """Inner-lip gap in face widths."""
    return np.linalg.norm(landmarks[:, 13, :2] - landmarks[:, 14, :2], axis=1) / face_widths(landmarks)


def kept_frames(valid: Bool[np.ndarray, " n"], lips: Float[np.ndarray, " n"], most: int) -> Int[np.ndarray, " kept"]:
    """Frames to keep of a clip: most of them evenly spaced, the rest the widest open ones."""
    frames = np.flatnonzero(valid)
    if len(frames) <= most:
        return frames
    even = frames[np.linspace(0, len(frames) - 1, most * 3 // 4).astype(int)]
    rest = np.setdiff1d(frames, even)
    widest = rest[np.argsort(lips[rest])[::-1][: most - len(even)]]
    return np.sort(np.concatenate([even, widest]))


def load_clip(clip: TrackedClip, cache: Path, most: int) -> MouthClip:
    """Mouth crops of a clip, from the cache or cut now."""
    target = cache / f"{cache_file(clip.clip, cache).stem}-{most}.npz"
    if not target.is_file():
        _cut(clip, target, most)
    with np.load(target, allow_pickle=False) as data:
        frames, landmarks = data["frames"], data["landmarks"]
    height = float(np.median(np.linalg.norm(landmarks[:, FOREHEAD] - landmarks[:, CHIN], axis=1)))
    return MouthClip(speaker(clip), frames, landmarks, lip_gaps(landmarks), height)


def _cut(clip: TrackedClip, target: Path, most: int) -> None:
    keep = kept_frames(clip.valid, lip_gaps(clip.landmarks), most)
    landmarks = clip.landmarks[keep]
    side = int(np.ceil(CROP_SIDES * SIDE * face_widths(landmarks).max()))
    corners = np.round(landmarks[:, list(LIPS_OUTER), :2].mean(1) - side / 2).astype(int)  # (n, xy)
    place = {frame: index for index, frame in enumerate(keep.tolist())}
    crops = np.zeros((len(keep), side, side, 3), np.uint8)
    for number, frame in enumerate(read_frames(clip.clip.path)):
        if number in place:
            left, top = corners[place[number]]
            rows = np.clip(np.arange(top, top + side), 0, frame.shape[0] - 1)
            columns = np.clip(np.arange(left, left + side), 0, frame.shape[1] - 1)
            crops[place[number]] = frame[rows[:, None], columns]
    landmarks = landmarks - np.pad(corners, ((0, 0), (0, 1)))[:, None]
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez(stream, frames=crops, landmarks=landmarks.astype(np.float32))
    part.replace(target)


@dataclass(frozen=True)
class Pair:
    """One example. channels: the network's input. judged: where the face's mesh covers the patch."""

    channels: UInt8[np.ndarray, "patch patch 9"]
    target: UInt8[np.ndarray, "patch patch 3"]
    judged: Bool[np.ndarray, "patch patch"]


def make_pair(
    clip: MouthClip,
    photo: int,
    driving: int,
    triangles: Int[np.ndarray, "faces 3"],
    patch: int,
    rng: np.random.Generator | None = None,
) -> Pair:
    """Frame `photo` driven to frame `driving`; with `rng` jittered, its geometry shaken and the photo recompressed."""
    image, landmarks = clip.frames[photo], clip.landmarks[driving].astype(np.float64)
    jitter = (0.0, 0.0, 0.0, 0.0)
    if rng is not None:
        image = _recompressed(image, rng)
        jitter = tuple((rng.normal(size=4) * [0.03, 0.03, 0.06, 0.03]).tolist())
    affine = patch_affine(landmarks, patch, jitter)
    source = source_of(image, clip.landmarks[photo], triangles, patch)
    drawn = transform(landmarks, affine)
    if rng is not None:
        drawn = _shaken(drawn, patch, rng)
    channels, covered = network_input(source, drawn)
    target = cv2.warpAffine(clip.frames[driving], affine, (patch, patch), borderMode=cv2.BORDER_REPLICATE)
    channels[~covered, :3] = target[~covered]
    pair = Pair(channels, target, covered)
    return pair if rng is None else _recoloured(pair, rng)


def _recompressed(image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Sometimes the photo through JPEG, or with noise, as a photo from anywhere may be."""
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 95))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)  # pyright: ignore[reportAssignmentType]
    if rng.random() < 0.1:
        noisy = image + rng.normal(size=image.shape) * rng.uniform(2, 8)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    return image


def _shaken(landmarks: Float[np.ndarray, "478 3"], patch: int, rng: np.random.Generator) -> np.ndarray:
    """Driving landmarks with a motion model's kind of error: lips a little too open, too wide, or off by a pixel."""
    if rng.random() < 0.6:
        return landmarks
    centre = landmarks[list(LIPS_OUTER), :2].mean(0)
    offset = landmarks[:, :2] - centre
    near = np.exp(-(offset**2).sum(1, keepdims=True) / (2 * (0.3 * patch) ** 2))  # 1 at the lips, 0 at the cheeks
    stretch = np.exp(rng.normal(size=2) * [0.02, 0.06]) - 1
    shift = rng.normal(size=2) * 0.004 * patch
    moved = landmarks.copy()
    moved[:, :2] += near * (offset * stretch + shift)
    return moved


def _recoloured(pair: Pair, rng: np.random.Generator) -> Pair:
    """The same change of light, colour and sharpness to photo and truth; half of the pairs mirrored."""
    colours = [pair.channels[..., :3], pair.channels[..., 6:], pair.target]
    levels = np.arange(256)[:, None] / 255
    gain = rng.uniform(0.65, 1.25) * rng.uniform(0.88, 1.12, 3)
    table = np.clip(levels ** np.exp(rng.normal() * 0.15) * gain * 255, 0, 255).astype(np.uint8)  # (256, 3)
    colours = [np.stack([table[image[..., c], c] for c in range(3)], -1) for image in colours]
    if rng.random() < 0.25:
        saturation = rng.uniform(0, 1.5)
        mix = saturation * np.eye(3) + (1 - saturation) / 3
        colours = [np.clip(image @ mix, 0, 255).astype(np.uint8) for image in colours]
    if rng.random() < 0.4:
        sigma, sharpening = rng.uniform(0.5, 1.2), rng.choice([-1.0, rng.uniform(0.5, 1.5)], p=[0.35, 0.65])
        blurs = [cv2.GaussianBlur(image, (0, 0), sigma) for image in colours]
        mixed = [cv2.addWeighted(i, 1 + sharpening, b, -sharpening, 0) for i, b in zip(colours, blurs, strict=True)]
        colours = mixed  # sharpening -1 is the blur itself; portraits are sharper than video
    masks = pair.channels[..., 3:6]
    channels, target, judged = np.concatenate([colours[0], masks, colours[1]], -1), colours[2], pair.judged
    if rng.random() < 0.5:
        channels, target, judged = channels[:, ::-1], target[:, ::-1], judged[:, ::-1]
    return Pair(channels, target, judged)


def draw_frames(lips: Float[np.ndarray, " n"], rng: np.random.Generator) -> tuple[int, int]:
    """(photo, driving): photos often closed, driving frames often open."""
    order = np.argsort(lips)
    photo = rng.integers(max(1, len(order) // 3) if rng.random() < CLOSED_PHOTO_SHARE else len(order))
    if rng.random() < SAME_FRAME_SHARE:
        return int(order[photo]), int(order[photo])
    low = len(order) // 2 if rng.random() < OPEN_SHARE else 0
    return int(order[photo]), int(order[rng.integers(low, len(order))])


def stacked(pairs: list[Pair]) -> tuple[Tensor, Tensor, Tensor]:
    """Batch of pairs as float tensors: (b, 9, p, p) and (b, 3, p, p) in -1..1, judged (b, 1, p, p) 0 or 1."""
    x, y = (
        torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))).float() / 127.5 - 1
        for images in ([p.channels for p in pairs], [p.target for p in pairs])
    )
    return x, y, torch.from_numpy(np.stack([p.judged for p in pairs])[:, None]).float()


class PairBatches(IterableDataset):
    """Endless batches, speakers balanced; batch k is the same whatever came before it."""

    def __init__(
        self,
        clips: list[MouthClip],
        triangles: Int[np.ndarray, "faces 3"],
        patch: int,
        batch: int,
        seed: int,
        first: int = 0,
    ) -> None:
        """first: number of the batch to begin with, when a run is resumed."""
        self.clips, self.triangles, self.patch = clips, triangles, patch
        self.batch, self.seed, self.first = batch, seed, first
        speakers = [clip.speaker for clip in clips]
        weights = np.array([clip.weight / speakers.count(clip.speaker) for clip in clips])
        self.chances = weights / weights.sum()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        cv2.setNumThreads(1)
        number = self.first
        while True:
            yield self.make(number)
            number += 1

    def make(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch `number`."""
        rng = np.random.default_rng((self.seed, number))
        pairs = []
        for _ in range(self.batch):
            clip = self.clips[rng.choice(len(self.clips), p=self.chances)]
            pairs.append(make_pair(clip, *draw_frames(clip.lips, rng), self.triangles, self.patch, rng))
        return stacked(pairs)
