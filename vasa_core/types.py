"""The values that travel between the packages: tracked images, poses and motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8


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
    """

    pose: Float[np.ndarray, "n 6"]
    dynamics: Float[np.ndarray, "n dynamics"]

    def __len__(self) -> int:
        return len(self.pose)
