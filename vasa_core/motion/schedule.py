"""The forward diffusion of VASA-1 (section 3.2) with the cosine schedule of Nichol & Dhariwal (2021, eq. 17)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SPACING = 1.25
_OFFSET = 0.008  # keeps the first steps from being almost noiseless


@dataclass(frozen=True)
class CosineSchedule:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise, for t in 1..steps; alpha_bar_steps is 0."""

    steps: int = 1000

    def alpha_bar(self, t: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Share of signal power left at step t; 1 at t = 0."""
        angle = (t.double() / self.steps + _OFFSET) / (1 + _OFFSET) * (math.pi / 2)
        start = math.cos(_OFFSET / (1 + _OFFSET) * math.pi / 2)
        return (torch.cos(angle) / start).square().clamp(0, 1).float()

    def noised(
        self,
        x0: Float[Tensor, "batch frames channels"],
        noise: Float[Tensor, "batch frames channels"],
        t: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch frames channels"]:
        """x_t for a batch with a step of its own for each item."""
        kept = self.alpha_bar(t)[:, None, None]
        return kept.sqrt() * x0 + (1 - kept).sqrt() * noise

    def spaced(self, count: int) -> list[int]:
        """`count` steps from `steps` down, without the final 0, denser towards it: fine motion is decided there.

        Raises ValueError unless there is at least one and at most a fifth of `steps`.
        """
        if not 1 <= count <= self.steps // 5:
            raise ValueError(f"{count} sampling steps; expected 1 to {self.steps // 5}")
        return [max(1, round(self.steps * ((count - i) / count) ** _SPACING)) for i in range(count)]
