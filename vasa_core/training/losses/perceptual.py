"""Perceptual loss of the volume model at a chosen scale.

MegaPortraits (section 3) takes L1 on VGG-19 features. Here the shift-tolerant VGG-16 of `training.perceptual` stands in
for it, the weights that the renderer is trained by too. Its distance is relative to the target's features, so a weight
on it is no weight on raw VGG-19 L1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.errors import InputError
from vasa_core.training.losses.lpips import Perceptual

Images = Float[Tensor, "b 3 h w"]
SMALLEST = 16  # px a side that the deepest features still need


class ShiftTolerantVgg16(nn.Module):
    """`Perceptual` on images averaged down by 2, `halvings` times: each halving costs a quarter of the time."""

    def __init__(self, perceptual: Perceptual, halvings: int = 0) -> None:
        """Raises InputError for less than no halvings."""
        super().__init__()
        if halvings < 0:
            raise InputError(f"{halvings} halvings were asked of the perceptual loss; expected 0 or more.")
        self.perceptual = perceptual
        self.halvings = halvings

    def forward(self, painted: Images, target: Images) -> Float[Tensor, ""]:
        """Mean distance, each image's relative to its own target's features; gives a gradient to `painted` only.

        Raises InputError if images are too small for the scale.
        """
        return self.unreduced(self.reduced(painted), self.reduced(target))

    def unreduced(self, painted: Images, target: Images) -> Float[Tensor, ""]:
        """The same of images as they are."""
        with torch.no_grad():
            wanted = self.perceptual.features(target)
        axes = (1, 2, 3)
        pairs = zip(self.perceptual.features(painted), wanted, strict=True)
        return (
            torch.stack([(a.float() - b.float()).abs().mean(axes) / b.float().mean(axes) for a, b in pairs])
            .sum(0)
            .mean()
        )

    def features(self, images: Images) -> list[Float[Tensor, "b c _h _w"]]:
        """Features of the reduced images, with a gradient. Raises InputError if they are too small for the scale."""
        return self.perceptual.features(self.reduced(images))

    def reduced(self, images: Images) -> Float[Tensor, "b 3 _h _w"]:
        """Images at the chosen scale. Raises InputError if a side is too small for it."""
        factor = 2**self.halvings
        if min(images.shape[-2:]) < SMALLEST * factor:
            raise InputError(
                f"Images of {images.shape[-1]}x{images.shape[-2]} px are too small for a perceptual loss at scale "
                f"1/{factor}; expected {SMALLEST * factor} px a side or more."
            )
        return F.avg_pool2d(images, factor) if factor > 1 else images
