"""Averaged weights, which are what is kept of a training, and the learning rate's course."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class Average:
    """Exponential moving average of a module's parameters; young ones follow faster."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module's present parameters. step: done before this one."""
        decay = min(self.decay, (1 + step) / (10 + step))
        values: list[Tensor] = []
        present: list[Tensor] = []
        for name, value in module.named_parameters():
            values.append(self.values[name])
            present.append(value.detach())
        torch._foreach_lerp_(values, present, 1 - decay)  # pyright: ignore[reportPrivateUsage] - as torch's own averages do

    def copy_of(self, module: Module) -> Module:
        """A copy of the module with the averaged parameters, for use."""
        copied = copy.deepcopy(module)
        copied.load_state_dict(self.values, strict=False)
        return copied.eval()


def cosine_rate(step: int, steps: int, warmup: int, least: float) -> float:
    """Share of the learning rate at a step: up over `warmup` steps, then down a cosine to `least` at the end."""
    course = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
    return min(1.0, (step + 1) / max(warmup, 1)) * max(course, least)
