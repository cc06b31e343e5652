"""The decoder's image part (P and G_2D of MegaPortraits): a posed volume as a picture of the person, with alpha."""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import ResBlock2D, StandardConv2d, group_norm
from vasa_core.face.volume.config import VolumeConfig
from vasa_core.rates import exact_div

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class Decoder(nn.Module):
    """Depth folded into channels and projected by a 1x1 convolution; residual blocks; one more after each doubling.

    Two additions where the config says so. Styled: z_dyn scales and shifts the channels after each block, not at all at
    the start (VASA-1 gives its decoder z_dyn, MegaPortraits its warps alone). Of a volume that carries colours, each
    pixel is a blend of the colours at its depths and of a painted one, in shares that the network gives; what is unseen
    in the volume is painted.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        widths, groups = config.decoder_widths, config.groups
        pairs = list(itertools.pairwise(widths))
        self.fold = exact_div(config.side * 2 ** len(pairs), config.image)  # voxels of a side become channels
        self.project = StandardConv2d(config.channels * config.depth * self.fold**2, widths[0], 1)
        self.told = _silent(nn.Conv2d(2 * self.fold**2, widths[0], 1)) if config.paints_unseen else None
        self.flat = nn.Sequential(*[ResBlock2D(widths[0], widths[0], groups) for _ in range(config.decoder_blocks)])
        self.up = nn.ModuleList([ResBlock2D(inputs, outputs, groups, up=True) for inputs, outputs in pairs])
        styled = [widths[0]] * config.decoder_blocks + list(widths[1:]) if config.decoder_styled else []
        self.styles = nn.ModuleList([_silent(nn.Linear(config.dynamics, 2 * width)) for width in styled])
        self.norm = group_norm(widths[-1], groups)
        self.head = nn.Conv2d(widths[-1], 4 + (config.depth + 1) * config.carries_colours, 3, 1, 1)

    def forward(
        self,
        volume: Float[Tensor, "b c d h w"],
        dynamics: Float[Tensor, "b k"],
        unseen: Float[Tensor, "b 2 s s"] | None = None,
    ) -> Float[Tensor, "b 4 s s"]:
        """Colour in -1..1 (3) and alpha in 0..1 (1), float32. unseen: shares in 0..1 that are to be painted, the inside
        of the mouth: as it is in this frame, and as the photo shows it, moved like all else."""
        y = volume.flatten(1, 2)  # (b, c * d, h, w)
        y = F.pixel_unshuffle(y, self.fold) if self.fold > 1 else y
        y = self.project(y.contiguous(memory_format=torch.channels_last))
        if self.told is not None and unseen is not None:
            y = y + self.told(F.pixel_unshuffle(unseen, self.fold))
        for index, block in enumerate([*self.flat, *self.up]):
            y = block(y)  # of the same side, then twice the side
            if self.styles:
                gain, offset = self.styles[index](dynamics)[:, :, None, None].chunk(2, 1)
                y = y * (1 + gain) + offset
        y = self.head(F.relu(self.norm(y))).float().contiguous()
        colour, alpha, shares = torch.tanh(y[:, :3]), torch.sigmoid(y[:, 3:4]), y[:, None, 4:].softmax(2)
        if shares.shape[2]:
            choices = torch.cat([volume[:, :3].float(), colour[:, :, None]], 2)  # (b, 3, d + 1, s, s)
            painted, colour = colour, (shares * choices).sum(2)
            colour = colour if unseen is None else colour + unseen.amax(1, keepdim=True) * (painted - colour)
        return torch.cat([colour, alpha], 1)


def _silent(layer: Layer) -> Layer:
    """The layer, which gives nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
