"""How far a single photo can be moved: beyond these, motion is limited smoothly instead of breaking the picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import GAZE
from vasa_core.face.pose import LOG_DISTANCE, PITCH, ROLL, SHIFT_X, SHIFT_Y, YAW
from vasa_core.face.topology import CHIN, FOREHEAD, N_FACE
from vasa_core.types import Border, Motion

LINEAR_SHARE = 0.7  # of a limit: up to there nothing is changed
TURN_LIMITS = {PITCH: np.radians(22), YAW: np.radians(32), ROLL: np.radians(28)}  # from the photo's own pose
LEAST_ROOM = 0.4  # of a limit, back from a photo that is turned far
ENOUGH_ROOM = (0.3, 0.3, 0.3, 0.15)  # face heights to a photo's left, upper, right, lower border: all motion fits in
LEAST_FREEDOM = 0.25  # of head motion, of a face that touches the border
SHIFT_LIMIT = 0.5  # face widths
LOG_DISTANCE_LIMIT = np.log(1.35)
GAZE_LIMITS = np.radians([32, 26])  # yaw, pitch in the head


def soft_limit(values: Float[np.ndarray, "*n"], limit: float | Float[np.ndarray, "*m"]) -> Float[np.ndarray, "*n"]:
    """Identity up to LINEAR_SHARE of the limit, then bending towards it; smooth, monotone and odd."""
    knee = LINEAR_SHARE * limit
    room = limit - knee
    excess = np.maximum(np.abs(values) - knee, 0)
    return np.where(excess > 0, np.sign(values) * (knee + room * np.tanh(excess / room)), values)


def _room(turn: Float[np.ndarray, " n"], own: float, limit: float) -> Float[np.ndarray, " n"]:
    """Limit of each turn: a photo already turned to one side does not show the other, so turning back goes less far."""
    back = np.sign(turn) == -np.sign(own)
    return np.where(back, np.maximum(limit - abs(own), LEAST_ROOM * limit), limit)


def eased_lids(
    lids: Float[np.ndarray, "n 2"], usual: Float[np.ndarray, " 2"], widest: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "n 2"]:
    """Openings that go beyond the usual one no further than to `widest` (see `FaceBasis.widest_lids`), smoothly."""
    room = np.maximum(widest - usual, 1e-6)
    wider = np.maximum(lids - usual, 0)
    return lids + room * np.tanh(wider / room) - wider


def freedom_within(landmarks: Float[np.ndarray, "478 3"], border: Border | None) -> float:
    """How much of its motion a head has, 0..1, before it would uncover what lies beyond the border. landmarks: px."""
    if border is None:
        return 1.0
    face = landmarks[:N_FACE, :2]
    height = float(np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]))
    room = np.concatenate([face.min(0) - border[:2], border[2:] - face.max(0)]) / height
    return float(np.clip((room / ENOUGH_ROOM).min(), LEAST_FREEDOM, 1))


def limited(motion: Motion, own: Motion, freedom: float = 1.0) -> Motion:
    """Motion within what a photo with the pose and dynamics `own` (one frame) can show.

    freedom: share of the head's motion that there is room for; eyes keep their direction in the camera.
    """
    pose, dynamics = motion.pose - own.pose, motion.dynamics.copy()
    if freedom < 1:
        dynamics[:, GAZE] += (1 - freedom) * pose[:, [YAW, PITCH]]
        pose = freedom * pose
    for axis, limit in TURN_LIMITS.items():
        pose[:, axis] = soft_limit(pose[:, axis], _room(pose[:, axis], own.pose[0, axis], float(limit)))
    for axis in (SHIFT_X, SHIFT_Y):
        pose[:, axis] = soft_limit(pose[:, axis], SHIFT_LIMIT)
    pose[:, LOG_DISTANCE] = soft_limit(pose[:, LOG_DISTANCE], float(LOG_DISTANCE_LIMIT))
    dynamics[:, GAZE] = soft_limit(dynamics[:, GAZE], GAZE_LIMITS)
    return Motion(pose + own.pose, dynamics, motion.breath)
