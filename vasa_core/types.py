"""The values that travel between the packages: tracked images, poses and motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

MOUTH, LEFT_EYE, RIGHT_EYE = PARTS = ("mouth", "left eye", "right eye")  # that are painted, sides as the image has them
Border = tuple[float, float, float, float]  # left, top, right, bottom edge of a photo; px of a crop of it


@dataclass(frozen=True)
class TrackedImage:
    """A square image of one face with its landmarks.

    image: RGB. landmarks: x, y in pixels of `image` and z in the same unit (negative towards the camera).
    transform: the landmarker's own 4x4 face transform (canonical metric space -> camera, centimetres).
    """

    image: UInt8[np.ndarray, "height width 3"]
    landmarks: Float[np.ndarray, "478 3"]
    transform: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class Motion:
    """Motion of one face over n frames, independent of whose face it is.

    pose: rotation about x (pitch), y (yaw), z (roll) in radians; translation right and down in units of the
        face's width; log of the head-to-camera distance, relative to the crop (see `face.pose`).
    dynamics: z_dyn, the facial dynamics latent (see `face.basis` for what each entry is).
    breath: how far the shoulders have risen, in units of the face's width; None is not at all.
    """

    pose: Float[np.ndarray, "n 6"]
    dynamics: Float[np.ndarray, "n dynamics"]
    breath: Float[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, frames: slice | Int[np.ndarray, " m"]) -> Motion:
        """Motion of some of the frames."""
        breath = None if self.breath is None else self.breath[frames]
        return Motion(self.pose[frames], self.dynamics[frames], breath)

    @classmethod
    def joined(cls, parts: Sequence[Motion]) -> Motion:
        """One motion after the other. Where some breathe and some do not, those hold their breath."""
        pose = np.concatenate([part.pose for part in parts])
        dynamics = np.concatenate([part.dynamics for part in parts])
        if all(part.breath is None for part in parts):
            return cls(pose, dynamics)
        breath = [np.zeros(len(part)) if part.breath is None else part.breath for part in parts]
        return cls(pose, dynamics, np.concatenate(breath))


Progress = Callable[[int, int], None]  # steps done, in all (0: not known yet)
