"""What the motion model sees: head pose relative to the person's usual one, gaze in the camera, lids and expression.

x = [pose 6, dynamics D]. Closed form in both directions. The face model's gaze is in the head; VASA-1's gaze condition
is a direction in the camera, so the model's gaze channels are too, and a slider acts on them directly.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from vasa_core.types import Motion

POSE = slice(0, 6)
PITCH, YAW, LOG_DISTANCE = 0, 1, 5
GAZE = slice(6, 8)  # yaw, pitch
LIDS = slice(8, 10)
EXPRESSION = slice(10, None)
_HEAD = [YAW, PITCH]  # in the order of the gaze's yaw, pitch


def usual_pose(motion: Motion) -> Float[np.ndarray, " 6"]:
    """The pose that a clip's motion is relative to: its median."""
    return np.median(motion.pose, 0)


def to_model(motion: Motion, usual: Float[np.ndarray, " 6"]) -> Float[np.ndarray, "n channels"]:
    """Motion -> x: pose relative to `usual` (log distance too), gaze in the camera, the rest as it is."""
    x = np.concatenate([motion.pose - usual, motion.dynamics], 1)  # (n, 6 + D)
    x[:, GAZE] += motion.pose[:, _HEAD]
    return x


def from_model(
    x: Float[np.ndarray, "n channels"],
    usual: Float[np.ndarray, " 6"],
    head_motion: float = 1.0,
    distance: float = 1.0,
) -> Motion:
    """x -> Motion of a head whose usual pose is `usual`; the inverse of `to_model` for the default arguments.

    head_motion: amount of head motion; 0 is `usual` in every frame (at `distance`). distance: the x were generated
    for this distance relative to `usual`, so their log distance varies about log(distance), and only the variation
    is scaled by head_motion. Eyes keep their direction in the camera whatever the head does.
    """
    centre = np.zeros(6)
    centre[LOG_DISTANCE] = math.log(distance)
    pose = usual + centre + head_motion * (x[:, POSE] - centre)
    dynamics = x[:, POSE.stop :].copy()
    dynamics[:, :2] -= pose[:, _HEAD]
    return Motion(pose, dynamics)
