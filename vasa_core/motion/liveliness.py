"""How lively somebody is: the condition that tells the motion model how far lips, brows, smile and head go.

Computed from a clip's own motion, not from labels by hand. A model that is not told averages over lively and quiet
people, and a face that averages over people is asleep.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.motion.representation import EXPRESSION, POSE
from vasa_core.rates import FPS

LIVELINESS = ("lips", "brows", "smile", "head")
FACE_PARTS = slice(0, 3)  # of LIVELINESS: what scales with expression
HEAD_PART = 3
_LEAST_FACE, _LEAST_HEAD = 1e-3, 1e-3  # face widths, rad: spreads below are noise of the landmarks


def liveliness(
    x: Float[np.ndarray, "n channels"], readings: Float[np.ndarray, "expressions 4"]
) -> Float[np.ndarray, " 4"]:
    """LIVELINESS of some motion: logarithms of spreads over time.

    x: motion as the model sees it. readings: how far each unit of expression moves the gap between the lips, the
    brows' height, the mouth's width and its corners' height, face widths (`FaceBasis.readings`). Lips and brows count
    by their own spread, smile by that of width and corners together, head by the geometric mean of the spread of its
    angles and of their change in a second.
    """
    gap, brow, width, corner = (x[:, EXPRESSION] @ readings).std(0)
    angles = x[:, POSE][:, :3]
    spread = np.sqrt(angles.var(0).mean())
    speed = FPS * np.sqrt(np.diff(angles, axis=0).var(0).mean())
    face = np.log([gap, brow, np.hypot(width, corner)] + np.full(3, _LEAST_FACE))
    return np.append(face, np.log(np.sqrt(spread * speed) + _LEAST_HEAD))


def scaled(x: Float[np.ndarray, "n channels"], face: float = 0.0, head: float = 0.0) -> Float[np.ndarray, "n channels"]:
    """The same motion of a livelier or quieter person: expression and head go exp(face) and exp(head) times as far.

    Its `liveliness` is that of x with `face` and `head` added (but for the least spreads). A face scaled about its rest
    closes its lips when it did.
    """
    result = x.copy()
    result[:, EXPRESSION] *= np.exp(face)
    result[:, POSE] *= np.exp(head)
    return result
