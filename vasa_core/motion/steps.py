"""The numbers of sampling, without torch: which diffusion steps, how much signal each has, what follows from each.

`schedule` has the same paths for training, `sampler` the same sampling for any torch device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

OFFSET = 0.008  # keeps the first steps from being almost noiseless
LEAST = 1e-2  # signal taken for the first step, where the log of the true one is -infinity


@dataclass(frozen=True)
class Path:
    """From data (0) to noise (1). spacing: of sampling steps: 1 is even, more is denser towards 0."""

    signal: Callable[[float], float]
    noise: Callable[[float], float]
    spacing: float


def _alpha_bar(place: float) -> float:
    angle = (place + OFFSET) / (1 + OFFSET) * math.pi / 2
    start = OFFSET / (1 + OFFSET) * math.pi / 2
    return min(max((math.cos(angle) / math.cos(start)) ** 2, 0.0), 1.0)


PATHS = {
    "cosine": Path(lambda place: math.sqrt(_alpha_bar(place)), lambda place: math.sqrt(1 - _alpha_bar(place)), 1.25),
    "linear": Path(lambda place: 1 - place, lambda place: place, 1.0),
}


class Step(NamedTuple):
    """One call of the network: at diffusion step `time`; `ahead`: how far its X_0 is extrapolated from the one before;
    x is then `kept` of itself and `taken` of that."""

    time: int
    ahead: float
    kept: float
    taken: float


def spaced(count: int, steps: int, spacing: float) -> list[int]:
    """`count` steps from `steps` down, without the final 0.

    Raises ValueError unless there is at least one and at most a fifth of `steps`.
    """
    if not 1 <= count <= steps // 5:
        raise ValueError(f"{count} sampling steps; expected 1 to {steps // 5}")
    return [max(1, round(steps * ((count - i) / count) ** spacing)) for i in range(count)]


def sampling_steps(schedule: str, steps: int, count: int) -> Iterator[Step]:
    """DPM-Solver++(2M) in `count` steps, as `sampler.sample` takes them. schedule: one of PATHS. steps: of diffusion.

    Raises ValueError as `spaced` does.
    """
    path = PATHS[schedule]
    times = spaced(count, steps, path.spacing)
    signal = [max(path.signal(time / steps), LEAST) for time in (*times, 0)]
    noise = [path.noise(time / steps) for time in (*times, 0)]
    logs = [math.log(signal[i] / noise[i]) for i in range(count)]
    width = [later - earlier for earlier, later in itertools.pairwise(logs)]
    for i, time in enumerate(times):
        ahead = width[i] / (2 * width[i - 1]) if 0 < i < count - 1 else 0.0
        kept = noise[i + 1] / noise[i]
        yield Step(time, ahead, kept, signal[i + 1] - kept * signal[i])
