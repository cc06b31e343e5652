"""z_dyn of VASA-1 (section 3.1): lips, other expression, gaze and blinks of an image as one holistic code."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.resnet import ResNet


class DynamicsEncoder(nn.Module):
    """Image -> facial dynamics. Few numbers, and dropout as the last layer, keep identity out (EMOPortraits)."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.trunk = ResNet(config.dynamics_widths, config.dynamics_depths, config.groups, config.pooled)
        self.head = nn.Linear(self.trunk.outputs, config.dynamics)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b k"]:
        return self.dropout(self.head(self.trunk(image)).float())
