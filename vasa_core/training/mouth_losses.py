"""What the mouth painter is trained by: pixel loss, hinge patch GAN with feature matching, and a cost on painting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from vasa_core.face.mouth_network import INNER_LIPS, OUTER_LIPS, PHOTO_INNER_LIPS

Images = Float[Tensor, "b 3 h w"]
INSIDE_WEIGHT = 4.0  # pixels inside the lips count this much more
CONDITIONS = slice(INNER_LIPS.start, PHOTO_INNER_LIPS.stop)
SLOPE = 0.2


class PatchJudge(nn.Module):
    """Patch discriminator (Isola et al. 2017) with spectral norm, told where the lips are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (3 + CONDITIONS.stop - CONDITIONS.start, width, 2 * width, 4 * width)
        pairs = zip(channels[:-1], channels[1:], strict=True)
        self.layers = nn.ModuleList([spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairs])
        self.verdict = spectral_norm(nn.Conv2d(channels[-1], 1, 3, 1, 1))

    def forward(
        self, image: Images, x: Float[Tensor, "b 9 h w"]
    ) -> tuple[Float[Tensor, "b 1 _h _w"], list[Float[Tensor, "b c _h _w"]]]:
        """Verdict per patch (higher = more real) and the features on the way. x: the painter's input."""
        y = torch.cat([image, x[:, CONDITIONS]], 1).contiguous(memory_format=torch.channels_last)
        features = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), SLOPE)  # half the side
            features.append(y)
        return self.verdict(y).float(), features


def pixel_loss(painted: Images, target: Images, x: Float[Tensor, "b 9 h w"]) -> Float[Tensor, ""]:
    """L1, with INSIDE_WEIGHT times as much again inside the driving inner lips."""
    difference = (painted - target).abs()
    return difference.mean() + INSIDE_WEIGHT * (difference * (x[:, INNER_LIPS] + 1) / 2).mean()


def painting_cost(weight: Float[Tensor, "b 1 h w"], x: Float[Tensor, "b 9 h w"]) -> Float[Tensor, ""]:
    """Mean blend weight outside the outer lips and, half as dear, on the lips: the photo's pixels are better."""
    inner, outer = (x[:, INNER_LIPS] + 1) / 2, (x[:, OUTER_LIPS] + 1) / 2
    return (weight * (1 - inner) * (1 - outer / 2)).mean()


def judge_loss(real: Float[Tensor, "*n"], fake: Float[Tensor, "*n"]) -> Float[Tensor, ""]:
    """Hinge loss of the discriminator."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def feature_matching_loss(found: list[Tensor], wanted: list[Tensor]) -> Float[Tensor, ""]:
    """Mean absolute difference of the discriminator's features; `wanted` gets no gradient."""
    pairs = zip(found, wanted, strict=True)
    return torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).sum()
