"""The decoder's image part (P and G_2D of MegaPortraits): a posed volume as a picture of the person, with alpha."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import ResBlock2D, StandardConv2d, group_norm
from vasa_core.face.volume.config import VolumeConfig

UNFOLD_SCALE = 0.1  # of what unfolds: it adds up wide channels that no norm holds in bounds, and would learn too fast


class Decoder(nn.Module):
    """Depth folded into channels and projected by a 1x1 convolution; residual blocks; one more after each doubling.

    Two additions where the config says so, neither of which does anything at the start. Styled: z_dyn scales and shifts
    the channels after each block (VASA-1 gives its decoder z_dyn, MegaPortraits its warps alone). Unfolding:
    each side draws as well, its channels unfolding into the pixels that a voxel covers, since doubling repeats voxels.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        widths, groups = config.decoder_widths, config.groups
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.project = StandardConv2d(config.channels * config.depth, widths[0], 1)
        self.flat = nn.Sequential(*[ResBlock2D(widths[0], widths[0], groups) for _ in range(config.decoder_blocks)])
        self.up = nn.ModuleList([ResBlock2D(inputs, outputs, groups, up=True) for inputs, outputs in pairs])
        styled = [widths[0]] * config.decoder_blocks + list(widths[1:]) if config.decoder_styled else []
        self.styles = nn.ModuleList([_silent(nn.Linear(config.dynamics, 2 * width)) for width in styled])
        drawing = list(enumerate(reversed(widths[:-1]), 1)) if config.decoder_unfolds else []
        self.unfolds = nn.ModuleList([_silent(nn.Conv2d(w, 4 * 4**n, 3, 1, 1)) for n, w in reversed(drawing)])
        self.norm = group_norm(widths[-1], groups)
        self.head = nn.Conv2d(widths[-1], 4, 3, 1, 1)

    def forward(self, volume: Float[Tensor, "b c d h w"], dynamics: Float[Tensor, "b k"]) -> Float[Tensor, "b 4 s s"]:
        """Colour in -1..1 (3) and alpha in 0..1 (1), float32."""
        y = volume.flatten(1, 2).contiguous(memory_format=torch.channels_last)  # (b, c * d, h, w)
        y = self.project(y)
        unfolded: list[Tensor] = []
        for index, block in enumerate([*self.flat, *self.up]):
            y = block(y)  # of the same side, then twice the side
            if self.styles:
                gain, offset = self.styles[index](dynamics)[:, :, None, None].chunk(2, 1)
                y = y * (1 + gain) + offset
            if 0 <= (doubled := index + 1 - len(self.flat)) < len(self.unfolds):
                drawn = UNFOLD_SCALE * self.unfolds[doubled](y).float()
                unfolded.append(F.pixel_shuffle(drawn.contiguous(), 2 ** (len(self.up) - doubled)))
        y = sum(unfolded, self.head(F.relu(self.norm(y))).float())
        return torch.cat([torch.tanh(y[:, :3].contiguous()), torch.sigmoid(y[:, 3:])], 1)


def _silent(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """The layer, which gives nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
    return layer
