"""Style from a sample: how lively somebody is, what their face rests in, and how their head goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.motion.representation import ANGLES, EXPRESSION


@dataclass(frozen=True)
class Style:
    """liveliness: as `motion.liveliness`. rest: expression that is added to generated ones; lips stay as far apart.

    head: how much of each turn (pitch, yaw, roll) there is, beside what is usual; their geometric mean is 1, since how
    much there is altogether is in the liveliness.
    """

    liveliness: Float[np.ndarray, " 4"]
    rest: Float[np.ndarray, " expressions"]
    head: Float[np.ndarray, " 3"]

    def applied(self, x: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n channels"]:
        """Generated motion with this rest and this manner of moving the head."""
        result = x.copy()
        result[:, EXPRESSION] += self.rest
        result[:, ANGLES] *= self.head
        return result
