"""z_dyn of VASA-1 (section 3.1): lips, other expression, gaze and blinks of an image as one holistic code."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.resnet import ResNet
from vasa_core.face.volume.rigid import face_square


class DynamicsEncoder(nn.Module):
    """Image -> facial dynamics. Few numbers, and dropout as the last layer, keep identity out (EMOPortraits).

    It looks at the face alone, brought upright and to one size by the head pose, as EMOPortraits' expression encoder
    does: so head pose stays out of the code, and lips are as large as can be.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.side = config.image
        self.trunk = ResNet(config.dynamics_widths, config.dynamics_depths, config.groups, config.pooled)
        self.head = nn.Linear(self.trunk.outputs, config.dynamics)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image: Float[Tensor, "b 3 s s"], pose: Float[Tensor, "b 6"]) -> Float[Tensor, "b k"]:
        """pose: the image's own."""
        return self.dropout(self.head(self.trunk(face_square(image, pose, self.side))).float())
