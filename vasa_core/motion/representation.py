"""What the motion model sees: head pose relative to the person's usual one, gaze in the camera, lids and expression.

x = [pose 6, dynamics D]. Closed form in both directions. The face model's gaze is in the head; VASA-1's gaze condition
is a direction in the camera, so the model's gaze channels are too. Gaze and log distance are relative to their
conditions: what a slider asks for is added exactly, whatever was in the training data, and the model is left with how
eyes and head move about it (where guidance on an absolute direction overshoots to twice the angle asked for).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.types import Motion

POSE = slice(0, 6)
ANGLES = slice(0, 3)  # pitch, yaw, roll
PITCH, YAW, SHIFT_Y, LOG_DISTANCE = 0, 1, 4, 5
GAZE = slice(6, 8)  # yaw, pitch
LIDS = slice(8, 10)
EXPRESSION = slice(10, None)
FACE = slice(8, None)  # lids and expression: what an emotion changes
_HEAD = [YAW, PITCH]  # in the order of the gaze's yaw, pitch


def usual_pose(motion: Motion) -> Float[np.ndarray, " 6"]:
    """The pose that a clip's motion is relative to: its median."""
    return np.median(motion.pose, 0)


def to_model(
    motion: Motion,
    usual: Float[np.ndarray, " 6"],
    gaze: Float[np.ndarray, " 2"] | None = None,
) -> Float[np.ndarray, "n channels"]:
    """Motion -> x of a head whose usual pose is `usual`, relative to the main gaze.

    gaze: main gaze in the camera (yaw, pitch), rad; None is into the camera.
    """
    x = np.concatenate([motion.pose - usual, motion.dynamics], 1)  # (n, 6 + D)
    x[:, GAZE] += motion.pose[:, _HEAD]
    return relative(x, np.zeros(2) if gaze is None else gaze, 0.0)


def relative(
    x: Float[np.ndarray, "n channels"], gaze: Float[np.ndarray, " 2"], log_distance: float
) -> Float[np.ndarray, "n channels"]:
    """x with the main gaze and the distance taken off."""
    result = x.copy()
    result[:, GAZE] -= gaze
    result[:, LOG_DISTANCE] -= log_distance
    return result


def from_model(
    x: Float[np.ndarray, "n channels"],
    usual: Float[np.ndarray, " 6"],
    gaze: Float[np.ndarray, " 2"] | None = None,
    head_motion: float = 1.0,
) -> Motion:
    """x -> Motion; the inverse of `to_model` for head_motion 1.

    head_motion: amount of head motion; 0 is `usual` in every frame. Eyes keep their direction in the camera whatever
    the head does. The distance asked for is no part of it: that is the zoom of the whole picture.
    """
    pose = usual + head_motion * x[:, POSE]
    dynamics = x[:, POSE.stop :].copy()
    dynamics[:, :2] += (np.zeros(2) if gaze is None else gaze) - pose[:, _HEAD]
    return Motion(pose, dynamics)


def with_emotion(
    x: Float[np.ndarray, "n channels"], rest: Float[np.ndarray, " face"], strength: float
) -> Float[np.ndarray, "n channels"]:
    """x of the same face feeling something. rest: what the emotion adds at strength 1.

    Expression is added to; lids open by that much more of what they do, so that they still close.
    """
    lids = LIDS.stop - LIDS.start
    felt = x.copy()
    felt[:, LIDS] *= 1 + strength * rest[:lids]
    felt[:, EXPRESSION] += strength * rest[lids:]
    return felt


def with_head(motion: Motion, pose: Float[np.ndarray, "n 6"]) -> Motion:
    """The same motion on a head of another pose. Eyes keep their direction in the camera."""
    dynamics = motion.dynamics.copy()
    dynamics[:, :2] += motion.pose[:, _HEAD] - pose[:, _HEAD]
    return Motion(pose, dynamics, motion.breath)
