"""Breath: head and shoulders rise and sink a little, whatever else the head does, in speech and in silence."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.motion.representation import PITCH, SHIFT_Y
from vasa_core.rates import FPS

BREATH_SECONDS = 4.2  # 14 breaths a minute, as of adults at rest
WANDER_SECONDS, WANDER = 23.0, 0.9  # over which breaths get longer and shorter, rad of their phase
RISE = 0.008  # face widths: 1.5 px of a 512 px picture
HEAD_RISES = np.zeros(6)  # pose: what the head does for a rise of the shoulders of 1
HEAD_RISES[SHIFT_Y] = -1.0
HEAD_RISES[PITCH] = np.radians(0.3) / RISE  # the chin rises with the chest


def breathing(first: int, count: int, seed: int) -> Float[np.ndarray, "{count}"]:
    """How far the shoulders have risen in frames `first` on of a video, face widths; 0 in its first frame."""
    random = np.random.default_rng([seed, 2])
    start, turn = random.uniform(0, 2 * np.pi, 2)
    seconds = (first + np.arange(count)) / FPS
    phase = 2 * np.pi * seconds / BREATH_SECONDS + WANDER * np.sin(2 * np.pi * seconds / WANDER_SECONDS + turn)
    return RISE * (np.sin(start + phase) - np.sin(start + WANDER * np.sin(turn)))
