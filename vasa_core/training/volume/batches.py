"""Batches for the volume face model: source and driving frames of one clip, and a frame of somebody else.

Batch number n depends on (seed, n) alone: a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset

from vasa_core.data.frames import FaceFrames
from vasa_core.errors import InputError
from vasa_core.face.measure import lip_gap_of_width, whole_eye_opening
from vasa_core.face.volume.model import laid_over_grey

CHOICES = 5  # driving frames among which one that differs from the source's is taken:
LIVELY_SHARE, FAR_SHARE = 0.5, 0.3  # shares of pairs: with the most other lips and lids, with the most other landmarks
CLOSING_SHARE = 0.25  # share of pairs, of the lively ones, that close the mouth: the harder half
LIPS_RANGE, LIDS_RANGE = 0.1, 0.2  # of `lip_gap_of_width` and `whole_eye_opening`, from shut to open in speech
# Standard deviations of how the head pose that the facial-dynamics encoder's picture is brought upright by is off:
_AIM = np.array([0, 0, 0.04, 0.03, 0.03, 0.06], np.float32)  # angles in radians, face widths, log of the size


class Views(NamedTuple):
    """Frames of a batch. image: person over mid-grey, -1..1. matte: 0..1. seen: the same picture in other colours, for
    the encoders of motion. aim: `pose`, a little off, for the facial-dynamics encoder: so nothing but dynamics can be
    read (MegaPortraits' augmentation of the driver). dynamics: the mesh face model's. landmarks: px. rest, shape: the
    person's face at rest and in this frame, in canonical space. chance: evenly spread over 0..1, for whatever is left
    to chance."""

    image: Float[Tensor, "b 3 size size"]
    matte: Float[Tensor, "b 1 size size"]
    seen: Float[Tensor, "b 3 size size"]
    pose: Float[Tensor, "b 6"]
    aim: Float[Tensor, "b 6"]
    dynamics: Float[Tensor, "b mesh"]
    landmarks: Float[Tensor, "b 478 2"]
    rest: Float[Tensor, "b 478 3"]
    shape: Float[Tensor, "b 478 3"]
    chance: Float[Tensor, " b"]

    def part(self, index: slice) -> Views:
        """Some of the frames."""
        return Views(*(tensor[index] for tensor in self))

    def to(self, device: torch.device) -> Views:
        """On another device."""
        return Views(*(tensor.to(device, non_blocking=True) for tensor in self))


class FaceBatch(NamedTuple):
    """source and driving: frames of the same clip. other: frames of other people."""

    source: Views
    driving: Views
    other: Views

    def part(self, index: slice) -> FaceBatch:
        """Some of the examples."""
        return FaceBatch(*(views.part(index) for views in self))

    def to(self, device: torch.device) -> FaceBatch:
        """On another device."""
        return FaceBatch(*(views.to(device) for views in self))


class FaceBatches(IterableDataset):  # pyright: ignore[reportMissingTypeArgument]
    """Batches number `first`, `first` + 1 ... without end; workers take turns."""

    def __init__(
        self, clips: list[FaceFrames], batch: int, seed: int, first: int = 0, part: slice | None = None
    ) -> None:
        """part: of each batch, what is made here (one process's share). Every person is drawn as often as every other.

        Raises InputError if there are fewer than two people.
        """
        self.clips, self.size, self.seed, self.first, self.part = clips, batch, seed, first, part or slice(None)
        people = [clip.speaker for clip in clips]
        if len(set(people)) < 2:
            raise InputError(f"the clips show {len(set(people))} person; expected at least two people.")
        weight = np.array([1 / people.count(person) for person in people])
        self._weight = weight / weight.sum()

    def __iter__(self) -> Iterator[FaceBatch]:
        worker = torch.utils.data.get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        number = self.first + start
        while True:
            yield self.batch(number)
            number += step

    def batch(self, number: int) -> FaceBatch:
        """Batch `number`, or this process's part of it; each example depends on its place in the whole batch."""
        rows = [self._example(np.random.default_rng([self.seed, number, i])) for i in range(self.size)[self.part]]
        return FaceBatch(*(stack_views([row[kind] for row in rows]) for kind in range(3)))

    def _example(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], ...]:
        index = int(rng.choice(len(self.clips), p=self._weight))
        clip = self.clips[index]
        source, driving = draw_pair(clip, rng)
        while self.clips[stranger := int(rng.choice(len(self.clips), p=self._weight))].speaker == clip.speaker:
            pass
        other = self.clips[stranger]
        mirrored, colours = bool(rng.random() < 0.5), _colours(rng, 0.12)
        return (
            view(clip, source, rng, mirrored, colours),
            view(clip, driving, rng, mirrored, colours),
            view(other, int(rng.integers(len(other))), rng, mirrored, colours),
        )


def draw_pair(clip: FaceFrames, rng: np.random.Generator) -> tuple[int, int]:
    """A source and a driving frame, mostly of faces that differ."""
    source, kind = int(rng.integers(len(clip))), rng.random()
    choices = rng.integers(len(clip), size=CHOICES)
    landmarks, own = clip.landmarks[choices], clip.landmarks[[source]]
    if kind < LIVELY_SHARE:
        lips, lids = (np.abs(reading(landmarks) - reading(own)) for reading in (lip_gap_of_width, whole_eye_opening))
        away = lips / LIPS_RANGE + lids / LIDS_RANGE
    elif kind < LIVELY_SHARE + FAR_SHARE:
        away = np.linalg.norm(landmarks[..., :2] - own[..., :2], axis=-1).mean(-1)
    else:
        away = np.zeros(CHOICES)
    driving = int(choices[away.argmax()])
    before, after = lip_gap_of_width(clip.landmarks[[source, driving]])
    return (driving, source) if kind < CLOSING_SHARE and before < after else (source, driving)


def view(
    clip: FaceFrames,
    index: int,
    rng: np.random.Generator | None = None,
    mirrored: bool = False,
    colours: UInt8[np.ndarray, "256 3"] | None = None,
) -> dict[str, np.ndarray]:
    """One frame as the arrays of `Views`. rng: augments the encoders' pictures; None leaves all as it is."""
    image, matte = clip.person(index), clip.mattes[index]
    pose, landmarks = clip.pose[index].astype(np.float32), clip.landmarks[index, :, :2].astype(np.float32)
    flip = np.array([-1 if mirrored else 1, 1, 1], np.float32)
    if mirrored:
        image, matte = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(matte[:, ::-1])
        pose = pose * np.array([1, -1, -1, -1, 1, 1], np.float32)  # yaw, roll and the shift to the right
        landmarks = landmarks * [-1, 1] + [image.shape[1] - 1, 0]
    if colours is not None:
        image = laid_over_grey(_recoloured(image, colours), matte)
    seen, aim, chance = image, pose, 0.0
    if rng is not None:
        seen = laid_over_grey(_recoloured(image, _colours(rng, 0.3)), matte)
        aim = pose + rng.normal(size=6).astype(np.float32) * _AIM
        chance = rng.random()
    return {
        "image": image,
        "matte": matte[..., None],
        "seen": seen,
        "pose": pose,
        "aim": aim,
        "dynamics": (clip.mirrored if mirrored else clip.dynamics)[index].astype(np.float32),
        "landmarks": landmarks.astype(np.float32),
        "rest": clip.rest * flip,
        "shape": clip.shapes[index] * flip,
        "chance": np.array(chance, np.float32),
    }


def stack_views(rows: list[dict[str, np.ndarray]]) -> Views:
    """Arrays of `view` as tensors."""

    def pixels(name: str) -> Tensor:
        return torch.from_numpy(np.stack([row[name] for row in rows])).permute(0, 3, 1, 2).float()  # (b, c, size, size)

    image, seen = (pixels(name) / 127.5 - 1 for name in ("image", "seen"))
    names = ("pose", "aim", "dynamics", "landmarks", "rest", "shape", "chance")
    numbers = [torch.from_numpy(np.stack([row[name] for row in rows])) for name in names]
    return Views(image, pixels("matte") / 255, seen, *numbers)


def _colours(rng: np.random.Generator, strength: float) -> UInt8[np.ndarray, "256 3"]:
    """A table of new levels of each channel: gamma, gain and offset."""
    levels = np.arange(256)[:, None] / 255
    gamma, gain = np.exp(rng.normal(0, strength)), np.exp(rng.normal(0, strength, 3) * [1, 1, 1] * 0.5)
    return np.clip((levels**gamma * gain + rng.normal(0, strength / 4)) * 255, 0, 255).astype(np.uint8)


def _recoloured(image: UInt8[np.ndarray, "h w 3"], table: UInt8[np.ndarray, "256 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.stack([table[image[..., channel], channel] for channel in range(3)], -1)
