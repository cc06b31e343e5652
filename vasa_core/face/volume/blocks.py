"""Building blocks of the volume networks: MegaPortraits' residual blocks in 2D and 3D (its supplement).

Pre-activation blocks with GroupNorm and weight-standardised convolutions (Qiao et al., arXiv 1903.10520), in the
fan-in-scaled form of Brock et al. (arXiv 2101.08692): a residual branch then has about the variance of its input.
"""

from __future__ import annotations

from math import gcd

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STYLE_SCALE = 0.1  # of the adaptive norms' learned matrices at the start
_EPSILON = 1e-6


def standardised(weight: Float[Tensor, "out *kernel"], gain: Float[Tensor, "out *ones"]) -> Float[Tensor, "out *k"]:
    """A convolution's weights with mean 0 and variance gain^2 / fan-in for each output channel."""
    axes = tuple(range(1, weight.ndim))
    variance, mean = torch.var_mean(weight, axes, keepdim=True, correction=0)
    fan_in = weight[0].numel()
    return (weight - mean) * (gain * torch.rsqrt(variance * fan_in + _EPSILON))


class StandardConv2d(nn.Conv2d):
    """Conv2d whose weights are standardised for each output channel; a learned gain restores their scale."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k y x"]:
        return self._conv_forward(input, standardised(self.weight, self.gain), self.bias)


class StandardConv3d(nn.Conv3d):
    """Conv3d whose weights are standardised for each output channel; a learned gain restores their scale.

    On a CPU always in float32: there, the weights' gradient in bfloat16 (torch 2.13) holds NaN now and then.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1, 1))

    def forward(self, input: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b k z y x"]:
        weight = standardised(self.weight, self.gain)
        if input.device.type != "cpu":
            return self._conv_forward(input, weight, self.bias)
        with torch.autocast("cpu", enabled=False):
            return self._conv_forward(input.float(), weight, self.bias)


def group_norm(channels: int, groups: int, affine: bool = True) -> nn.GroupNorm:
    """GroupNorm with at most `groups` groups, as many as divide both numbers."""
    return nn.GroupNorm(gcd(groups, channels), channels, affine=affine)


class AdaptiveGroupNorm(nn.Module):
    """GroupNorm whose gain and offset are made from a code by a learned matrix (MegaPortraits' warp generators)."""

    def __init__(self, channels: int, groups: int, code: int) -> None:
        super().__init__()
        self.norm = group_norm(channels, groups, affine=False)
        self.style = nn.Linear(code, 2 * channels)
        with torch.no_grad():
            self.style.weight.mul_(STYLE_SCALE)
            nn.init.zeros_(self.style.bias)

    def forward(self, x: Float[Tensor, "b c d h w"], code: Float[Tensor, "b k"]) -> Float[Tensor, "b c d h w"]:
        gain, offset = self.style(code)[:, :, None, None, None].chunk(2, 1)
        return self.norm(x) * (1 + gain) + offset


class ResBlock2D(nn.Module):
    """GroupNorm, ReLU, 3x3 convolution, twice, added to the input; a 1x1 convolution where the shape changes.

    up: double the side first. Norm, ReLU and the 1x1 convolution come before the doubling, where they give the same.
    """

    def __init__(self, inputs: int, outputs: int, groups: int, stride: int = 1, up: bool = False) -> None:
        super().__init__()
        self.factor = 2.0 if up else 1.0
        self.norm1, self.conv1 = group_norm(inputs, groups), StandardConv2d(inputs, outputs, 3, stride)
        self.norm2, self.conv2 = group_norm(outputs, groups), StandardConv2d(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else StandardConv2d(inputs, outputs, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k y x"]:
        y, kept = F.relu(self.norm1(x)), self.skip(x)
        if self.factor > 1:
            y, kept = F.interpolate(y, scale_factor=self.factor), F.interpolate(kept, scale_factor=self.factor)
        return kept + self.conv2(F.relu(self.norm2(self.conv1(y))))


class Bottleneck2D(nn.Module):
    """ResNet-50's block, with pre-activation: 1x1 to `width`, 3x3, 1x1 to 4 * `width`."""

    def __init__(self, inputs: int, width: int, groups: int, stride: int = 1) -> None:
        super().__init__()
        outputs = 4 * width
        self.norm1, self.conv1 = group_norm(inputs, groups), StandardConv2d(inputs, width, 1)
        self.norm2, self.conv2 = group_norm(width, groups), StandardConv2d(width, width, 3, stride)
        self.norm3, self.conv3 = group_norm(width, groups), StandardConv2d(width, outputs, 1)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else StandardConv2d(inputs, outputs, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k y x"]:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return self.skip(x) + self.conv3(F.relu(self.norm3(y)))


class ResBlock3D(nn.Module):
    """`ResBlock2D` on volumes."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs, groups), StandardConv3d(inputs, outputs, 3)
        self.norm2, self.conv2 = group_norm(outputs, groups), StandardConv3d(outputs, outputs, 3)
        self.skip = nn.Identity() if inputs == outputs else StandardConv3d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b k d h w"]:
        y = self.conv1(F.relu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.relu(self.norm2(y)))


class AdaptiveResBlock3D(nn.Module):
    """`ResBlock3D` with adaptive norms (ResBlock3D* of MegaPortraits), after repeating voxels to `size`."""

    def __init__(self, inputs: int, outputs: int, groups: int, code: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = AdaptiveGroupNorm(inputs, groups, code), StandardConv3d(inputs, outputs, 3)
        self.norm2, self.conv2 = AdaptiveGroupNorm(outputs, groups, code), StandardConv3d(outputs, outputs, 3)
        self.skip = nn.Identity() if inputs == outputs else StandardConv3d(inputs, outputs, 1)

    def forward(
        self, x: Float[Tensor, "b c d h w"], code: Float[Tensor, "b n"], size: tuple[int, int, int]
    ) -> Float[Tensor, "b k z y x"]:
        y, kept = F.relu(self.norm1(x, code)), self.skip(x)
        if size != x.shape[2:]:
            y, kept = F.interpolate(y, size), F.interpolate(kept, size)
        return kept + self.conv2(F.relu(self.norm2(self.conv1(y), code)))
