"""Patch discriminators, hinge losses for both sides, and feature matching.

MegaPortraits (section 3): multi-scale patch GAN as of pix2pixHD (Wang et al. 2018, section 3.2) with hinge loss and
feature matching. The losses take the verdicts of one scale or of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Images = Float[Tensor, "b 3 h w"]
SLOPE = 0.2
SCORE_GAIN = 12.0  # with spectral norm alone scores stay so small that the hinge never bends


class Verdict(NamedTuple):
    """Verdict of one scale. score: per patch, higher = more real. features: of each layer on the way."""

    score: Float[Tensor, "b 1 _h _w"]
    features: list[Float[Tensor, "b c _h _w"]]


class PatchDiscriminator(nn.Module):
    """Convolutions that halve the side, then a score for each patch (Isola et al. 2017)."""

    def __init__(self, channels: Sequence[int], spectral: bool = True, whole: bool = False) -> None:
        """channels: of the input, then of each layer. spectral: spectral norm (Miyato et al. 2018) of each layer, in
        place of any batch statistics, with a gain on the score. whole: the first layer keeps the side."""
        super().__init__()
        kernels = [(3, 1, 1) if whole and not index else (4, 2, 1) for index in range(len(channels) - 1)]
        sizes = zip(channels[:-1], channels[1:], kernels, strict=True)
        norm = spectral_norm if spectral else nn.Identity()
        self.layers = nn.ModuleList([norm(nn.Conv2d(a, b, *kernel)) for a, b, kernel in sizes])
        self.score = norm(nn.Conv2d(channels[-1], 1, 3, 1, 1))
        self.gain = SCORE_GAIN if spectral else 1.0

    def forward(self, images: Float[Tensor, "b c h w"]) -> Verdict:
        """The score of each patch, and features on the way."""
        x, features = images, []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)  # half the side
            features.append(x)
        return Verdict(self.gain * self.score(x).float(), features)


class MultiScaleDiscriminator(nn.Module):
    """One discriminator for images as they are, one for images of half the side."""

    def __init__(self, width: int = 64, depth: int = 3) -> None:
        """width: channels of the first layer. depth: layers, each of which halves the side."""
        super().__init__()
        channels = [3, *(width * min(2**i, 8) for i in range(depth))]
        self.fine, self.coarse = PatchDiscriminator(channels), PatchDiscriminator(channels)

    def forward(self, images: Images) -> list[Verdict]:
        """Verdicts at scale 1 and 1/2. images: RGB, -1..1."""
        return [self.fine(images), self.coarse(F.avg_pool2d(images, 2))]


def discriminator_loss(real: list[Verdict], fake: list[Verdict], weight: Tensor | float = 1.0) -> Float[Tensor, ""]:
    """Hinge loss of the discriminator, mean over scales. weight: of each score. The fake images are to be detached, so
    that the loss trains the discriminator only."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([((F.relu(1 - a.score) + F.relu(1 + b.score)) * weight).mean() for a, b in pairs]).mean()


def adversarial_loss(fake: list[Verdict], weight: Tensor | float = 1.0) -> Float[Tensor, ""]:
    """Hinge loss of the generator, mean over scales: minus the score of images that are NOT detached.

    The discriminator's weights get a gradient too: clear it before the discriminator's own step.
    """
    return -torch.stack([(verdict.score * weight).mean() for verdict in fake]).mean()


def feature_matching_loss(fake: list[Verdict], real: list[Verdict]) -> Float[Tensor, ""]:
    """L1 of the discriminator's features, mean over layers and scales; `real` gets no gradient."""
    pairs = [
        (a, b)
        for found, wanted in zip(fake, real, strict=True)
        for a, b in zip(found.features, wanted.features, strict=True)
    ]
    return torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).mean()
