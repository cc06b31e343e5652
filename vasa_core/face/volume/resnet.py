"""The trunk of the encoders that turn an image into a code: a ResNet (He et al., arXiv 1512.03385) with GroupNorm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import Bottleneck2D, ResBlock2D, group_norm


class ResNet(nn.Module):
    """Image -> features averaged to `pooled` x `pooled` and laid out as one vector of `outputs` numbers.

    Depths (2, 2, 2, 2) give ResNet-18, (3, 4, 6, 3) with bottlenecks ResNet-50, each of widths 64 to 512.
    """

    def __init__(
        self, widths: Sequence[int], depths: Sequence[int], groups: int, pooled: int, bottleneck: bool = False
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 7, 2, 3)
        block = Bottleneck2D if bottleneck else ResBlock2D
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for index in range(depth):
                blocks.append(block(inputs, width, groups, 2 if stage > 0 and index == 0 else 1))
                inputs = 4 * width if bottleneck else width
        self.blocks = nn.Sequential(*blocks)
        self.norm = group_norm(inputs, groups)
        self.pooled = pooled
        self.outputs = inputs * pooled**2

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b outputs"]:
        y = self.stem(image.contiguous(memory_format=torch.channels_last))  # s/2
        y = self.blocks(F.max_pool2d(y, 3, 2, 1))  # s/4 ... s/32
        return F.adaptive_avg_pool2d(F.relu(self.norm(y)), self.pooled).flatten(1)
