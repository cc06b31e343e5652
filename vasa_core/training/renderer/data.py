"""Training pairs for the renderer: frames of one clip, the first as the photo, the others as the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset

from vasa_core.data.crops import FaceClip
from vasa_core.face.inpaint.regions import (
    EYE_LEFT,
    EYE_RIGHT,
    MOUTH,
    Affine,
    Region,
    cut,
    driving_channels,
    openings_mask,
    patch_affine,
    source_channels,
    transform,
)
from vasa_core.face.measure import ALL_PAIRS, eye_gap, lip_gap_of_width
from vasa_core.face.mesh.irises import draw_eyes, lift_irises
from vasa_core.face.mesh.raster import backward_flow, sample
from vasa_core.face.topology import EYES, N_FACE
from vasa_core.training.renderer.augment import Random, recolouring, recompressed, shaking, unchanged, unshaken

WIDE_SHARE = 0.65  # of driving mouths: wide open or smiling, where a clip of the training has such a mouth
OPEN_SHARE, CLOSED_PHOTO_SHARE = 0.55, 0.4  # of the others from the more open half; of photos from the closed third
BLINK_SHARE, GLANCE_SHARE = 0.35, 0.3  # of driving frames from the most closed eyes; with another gaze than the photo
BLINKING = 10  # percentile of a clip's lid opening
SAME_FRAME_SHARE = 0.04  # pairs in which there is nothing to paint
FACE_SIDE = 160  # px, of the faces by which identity is judged
GLANCE_CHOICES = 8  # frames among which the one that looks elsewhere the most is taken


@dataclass(frozen=True)
class Pair:
    """One example. channels: the network's driving input. source: its view of the photo. judged: where the face's
    mesh covers the patch. face: the whole face that the truth is of. points: its landmarks, px. place: px of the face
    -> px of the patch."""

    channels: UInt8[np.ndarray, "patch patch 9"]
    source: UInt8[np.ndarray, "patch patch 4"]
    target: UInt8[np.ndarray, "patch patch 3"]
    judged: Bool[np.ndarray, "patch patch"]
    face: UInt8[np.ndarray, "face face 3"]
    points: Float[np.ndarray, "478 2"]
    place: Affine


def make_pairs(
    clip: FaceClip,
    photo: int,
    driving: list[int],
    region: Region,
    triangles: Int[np.ndarray, "faces 3"],
    rng: Random | None = None,
) -> list[Pair]:
    """Frame `photo` driven to frames; with `rng` jittered, its geometry shaken, the photo recompressed and recoloured,
    the same for all of the frames."""
    image, own = clip.frames[photo], clip.landmarks[photo].astype(np.float64)
    jitter, shake, recolour, mirror = (0.0, 0.0, 0.0, 0.0), unshaken, unchanged, False
    if rng is not None:
        image = recompressed(image, rng)
        jitter = tuple((rng.normal(size=4) * [0.03, 0.03, 0.06, 0.03]).tolist())
        shake, recolour = shaking(region, rng), recolouring(rng)
        mirror = not region.iris and rng.random() < 0.5
    openings = openings_mask(own, image.shape[:2])
    source = source_channels(region, image, own)
    pairs = []
    for frame in driving:
        landmarks = clip.landmarks[frame].astype(np.float64)
        affine = patch_affine(landmarks, region, jitter)
        drawn = shake(transform(landmarks, affine))
        warped, opening, covered = _warped(image, own, openings, drawn, region, triangles)
        target = cut(clip.frames[frame], affine, region.patch)
        warped[~covered] = target[~covered]
        face = cv2.resize(clip.frames[frame], (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)
        warped, target, patch, face = recolour([warped, target, source[..., :3], face])
        channels = driving_channels(region, warped, opening * covered, drawn, float(lip_gap_of_width(own)))
        shrinking = _shrinking(clip.frames.shape[1])
        pair = Pair(
            channels=channels,
            source=np.concatenate([patch, source[..., 3:]], -1),
            target=target,
            judged=covered,
            face=face,
            points=transform(landmarks, shrinking)[:, :2],
            place=_after(cv2.invertAffineTransform(shrinking), affine),
        )
        pairs.append(mirrored_pair(pair) if mirror else pair)
    return pairs


def _shrinking(side: int) -> Affine:
    """Px of a picture of `side` px -> px of the same picture at FACE_SIDE px, pixel centres kept."""
    scale = FACE_SIDE / side
    return np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])


def _after(first: Affine, second: Affine) -> Affine:
    """One affine map and then another."""
    return second @ np.concatenate([first, [[0, 0, 1]]])


def _warped(
    image: np.ndarray,
    own: np.ndarray,
    openings: np.ndarray,
    drawn: np.ndarray,
    region: Region,
    triangles: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The photo and its openings warped to landmarks in patch px, irises moved; and where the mesh covers the patch."""
    size = (region.patch, region.patch)
    flow, covered = backward_flow(drawn[:N_FACE], own[:N_FACE, :2], triangles, size)
    warped = sample(image, flow)
    opening = sample(openings, flow)
    if region.iris:
        _move_irises(warped, flow, image, own, drawn, region.mirrored)
    return warped, opening, covered


def _move_irises(
    warped: np.ndarray, flow: np.ndarray, image: np.ndarray, own: np.ndarray, drawn: np.ndarray, mirrored: bool
) -> None:
    """Draw the irises as the face model does, in place."""
    irises = lift_irises(image, own)
    if mirrored:
        own = own * [-1, 1, 1]
        irises = replace(irises, discs=tuple(disc[:, ::-1] for disc in irises.discs))
    unturned, opening, scales = drawn.copy(), np.ones(2), []
    gaps = [eye_gap(points, 2, ALL_PAIRS) for points in (drawn, own)]
    for index, eye in enumerate(EYES):
        ends, starts = drawn[list(eye.corners), :2], own[list(eye.corners), :2]
        across, before = ends[1] - ends[0], starts[1] - starts[0]
        turn = complex(*across) / complex(*before)
        offset = complex(*(own[eye.iris[0], :2] - starts.mean(0))) * turn
        unturned[eye.iris[0], :2] = ends.mean(0) + [offset.real, offset.imag]
        opening[index] = gaps[0][index] / max(gaps[1][index] * abs(turn), 1e-6)
        scales.append(abs(turn))
    scale = float(np.mean(scales))
    draw_eyes(warped, flow, irises, drawn, unturned, opening, (scale, scale))


def mirrored_pair(pair: Pair) -> Pair:
    """The pair's patch as a mirror shows it; the horizontal ramp runs the other way again. The face stays as it is."""
    channels = pair.channels[:, ::-1].copy()
    channels[..., 6] = 255 - channels[..., 6]
    flip = np.array([[-1.0, 0, channels.shape[1] - 1], [0, 1, 0]])
    return replace(
        pair,
        channels=channels,
        source=pair.source[:, ::-1],
        target=pair.target[:, ::-1],
        judged=pair.judged[:, ::-1],
        place=_after(pair.place, flip),
    )


def draw_frames(clip: FaceClip, region: Region, rng: Random, wide: bool = False) -> tuple[int, int]:
    """(photo, driving): for mouths, photos often closed and driving frames often open; for eyes, photos open and
    driving frames often closed or looking elsewhere. wide: drive to one of the clip's wide mouths."""
    if rng.random() < SAME_FRAME_SHARE:
        frame = int(rng.integers(len(clip.lips)))
        return frame, frame
    return _draw_eyes(clip, rng) if region.iris else _draw_mouths(clip, rng, wide)


def _draw_mouths(clip: FaceClip, rng: Random, wide: bool) -> tuple[int, int]:
    order = np.argsort(clip.lips)
    photo = rng.integers(max(1, len(order) // 3) if rng.random() < CLOSED_PHOTO_SHARE else len(order))
    if wide:
        return int(order[photo]), int(rng.choice(clip.wide))
    low = len(order) // 2 if rng.random() < OPEN_SHARE else 0
    return int(order[photo]), int(order[rng.integers(low, len(order))])


def _draw_eyes(clip: FaceClip, rng: Random) -> tuple[int, int]:
    order = np.argsort(clip.lids)
    photo = int(order[rng.integers(len(order) // 3, len(order))])
    kind = rng.random()
    if kind < BLINK_SHARE:
        return photo, int(order[rng.integers(max(1, len(order) * BLINKING // 100))])
    if kind < BLINK_SHARE + GLANCE_SHARE:
        some = rng.integers(0, len(order), GLANCE_CHOICES)
        return photo, int(some[np.argmax(np.linalg.norm(clip.gaze[some] - clip.gaze[photo], axis=1))])
    return photo, int(rng.integers(len(order)))


class Batch(NamedTuple):
    """Examples: the driving input, the view of the photo, the truth and the face around it, all in -1..1; judged: 0 or
    1; the face's landmarks, px, and px of the face -> px of the patch."""

    x: Float[Tensor, "b 9 p p"]
    source: Float[Tensor, "b 4 p p"]
    truth: Float[Tensor, "b 3 p p"]
    judged: Float[Tensor, "b 1 p p"]
    face: Float[Tensor, "b 3 f f"]
    points: Float[Tensor, "b 478 2"]
    place: Float[Tensor, "b 2 3"]

    def to(self, device: torch.device) -> Batch:
        """On another device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


def stacked(pairs: list[Pair]) -> Batch:
    """The batch of some examples."""
    x, source, truth, face = (
        torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))).float() / 127.5 - 1
        for images in zip(*((p.channels, p.source, p.target, p.face) for p in pairs), strict=True)
    )
    judged = torch.from_numpy(np.stack([p.judged for p in pairs])[:, None]).float()
    points, place = (
        torch.from_numpy(np.stack(values)).float() for values in zip(*((p.points, p.place) for p in pairs), strict=True)
    )
    return Batch(x, source, truth, judged, face, points, place)


class PairBatches(IterableDataset[Batch]):
    """Endless batches, speakers balanced; batch k is the same whatever came before it.

    Most mouths are driven to wide ones, by the clips that have them and by these alone.

    The first 2 * `consecutive` examples of a batch are frames that follow each other in time, two by two.
    """

    def __init__(
        self,
        clips: list[FaceClip],
        triangles: Int[np.ndarray, "faces 3"],
        network: str,
        batch: int,
        consecutive: int,
        seed: int,
        first: int = 0,
    ) -> None:
        """network: "mouth" or "eyes". first: number of the batch to begin with, when a run is resumed."""
        self.clips, self.triangles, self.regions = clips, triangles, regions_of(network)
        self.batch, self.consecutive, self.seed, self.first = batch, consecutive, seed, first
        speakers = [clip.speaker for clip in clips]
        self.chances = speaker_balanced(speakers, [clip.weight(self.regions[0]) for clip in clips])
        wide = [0.0 if self.regions[0].iris else clip.wide_weight for clip in clips]
        self.wide_chances = speaker_balanced(speakers, wide)

    def __iter__(self) -> Iterator[Batch]:
        number = self.first
        while True:
            yield self.make(number)
            number += 1

    def make(self, number: int) -> Batch:
        """Batch `number`."""
        rng = np.random.default_rng((self.seed, number))
        pairs: list[Pair] = []
        while len(pairs) < self.batch:
            clip, region, photo, driving = self.draw(rng)
            frames = [driving]
            if len(pairs) < 2 * self.consecutive:
                frames.append(int(clip.follower[driving]))
            pairs += make_pairs(clip, photo, frames, region, self.triangles, rng)
        return stacked(pairs)

    def draw(self, rng: Random) -> tuple[FaceClip, Region, int, int]:
        """A clip, the region of it, the photo and the driving frame."""
        wide = bool(self.wide_chances.any() and rng.random() < WIDE_SHARE)
        clip = self.clips[rng.choice(len(self.clips), p=self.wide_chances if wide else self.chances)]
        region = self.regions[rng.integers(len(self.regions))]
        return clip, region, *draw_frames(clip, region, rng, wide)


def speaker_balanced(speakers: list[str], weights: list[float]) -> Float[np.ndarray, " clips"]:
    """Chances of clips to be drawn: each speaker's clips together count as much as the mean of them, however many
    there are. All 0 where no clip weighs anything."""
    shares = np.array([weight / speakers.count(name) for name, weight in zip(speakers, weights, strict=True)])
    return shares / max(shares.sum(), 1e-9)


def regions_of(network: str) -> tuple[Region, ...]:
    """The regions that a network paints."""
    return (MOUTH,) if network == "mouth" else (EYE_LEFT, EYE_RIGHT)
