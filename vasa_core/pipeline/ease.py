"""How a photo comes to life: the first frame is the photo, and motion takes over from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import EXPRESSION, LIDS
from vasa_core.rates import FPS
from vasa_core.types import Motion

HEAD_FRAMES = FPS  # in which head and gaze come to do what they are told
FACE_FRAMES = 6  # ... and lids and expression: lips are not to miss the first word


def eased_in(motion: Motion, own: Motion, first: int) -> Motion:
    """Motion of frames `first` on of a video, which begins with the photo's `own` motion (one frame)."""
    if first >= HEAD_FRAMES or not len(motion):
        return motion
    frames = first + np.arange(len(motion))
    head, face = _smooth(frames / HEAD_FRAMES)[:, None], _smooth(frames / FACE_FRAMES)[:, None]
    dynamics = own.dynamics + head * (motion.dynamics - own.dynamics)
    for part in (LIDS, EXPRESSION):
        dynamics[:, part] = own.dynamics[:, part] + face * (motion.dynamics - own.dynamics)[:, part]
    return replace(motion, pose=own.pose + head * (motion.pose - own.pose), dynamics=dynamics)


def _smooth(place: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """0 to 1, slowly at both ends."""
    place = np.clip(place, 0, 1)
    return place**2 * (3 - 2 * place)
