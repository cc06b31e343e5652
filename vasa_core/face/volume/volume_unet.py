"""G_3D of MegaPortraits: a 3D U-Net that completes the canonical volume, once a portrait."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import ResBlock3D, group_norm
from vasa_core.face.volume.config import VolumeConfig

# Depth is not halved below this: on a CPU, the bf16 weight gradients of kernels 3 deep are wrong at depth 2 (oneDNN).
SHALLOWEST = 4
HEAD_SCALE = 0.1  # of the last weights at the start: the volume begins nearly as it came


class VolumeUNet(nn.Module):
    """Volume -> the volume with what was missing added to it, made `unet_stride` times as coarse.

    placed: features of canonical space itself, the same for everybody, so that it knows where lips and eyes belong.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        widths, groups = config.unet_widths, config.groups
        pairs = list(itertools.pairwise(widths))
        deep = max(config.depth // config.unet_stride, SHALLOWEST)
        self.pool = config.depth // deep, config.unet_stride, config.unet_stride
        side = config.side // config.unet_stride
        self.place = nn.Parameter(torch.zeros(widths[0], deep, side, side)) if config.unet_placed else None
        self.first = ResBlock3D(config.channels, widths[0], groups)
        self.down = nn.ModuleList([ResBlock3D(wide, deep, groups) for wide, deep in pairs])
        self.up = nn.ModuleList([ResBlock3D(deep + wide, wide, groups) for wide, deep in reversed(pairs)])
        self.norm = group_norm(widths[0], groups)
        self.head = nn.Conv3d(widths[0], config.channels, 3, 1, 1)
        with torch.no_grad():
            self.head.weight.mul_(HEAD_SCALE)
            nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, volume: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b c d h w"]:
        y = F.avg_pool3d(volume, self.pool) if max(self.pool) > 1 else volume
        y = self.first(y.contiguous(memory_format=torch.channels_last_3d))
        if self.place is not None:
            y = y + self.place
        skips = []
        for block in self.down:
            skips.append(y)
            y = block(F.avg_pool3d(y, (2 if y.shape[2] > SHALLOWEST else 1, 2, 2)))  # half the side
        for block in self.up:
            kept = skips.pop()
            y = block(torch.cat([F.interpolate(y, kept.shape[2:]), kept], 1))  # twice the side
        y = self.head(F.relu(self.norm(y)))
        if y.shape != volume.shape:
            y = F.interpolate(y, volume.shape[2:], mode="trilinear")
        return volume + y
