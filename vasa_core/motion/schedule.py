"""Forward diffusions x_t = signal_t x_0 + noise_t noise, and what the network's output means under each.

Cosine: VASA-1's (section 3.2), as Nichol & Dhariwal (2021, eq. 17) have it. Linear: rectified flow (Liu et al. 2022),
the path of flow matching as FLOAT (arXiv:2412.01064) uses it for talking heads.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vasa_core.motion.steps import OFFSET, PATHS, spaced

Frames = Float[Tensor, "batch frames channels"]
Steps = Int[Tensor, " batch"]


@dataclass(frozen=True)
class Schedule(ABC):
    """A path from data (t = 0) to noise (t = steps)."""

    steps: int = 1000
    spacing: ClassVar[float]  # of sampling steps: 1 is even, more is denser towards 0
    most_weight: ClassVar[float]  # of low-noise steps in the loss

    @abstractmethod
    def signal(self, t: Steps) -> Float[Tensor, " batch"]:
        """Share of x_0 in x_t, 1 down to 0. float64, as is `noise`."""

    @abstractmethod
    def noise(self, t: Steps) -> Float[Tensor, " batch"]:
        """Share of noise in x_t, 0 up to 1."""

    @abstractmethod
    def estimate(self, x: Frames, output: Frames, t: Steps) -> Frames:
        """X_0 from x_t and what the network gives: the velocity of the path in one way or another."""

    def noised(self, x0: Frames, noise: Frames, t: Steps) -> Frames:
        """x_t for a batch with a step of its own for each item."""
        return _each(self.signal(t)) * x0 + _each(self.noise(t)) * noise

    def weight(self, t: Steps) -> Float[Tensor, " batch"]:
        """Weight of the squared error of X_0: 1 / noise^2, as of the network's output, but at most `most_weight`."""
        return self.noise(t).square().reciprocal().clamp(max=self.most_weight).float()

    def spaced(self, count: int) -> list[int]:
        """See `steps.spaced`."""
        return spaced(count, self.steps, self.spacing)


class CosineSchedule(Schedule):
    """signal = sqrt(alpha_bar), noise = sqrt(1 - alpha_bar); alpha_bar_steps is 0."""

    spacing = PATHS["cosine"].spacing  # fine motion is decided near 0
    most_weight = 5.0

    def alpha_bar(self, t: Steps) -> Float[Tensor, " batch"]:
        """Share of signal power left at step t; 1 at t = 0."""
        angle = (t.double() / self.steps + OFFSET) / (1 + OFFSET) * (math.pi / 2)
        start = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)
        return (torch.cos(angle) / start).square().clamp(0, 1)

    def signal(self, t: Steps) -> Float[Tensor, " batch"]:
        return self.alpha_bar(t).sqrt()

    def noise(self, t: Steps) -> Float[Tensor, " batch"]:
        return (1 - self.alpha_bar(t)).sqrt()

    def estimate(self, x: Frames, output: Frames, t: Steps) -> Frames:
        """signal x is the best linear guess of unit-variance X_0; the network adds what it lacks."""
        return _each(self.signal(t)) * x + _each(self.noise(t)) * output


class LinearSchedule(Schedule):
    """signal = 1 - t / steps, noise = t / steps."""

    spacing = PATHS["linear"].spacing
    most_weight = math.inf

    def signal(self, t: Steps) -> Float[Tensor, " batch"]:
        return 1 - t.double() / self.steps

    def noise(self, t: Steps) -> Float[Tensor, " batch"]:
        return t.double() / self.steps

    def estimate(self, x: Frames, output: Frames, t: Steps) -> Frames:
        """The network gives the flow X_0 - noise, which the rest of the way is gone along."""
        return x + _each(self.noise(t)) * output


SCHEDULES: dict[str, type[Schedule]] = {"cosine": CosineSchedule, "linear": LinearSchedule}


def _each(values: Float[Tensor, " batch"]) -> Float[Tensor, "batch 1 1"]:
    return values.float()[:, None, None]
