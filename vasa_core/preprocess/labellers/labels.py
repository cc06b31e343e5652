"""The one interface of the condition labellers (VASA-1, section 3.2): gaze, distance and emotion of each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.errors import InputError
from vasa_core.options import EMOTIONS

BLOCK = 16  # frames that are held and labelled at once

Image = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True)
class Labels:
    """Labels of one clip, a row a frame.

    gaze: yaw, pitch in degrees in the camera; +yaw to the viewer's right, +pitch up, 0/0 into the camera.
    distance: head-to-camera distance up to a constant factor, which differs between labellers.
    emotion: probabilities of `Labellers.emotions`, in that order.
    """

    gaze: Float32[np.ndarray, "n 2"]
    distance: Float32[np.ndarray, " n"]
    emotion: Float32[np.ndarray, "n classes"]


@runtime_checkable
class Labeller(Protocol):
    """Labels one thing of each frame."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        ...

    @property
    def reads_pictures(self) -> bool:
        """Whether it looks at the images at all."""
        ...

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n columns"]:
        """images: RGB, n of one face, of `size` (height, width); landmarks: px of them.

        A labeller that reads no pictures is given none, and the landmarks of the whole clip at once.
        """
        ...


@dataclass(frozen=True)
class Labellers:
    """One labeller for each condition: gaze (2 columns), distance (1 column), emotion (one column a class)."""

    gaze: Labeller
    distance: Labeller
    emotion: Labeller

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the emotion's classes, in the order of their columns."""
        return self.emotion.labels

    @property
    def reads_pictures(self) -> bool:
        """Whether any of them needs the frames."""
        return any(labeller.reads_pictures for labeller in (self.gaze, self.distance, self.emotion))

    def __call__(
        self, frames: Iterable[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Labels:
        """Labels of one clip, in one pass over its frames.

        frames: RGB, of `size` (height, width); not looked at unless `reads_pictures`. landmarks: px of the frames, all
        of one person, gaps filled. Raises InputError if there are no landmarks, one is no number, or the frames are
        not as many.
        """
        if not len(landmarks) or not np.isfinite(landmarks).all():
            raise InputError(
                f"the clip has {len(landmarks)} frames of landmarks; expected one or more, all of numbers."
            )
        parts = {"gaze": self.gaze, "distance": self.distance, "emotion": self.emotion}
        found = {name: [] if part.reads_pictures else [part((), landmarks, size)] for name, part in parts.items()}
        if self.reads_pictures:
            for images, points in _blocks(frames, landmarks):
                for name, part in parts.items():
                    if part.reads_pictures:
                        found[name].append(part(images, points, size))
        gaze, distance, emotion = (np.concatenate(rows) for rows in found.values())
        return Labels(gaze, distance[:, 0], emotion)


def _blocks(
    frames: Iterable[Image], landmarks: Float[np.ndarray, "n 478 3"]
) -> Iterator[tuple[list[Image], Float[np.ndarray, "block 478 3"]]]:
    rest, done = iter(frames), 0
    while images := list(islice(rest, BLOCK)):
        if done + len(images) > len(landmarks):
            raise InputError(f"the clip has more frames than the {len(landmarks)} of its landmarks; expected as many.")
        yield images, landmarks[done : done + len(images)]
        done += len(images)
    if done < len(landmarks):
        raise InputError(f"the clip has {done} frames; expected the {len(landmarks)} of its landmarks.")


def reordered(
    probabilities: Float[np.ndarray, "n classes"], labels: tuple[str, ...], wanted: tuple[str, ...] = EMOTIONS
) -> Float[np.ndarray, "n wanted"]:
    """The columns of `wanted`, found by name; other classes are dropped and the rows sum to 1 again.

    Raises InputError if one of `wanted` is not among `labels`.
    """
    if missing := [name for name in wanted if name not in labels]:
        raise InputError(f"the emotion {missing[0]!r} is not labelled; expected one of {', '.join(labels)}.")
    kept = probabilities[:, [labels.index(name) for name in wanted]]
    return kept / kept.sum(1, keepdims=True)
