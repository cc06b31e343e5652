"""z_id of VASA-1 (section 3.1), the global descriptor of MegaPortraits: who it is, for the warp generators."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.resnet import ResNet
from vasa_core.face.volume.rigid import face_square


class IdentityEncoder(nn.Module):
    """Image -> identity code; at paper size a ResNet-50 of residual blocks with GroupNorm.

    With `upright_identity` it looks at the face alone, brought upright and to one size by the head pose, as face
    recognition does: where this person's features are in canonical space is then where they are in its picture.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.side, self.upright = config.image, config.upright_identity
        self.trunk = ResNet(
            config.identity_widths, config.identity_depths, config.groups, config.pooled, config.identity_bottleneck
        )
        self.head = nn.Linear(self.trunk.outputs, config.identity)

    def forward(self, image: Float[Tensor, "b 3 s s"], pose: Float[Tensor, "b 6"]) -> Float[Tensor, "b k"]:
        """pose: the image's own."""
        return self.head(self.trunk(face_square(image, pose, self.side) if self.upright else image))
