"""z_pose of VASA-1 (section 3.1): head pose from an image, as the six numbers of `vasa_core.face.pose`."""

from __future__ import annotations

from math import log

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.pose import LOG_DISTANCE
from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.resnet import ResNet

HEAD_SCALE = 0.1  # of the last weights at the start: poses begin near the one that fills the canonical cube


class HeadPoseEncoder(nn.Module):
    """Image -> [pitch, yaw, roll, tx, ty, log_distance]: radians, face widths, log of image side / face width."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.trunk = ResNet(config.pose_widths, config.pose_depths, config.groups, config.pooled)
        self.head = nn.Linear(self.trunk.outputs, 6)
        with torch.no_grad():
            self.head.weight.mul_(HEAD_SCALE)
            nn.init.zeros_(self.head.bias)
            self.head.bias[LOG_DISTANCE] = log(2 * config.reach)

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 6"]:
        return self.head(self.trunk(image)).float()
