"""Perceptual distance in the features of shift-tolerant LPIPS (Ghildyal & Liu 2022, VGG-16); training only.

It stands in for MegaPortraits' L1 on VGG-19 features (section 3). The distance is relative to the target's features, so
a weight on it is no weight on raw VGG-19 L1.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.errors import InputError

Images = Float[Tensor, "b 3 h w"]
SMALLEST = 16  # px a side that the deepest features still need

# (convolutions of the slice, then its blur filter's index in the file or None for the first slice)
_SLICES = (((0, 2), None), ((6, 8), 5), ((12, 14, 16), 11))


class Perceptual(nn.Module):
    """Mean absolute difference of relu1_2, relu2_2 and relu3_3, relative to the target's mean, summed; frozen."""

    def __init__(self, weights: Path) -> None:
        """weights: the `perceptual` model file (a third-party pickle, read as bare tensors)."""
        super().__init__()
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
        self.slices = nn.ModuleList()
        for index, (layers, _) in enumerate(_SLICES, 1):
            convolutions = nn.ModuleList()
            for layer in layers:
                weight = tensors[f"net.slice{index}.{layer}.weight"]
                convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, 1, 1)
                convolution.load_state_dict({"weight": weight, "bias": tensors[f"net.slice{index}.{layer}.bias"]})
                convolutions.append(convolution)
            self.slices.append(convolutions)
        for index, (_, blur) in enumerate(_SLICES[1:], 2):
            self.register_buffer(f"blur{index}", tensors[f"net.slice{index}.{blur}.filt"])
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", tensors["scaling_layer.shift"])
        self.register_buffer("scale", tensors["scaling_layer.scale"])
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def features(self, image: Images) -> list[Float[Tensor, "b c _h _w"]]:
        """relu1_2, relu2_2 (half size) and relu3_3 (quarter size) of images in -1..1."""
        x = ((image - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        found = []
        for index, convolutions in enumerate(self.slices, 1):
            if index > 1:
                blur = getattr(self, f"blur{index}")
                x = F.max_pool2d(x, 2, 1)
                x = F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), blur.to(x.dtype), stride=2, groups=len(blur))
            for convolution in convolutions:  # pyright: ignore[reportGeneralTypeIssues]
                x = F.relu(convolution(x))
            found.append(x)
        return found

    def forward(self, image: Images, target: Images) -> Float[Tensor, ""]:
        """Distance; gives a gradient to `image` only."""
        with torch.no_grad():
            wanted = self.features(target)
        pairs = zip(self.features(image), wanted, strict=True)
        # Relative, since this network was trained on normalised features: their scale means nothing.
        return torch.stack([(a.float() - b.float()).abs().mean() / b.float().mean() for a, b in pairs]).sum()


class DownsampledPerceptual(nn.Module):
    """`Perceptual`, each image relative to its own target, of images averaged down by 2 `downsampling` times: each time
    costs a quarter of the one before."""

    def __init__(self, perceptual: Perceptual, downsampling: int = 0) -> None:
        """Raises InputError for a downsampling below 0."""
        super().__init__()
        if downsampling < 0:
            raise InputError(f"downsampling is {downsampling}; expected 0 or more.")
        self.perceptual, self.factor = perceptual, 2**downsampling

    def forward(self, painted: Images, target: Images) -> Float[Tensor, ""]:
        """Mean distance; gives a gradient to `painted` only. Raises InputError if images are too small."""
        height, width = painted.shape[-2:]
        if min(height, width) < SMALLEST * self.factor:
            raise InputError(
                f"Images of {width}x{height} px are too small for a perceptual loss at scale 1/{self.factor}; "
                f"expected {SMALLEST * self.factor} px a side or more."
            )
        return self.undivided(*(F.avg_pool2d(images, self.factor) for images in (painted, target)))

    def undivided(self, painted: Images, target: Images) -> Float[Tensor, ""]:
        """The same of images as they are."""
        with torch.no_grad():
            wanted = self.perceptual.features(target)
        axes = (1, 2, 3)
        pairs = zip(self.perceptual.features(painted), wanted, strict=True)
        layers = [(a.float() - b.float()).abs().mean(axes) / b.float().mean(axes) for a, b in pairs]  # each (b,)
        return torch.stack(layers).sum(0).mean()
