"""z_id of VASA-1 (section 3.1), the global descriptor of MegaPortraits: who it is, for the warp generators."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.resnet import ResNet


class IdentityEncoder(nn.Module):
    """Image -> identity code; at paper size a ResNet-50 of residual blocks with GroupNorm."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.trunk = ResNet(
            config.identity_widths, config.identity_depths, config.groups, config.pooled, config.identity_bottleneck
        )
        self.head = nn.Linear(self.trunk.outputs, config.identity)

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b k"]:
        return self.head(self.trunk(image))
