"""The renderer's network: a small U-Net for what no warp of a photo can show (the G2D of VASA-1's decoder).

It works on half-size pixels (2x2 blocks folded into channels): a patch needs context more than resolution. What the
photo itself looks like there is encoded once a portrait and enters at every level, in place and as a style.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import CHANNELS, SOURCE_CHANNELS, WARPED, PatchConfig
from vasa_core.weights import config_from

SLOPE = 0.1
BLEND_BIAS = -1.0  # the photo's pixels stay unless there is a reason
RESIDUAL_SCALE = 0.1  # of each block's second convolution at the start

# Features of a photo at 1/4, 1/8 ... of the patch, then the style as one column.
SourceFeatures = tuple[Tensor, ...]


class Block(nn.Module):
    """Residual block without normalisation: nothing to compute at run time but convolutions."""

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, hidden or width, 3, 1, 1)
        self.second = nn.Conv2d(hidden or width, width, 3, 1, 1)
        with torch.no_grad():
            self.second.weight.mul_(RESIDUAL_SCALE)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.second(F.leaky_relu(self.first(x), SLOPE))


class SourceEncoder(nn.Module):
    """What the photo shows in the patch: features to be added at each level, and gains and offsets of the decoder."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        deep = widths[1:]
        pairs = list(itertools.pairwise(deep))
        self.stem = nn.Conv2d(16 * SOURCE_CHANNELS, deep[0], 3, 1, 1)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs])
        self.blocks = nn.ModuleList([Block(width) for width in deep])
        self.style = nn.Conv2d(deep[-1], 2 * sum(widths[:-1]), 1)
        with torch.no_grad():
            self.style.weight.mul_(RESIDUAL_SCALE)
            nn.init.zeros_(self.style.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, photo: Float[Tensor, "b 4 patch patch"]) -> SourceFeatures:
        """Features (b, widths[k], patch / 2^(k+1), same) for k = 1 ..., then the style (b, 2 * sum, 1, 1)."""
        y = F.pixel_unshuffle(photo, 4).contiguous(memory_format=torch.channels_last)  # (b, 64, patch/4, patch/4)
        y = self.blocks[0](F.leaky_relu(self.stem(y), SLOPE))
        found = [y]
        for down, block in zip(self.down, self.blocks[1:], strict=True):
            y = block(F.leaky_relu(down(y), SLOPE))  # half the side
            found.append(y)
        return (*found, self.style(y.mean((2, 3), keepdim=True)))


class PatchNetwork(nn.Module):
    """Driving channels and the photo's features -> change of colour (-2..2) and how much of it to apply (0..1).

    A change, not a colour: an untrained network then leaves the photo as it is, and painting never has to overcome a
    first stage in which any paint is worse than none.
    """

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.config = config
        widths, hidden = config.widths, config.hidden or config.widths
        pairs = list(itertools.pairwise(widths))
        self.source = SourceEncoder(widths)
        self.stem = nn.Conv2d(4 * CHANNELS, widths[0], 3, 1, 1)
        self.down = nn.ModuleList([nn.Conv2d(wide, deep, 3, 2, 1) for wide, deep in pairs])
        self.encode = nn.ModuleList([Block(*sizes) for sizes in zip(widths[1:], hidden[1:], strict=True)])
        self.bottom = Block(widths[-1], hidden[-1])
        self.up = nn.ModuleList([nn.Conv2d(deep, wide, 1) for wide, deep in reversed(pairs)])
        self.decode = nn.ModuleList([Block(*sizes) for sizes in zip(widths[-2::-1], hidden[-2::-1], strict=True)])
        self.last = Block(widths[0], hidden[0]) if config.last else nn.Identity()
        self.head = nn.Conv2d(widths[0], 4 * 4, 3, 1, 1)
        with torch.no_grad():
            self.head.weight.mul_(RESIDUAL_SCALE)
            nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(
        self, x: Float[Tensor, "b 9 patch patch"], source: SourceFeatures
    ) -> tuple[Float[Tensor, "b 3 patch patch"], Float[Tensor, "b 1 patch patch"]]:
        """Change and blend weight; what to show is `blended(x, change, weight)`. source: of `self.source`."""
        y = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)  # (b, 36, patch/2, patch/2)
        y = F.pixel_shuffle(self.folded(y, source), 2).float()  # (b, 4, patch, patch)
        return 2 * torch.tanh(y[:, :3]), torch.sigmoid(y[:, 3:] + BLEND_BIAS)

    def folded(self, x: Float[Tensor, "b 36 half half"], source: SourceFeatures) -> Float[Tensor, "b 16 half half"]:
        """All between the folding of 2x2 blocks and their unfolding, before the squashing of the output."""
        *places, style = source
        y = F.leaky_relu(self.stem(x), SLOPE)
        skips = []
        for down, block, place in zip(self.down, self.encode, places, strict=True):
            skips.append(y)
            y = block(F.leaky_relu(down(y) + place, SLOPE))  # half the side
        y = self.bottom(y)
        at = 0
        for up, block in zip(self.up, self.decode, strict=True):
            y = F.interpolate(up(y), scale_factor=2.0) + skips.pop()  # twice the side
            width = y.shape[1]
            gain, offset = style[:, at : at + width], style[:, at + width : at + 2 * width]
            y = block(F.leaky_relu(y * (1 + gain) + offset, SLOPE))
            at += 2 * width
        return self.head(self.last(y))


def blended(
    x: Float[Tensor, "b 9 h w"], change: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """The warped photo as the network changes it; may leave -1..1 a little."""
    return x[:, WARPED].float() + weight * change


def load_network(folder: Path) -> PatchNetwork:
    """The network of a checkpoint folder, float32. Raises InputError if it does not fit this architecture."""
    checkpoint = load_checkpoint(folder)
    network = PatchNetwork(config_from(PatchConfig, checkpoint.config))
    try:
        network.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise InputError(f"{folder} does not hold a renderer network ({error}).") from error
    return network


def save_network(folder: Path, network: PatchNetwork) -> None:
    """Write a checkpoint folder, weights in float16."""
    save_checkpoint(folder, asdict(network.config), network.state_dict())
