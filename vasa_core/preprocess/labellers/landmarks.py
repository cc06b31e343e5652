"""Gaze and distance from the landmarks alone, as the bundled motion model was trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.preprocess.labellers.labels import Image
from vasa_core.types import Motion

_PITCH, _YAW, _LOG_DISTANCE = 0, 1, 5  # of a pose
_GAZE = slice(0, 2)  # of the dynamics: yaw, pitch in the head, radians


@runtime_checkable
class FaceEncoder(Protocol):
    """A face model that reads landmarks and whose dynamics begin with the gaze in the head: the mesh model."""

    def encode_landmarks(
        self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int], identity: Any = None
    ) -> tuple[Any, Motion]: ...


class LandmarkGaze:
    """Gaze in the camera: the eyes' direction in the head plus the head's own."""

    labels = ("yaw", "pitch")
    reads_pictures = False

    def __init__(self, face: FaceEncoder) -> None:
        self._face = face

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 2"]:
        """Yaw and pitch in degrees."""
        motion = self._face.encode_landmarks(landmarks, size)[1]
        return np.degrees(motion.dynamics[:, _GAZE] + motion.pose[:, [_YAW, _PITCH]]).astype(np.float32)


class LandmarkDistance:
    """Distance as the picture's height over the face's width, the head's turning taken out."""

    labels = ("distance",)
    reads_pictures = False

    def __init__(self, face: FaceEncoder) -> None:
        self._face = face

    def __call__(
        self, images: Sequence[Image], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
    ) -> Float32[np.ndarray, "n 1"]:
        """Distance up to a factor."""
        motion = self._face.encode_landmarks(landmarks, size)[1]
        return np.exp(motion.pose[:, [_LOG_DISTANCE]]).astype(np.float32)
