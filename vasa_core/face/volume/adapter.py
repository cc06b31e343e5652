"""From the mesh face model's facial dynamics to z_dyn: so the motion model and every control drive the volume model.

Only differences count: z_dyn of a frame is the photo's own, moved by how the frame's dynamics differ from the photo's.
What a person's z_dyn has of its own (VASA-1 wants it identity-free; no encoder is quite) stays the photo's that way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class AdapterConfig:
    """inputs: length of the mesh model's dynamics. outputs: of z_dyn. hidden: units of what is not linear."""

    inputs: int = 36
    outputs: int = 128
    hidden: int = 128


class DynamicsAdapter(nn.Module):
    """A linear map, and a small network that adds to it what is not linear; no constant, since differences have none.

    mean, scale: of the inputs, in training.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        self.linear = nn.Linear(config.inputs, config.outputs, bias=False)
        self.hidden = nn.Linear(config.inputs, config.hidden)
        self.bend = nn.Linear(config.hidden, config.outputs, bias=False)
        nn.init.normal_(self.linear.weight)  # z_dyn is as large as the scaled inputs are together
        nn.init.zeros_(self.bend.weight)

    def forward(self, dynamics: Float[Tensor, "b inputs"]) -> Float[Tensor, "b outputs"]:
        """z_dyn up to a constant."""
        x = (dynamics - self.mean) / self.scale
        return self.linear(x) + self.bend(F.silu(self.hidden(x)))
