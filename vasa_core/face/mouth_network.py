"""The mouth painter's network: a small U-Net for what no warp of a photo can show (the G2D of VASA-1's decoder).

It works on half-size pixels (2x2 blocks folded into channels): a mouth patch needs context more than resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# Channels of the input, all in -1..1.
WARPED = slice(0, 3)  # the photo warped to the driving face
INNER_LIPS = slice(3, 4)  # driving inner lips
OUTER_LIPS = slice(4, 5)  # driving outer lips
PHOTO_INNER_LIPS = slice(5, 6)  # the photo's own inner lips, warped along: were those pixels teeth or skin?
PHOTO = slice(6, 9)  # the photo's own mouth, unwarped
CHANNELS = 9

SLOPE = 0.1
BLEND_BIAS = -1.0  # the photo's pixels stay unless there is a reason
RESIDUAL_SCALE = 0.1  # of each block's second convolution at the start


@dataclass(frozen=True)
class MouthConfig:
    """patch: side of the painted square, px. widths: channels at 1/2, 1/4, 1/8 ... of it."""

    patch: int = 96
    widths: tuple[int, ...] = (32, 64, 96, 128)


class _Block(nn.Module):
    """Residual block without normalisation: nothing to compute at run time but convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)
        with torch.no_grad():
            self.second.weight.mul_(RESIDUAL_SCALE)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.second(F.leaky_relu(self.first(x), SLOPE))


class MouthNetwork(nn.Module):
    """Input channels (see above) -> change of colour (-2..2) and how much of it to apply (0..1), per pixel.

    A change, not a colour: an untrained network then leaves the photo as it is, and painting never has to overcome a
    first stage in which any paint is worse than none.
    """

    def __init__(self, config: MouthConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.stem = nn.Conv2d(4 * CHANNELS, widths[0], 3, 1, 1)
        self.down = nn.ModuleList([nn.Conv2d(wide, deep, 3, 2, 1) for wide, deep in pairs])
        self.encode = nn.ModuleList([_Block(deep) for _, deep in pairs])
        self.bottom = _Block(widths[-1])
        self.up = nn.ModuleList([nn.Conv2d(deep, wide, 1) for wide, deep in reversed(pairs)])
        self.decode = nn.ModuleList([_Block(wide) for wide, _ in reversed(pairs)])
        self.last = _Block(widths[0])
        self.head = nn.Conv2d(widths[0], 4 * 4, 3, 1, 1)
        with torch.no_grad():
            self.head.weight.mul_(RESIDUAL_SCALE)
            nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(
        self, x: Float[Tensor, "b 9 patch patch"]
    ) -> tuple[Float[Tensor, "b 3 patch patch"], Float[Tensor, "b 1 patch patch"]]:
        """Change and blend weight; what to show is `blended(x, change, weight)`."""
        y = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)  # (b, 36, patch/2, patch/2)
        y = F.leaky_relu(self.stem(y), SLOPE)
        skips = []
        for down, block in zip(self.down, self.encode, strict=True):
            skips.append(y)
            y = block(F.leaky_relu(down(y), SLOPE))  # half the side
        y = self.bottom(y)
        for up, block in zip(self.up, self.decode, strict=True):
            y = F.interpolate(up(y), scale_factor=2.0) + skips.pop()  # twice the side
            y = block(F.leaky_relu(y, SLOPE))
        y = F.pixel_shuffle(self.head(self.last(y)), 2).float()  # (b, 4, patch, patch)
        return 2 * torch.tanh(y[:, :3]), torch.sigmoid(y[:, 3:] + BLEND_BIAS)


def blended(
    x: Float[Tensor, "b 9 h w"], change: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """The warped photo as the network changes it; may leave -1..1 a little."""
    return x[:, WARPED].float() + weight * change
