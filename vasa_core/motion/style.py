"""Style from a sample: how lively somebody is, what their face rests in, and how their head goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import FaceBasis, lip_gaps, toward_gaps
from vasa_core.motion.liveliness import liveliness
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import EXPRESSION, POSE, to_model, usual_pose
from vasa_core.types import Motion

ANGLES = slice(0, 3)  # pitch, yaw, roll
MOST_REST = 2.0  # standard deviations of one expression
MOST_MANNER = 2.0  # times as much of one turn of the head, at the cost of the others


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


def style_of(motion: Motion, basis: FaceBasis, model: MotionModel) -> Style:
    """The style of somebody who moves so. model: relative to whose usual motion it is."""
    x = to_model(motion, usual_pose(motion))
    usual, spread = model.motion_mean.cpu().numpy(), model.motion_std.cpu().numpy()
    rest = np.clip((x - usual)[:, EXPRESSION].mean(0), -MOST_REST, MOST_REST)
    rest -= rest @ lip_gaps(basis.dynamics) @ toward_gaps(basis.dynamics)
    turns = np.maximum(x[:, POSE].std(0), 1e-3)[ANGLES] / spread[ANGLES]
    head = np.clip(turns / np.exp(np.log(turns).mean()), 1 / MOST_MANNER, MOST_MANNER)
    return Style(liveliness(x, basis.readings()), rest, head / np.exp(np.log(head).mean()))
