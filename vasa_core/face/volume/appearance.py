"""E_app of MegaPortraits (VASA-1 section 3.1): the image's appearance as a volume, still in the image's pose."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import ResBlock2D, ResBlock3D, StandardConv2d, group_norm
from vasa_core.face.volume.config import VolumeConfig


class AppearanceEncoder(nn.Module):
    """2D blocks, each halved until the volume's side is reached; channels folded into depth; 3D blocks.

    Where the config says so, the picture's own colours are the first three channels, the same at every depth: what a
    face looks like need not be learned then, but where it lies.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        widths, groups = config.appearance_widths, config.groups
        channels = config.channels - 3 * config.carries_colours
        self.side, self.shape, self.carries = config.side, (channels, config.depth), config.carries_colours
        self.stem = nn.Conv2d(3, widths[0], 7, config.appearance_stride, 3)
        pairs = itertools.pairwise(widths)
        self.flat = nn.ModuleList([ResBlock2D(inputs, outputs, groups) for inputs, outputs in pairs])
        self.norm = group_norm(widths[-1], groups)
        self.fold = StandardConv2d(widths[-1], channels * config.depth, 1)
        self.deep = nn.Sequential(*[ResBlock3D(channels, channels, groups) for _ in range(config.appearance_blocks)])

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c d h w"]:
        y = self.stem(image.contiguous(memory_format=torch.channels_last))
        for block in self.flat:
            y = block(y)
            if y.shape[-1] > self.side:
                y = F.avg_pool2d(y, 2)
        y = self.fold(F.relu(self.norm(y)))  # (b, c * d, h, w)
        y = self.deep(y.unflatten(1, self.shape).contiguous(memory_format=torch.channels_last_3d))
        if y.shape[-1] < self.side:
            y = F.interpolate(y, (self.shape[1], self.side, self.side), mode="trilinear")
        if self.carries:
            y = torch.cat([image[:, :, None].expand(-1, -1, self.shape[1], -1, -1).to(y.dtype), y], 1)
        return y
