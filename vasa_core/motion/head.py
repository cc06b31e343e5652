"""A head that has mass: sampled ones now and then turn by several degrees from one frame to the next."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.motion.representation import POSE

FOLLOWS = 0.6  # of the way to where the sampled head is, in a frame
# Pitch, yaw, roll (rad), shift right and down (face widths), log distance: at most so much in a frame.
FASTEST = np.array([*np.radians([2.4, 2.4, 2.4]), 0.03, 0.03, 0.02])


class Head:
    """Head pose of a stream of sampled motion, which may be cut anywhere."""

    def __init__(self) -> None:
        self._pose: Float[np.ndarray, " 6"] | None = None

    def __call__(self, x: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n channels"]:
        """The same motion with this head. x: the stream's next frames, as the model gives them."""
        result = x.copy()
        for frame in result:
            wanted = frame[POSE].copy()
            if self._pose is not None:
                wanted = self._pose + np.clip(FOLLOWS * (wanted - self._pose), -FASTEST, FASTEST)
            self._pose = frame[POSE] = wanted
        return result
