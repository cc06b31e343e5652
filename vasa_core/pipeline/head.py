"""Where the head goes when it is not generated: round and round, or as in a video (VASA-1, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from vasa_core.face.pose import PITCH, ROLL, YAW
from vasa_core.motion.representation import with_head
from vasa_core.rates import FPS
from vasa_core.types import Motion

SPIN_SECONDS = 4.0  # for one round
ROUND = {YAW: np.radians(16), PITCH: np.radians(9), ROLL: np.radians(3)}
EASE_SECONDS = 1.0  # from the portrait's own pose into the round

HeadPath = Callable[[int, int], Float[np.ndarray, "count 6"]]  # first frame, count -> pose relative to the portrait's


def spinning(first: int, count: int) -> Float[np.ndarray, "{count} 6"]:
    """A head whose nose draws a circle: right, up, left, down."""
    seconds = (first + np.arange(count)) / FPS
    ease = (1 - np.cos(np.pi * np.clip(seconds / EASE_SECONDS, 0, 1))) / 2
    angle = 2 * np.pi * seconds / SPIN_SECONDS
    pose = np.zeros((count, 6))
    pose[:, YAW] = ROUND[YAW] * np.cos(angle)
    pose[:, PITCH] = ROUND[PITCH] * np.sin(angle)
    pose[:, ROLL] = ROUND[ROLL] * np.cos(angle)
    return ease[:, None] * pose


def played(poses: Float[np.ndarray, "n 6"]) -> HeadPath:
    """Poses relative to the portrait's, frame by frame; after the last one backwards, and so on."""

    def path(first: int, count: int) -> Float[np.ndarray, "count 6"]:
        return poses[back_and_forth(len(poses), first, count)]

    return path


def back_and_forth(length: int, first: int, count: int) -> np.ndarray:
    """Indices of `count` frames from `first` on of what has `length` frames and is played forwards and backwards."""
    place = (first + np.arange(count)) % max(1, 2 * (length - 1))
    return np.minimum(place, 2 * (length - 1) - place)


def moved_heads(
    motions: Iterator[Motion], path: HeadPath, own: Float[np.ndarray, " 6"], amount: float = 1.0
) -> Iterator[Motion]:
    """The same faces on heads that move along `path` about the portrait's `own` pose, `amount` times as far."""
    done = 0
    for motion in motions:
        yield with_head(motion, own + amount * path(done, len(motion)))
        done += len(motion)
