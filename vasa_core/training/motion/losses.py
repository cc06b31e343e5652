"""Losses of the motion model: the squared error of the predicted motion, of its velocity, and of what lips do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.motion.model import Statistics
from vasa_core.motion.representation import EXPRESSION, LIDS
from vasa_core.training.motion.windows import Batch

if TYPE_CHECKING:
    from vasa_core.training.motion.data import MotionClip

_LEAST_EXPRESSION_WEIGHT = 0.2


def channel_weights(
    channels: int, visible: Float[np.ndarray, " expressions"] | None = None
) -> Float[Tensor, " channels"]:
    """Loss weight of each channel of x. visible: how far one unit of each expression channel moves the face."""
    weights = torch.ones(channels)
    weights[LIDS] = 2.5
    if visible is not None:
        share = torch.from_numpy(np.asarray(visible / visible.max(), np.float32))
        weights[EXPRESSION] = share.clamp(min=_LEAST_EXPRESSION_WEIGHT)
    return weights


class Totals(NamedTuple):
    """What the losses of a batch are divided by: the weights of what was measured, and of seen expression."""

    measured: Float[Tensor, ""]
    seen: Float[Tensor, ""]


def totals(batch: Batch, channels: Float[Tensor, " channels"]) -> Totals:
    """The totals of a batch, at least 1 each. channels: weight of each channel."""
    return Totals((batch.weight * channels).sum().clamp(min=1.0), _seen(batch).sum().clamp(min=1.0))


def _seen(batch: Batch) -> Float[Tensor, "batch window 1"]:
    return batch.weight[..., EXPRESSION].amin(-1, keepdim=True)


def motion_loss(
    predicted: Float[Tensor, "batch window channels"],
    batch: Batch,
    level: Float[Tensor, " batch"],
    channels: Float[Tensor, " channels"],
    velocity: float,
    lips: Float[Tensor, "expressions readings"] | None = None,
    whole: Totals | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Terms of the loss: "x0", the masked squared error of X_0, "velocity", that of its frame-to-frame difference, and
    with `lips` (readings of the lips per unit of normalised expression, times the term's weight) that of the lips.

    level: how often each item's errors count, by its noise (see `Schedule.weight`). The difference to the context's
    last frame counts where there is one. whole: totals of the batch that this is a part of, so that the losses of its
    parts add up to its own.
    """
    counts = level[:, None, None]
    weight = batch.weight * channels * counts
    whole = whole or totals(batch, channels)
    error = predicted - batch.x
    follows = batch.conditions.has_previous[:, None, None]
    steps = torch.cat([error[:, :1] * follows, error.diff(dim=1)], 1)  # the context itself has no error
    terms = {
        "x0": (weight * error.square()).sum() / whole.measured,
        "velocity": velocity * (weight * steps.square()).sum() / whole.measured,
    }
    if lips is not None:
        seen = _seen(batch)  # (batch, window, 1)
        readings = error[..., EXPRESSION] @ lips  # (batch, window, readings)
        terms["lips"] = (seen * counts * readings.square()).sum() / whole.seen
    return terms


def lip_readings(
    clips: list[MotionClip], stats: Statistics, moves: Float[np.ndarray, "expressions readings"]
) -> Float[Tensor, "expressions readings"]:
    """Lip readings per unit of normalised expression, each of them scaled to vary by 1 over the clips in all.

    moves: how far each unit of expression moves each reading (gaps between the lips, width of the mouth).
    """
    scaled = moves * stats.motion_std[EXPRESSION].numpy()[:, None].astype(np.float64)
    values = np.concatenate([clip.x[:, EXPRESSION] for clip in clips]) @ moves
    return torch.from_numpy((scaled / values.std(0).clip(1e-6) / np.sqrt(moves.shape[1])).astype(np.float32))
