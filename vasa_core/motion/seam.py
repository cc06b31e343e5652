"""How a gap between windows fades, in numpy; see `continuity`, which does the same in torch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

from vasa_core.motion.representation import LIDS

SLOW_FRAMES, FAST_FRAMES = 16, 4  # over which a gap fades: pose and gaze; lids and expression


def continued(
    x0: Float32[np.ndarray, "window channels"], previous: Float32[np.ndarray, "context channels"]
) -> Float32[np.ndarray, "window channels"]:
    """x0 moved by a fading offset so that it starts one step of its own speed after `previous` ends."""
    speed = (previous[-1] - previous[-2] + x0[1] - x0[0]) / 2  # (X,)
    return x0 + (previous[-1] + speed - x0[0]) * fade(*x0.shape)


@lru_cache(maxsize=8)
def fade(window: int, channels: int) -> Float32[np.ndarray, "{window} {channels}"]:
    """Share of the gap that each frame is moved by: 1 at frame 0, then a half cosine down to 0."""
    frames = np.where(np.arange(channels) < LIDS.start, SLOW_FRAMES, FAST_FRAMES)
    place = np.minimum(np.arange(window)[:, None] / frames, 1)
    return ((1 + np.cos(np.pi * place)) / 2).astype(np.float32)
