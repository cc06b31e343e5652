"""Windows without seams: each estimate of X_0 is bent, over its first frames, to go on where the last window ended.

The network sees the last frames of the previous window (X_pre) and nearly continues them, but slow channels move by a
hundredth of their spread in a frame, and nearly is a visible jerk. DiffPoseTalk (arXiv:2310.00434) answers with a loss
on the transition; this makes it exact.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.motion import seam


def continued(
    x0: Float[Tensor, "batch window channels"], previous: Float[Tensor, "batch context channels"]
) -> Float[Tensor, "batch window channels"]:
    """x0 moved by a fading offset so that it starts one step of its own speed after `previous` ends."""
    speed = (previous[:, -1:] - previous[:, -2:-1] + x0[:, 1:2] - x0[:, :1]) / 2  # (B, 1, X)
    gap = previous[:, -1:] + speed - x0[:, :1]
    return x0 + gap * fade(x0.shape[1], x0.shape[2]).to(x0)


def fade(window: int, channels: int) -> Float[Tensor, "{window} {channels}"]:
    """See `seam.fade`."""
    return torch.from_numpy(seam.fade(window, channels))
