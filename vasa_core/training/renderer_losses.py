"""What the renderer is trained by: pixel loss, change over time, hinge patch GAN with feature matching, and a cost on
painting, and whom the face around the patch shows. The perceptual loss is in `training.perceptual`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from vasa_core.face.patch_network import OPENING, PHOTO_OPENING, SHAPE
from vasa_core.training.losses.identity_perceptual import IdentityDescriptor

Images = Float[Tensor, "b 3 h w"]
Driving = Float[Tensor, "b 9 h w"]
INSIDE_WEIGHT = 4.0  # pixels inside the lips or lids count this much more ...
UNSEEN_SHARE = 0.25  # ... and this share of it where the photo does not show what is there
CONDITIONS = slice(OPENING.start, PHOTO_OPENING.stop)
VERDICT_GAIN = 12.0  # with spectral norm alone verdicts stay so small that the hinge never bends
FAR_WEIGHT = 0.1  # of a verdict on skin
SLOPE = 0.2


class PatchJudge(nn.Module):
    """Patch discriminator (Isola et al. 2017) with spectral norm, told where lips or lids are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (3 + CONDITIONS.stop - CONDITIONS.start, width, 2 * width, 4 * width)
        pairs = zip(channels[:-1], channels[1:], strict=True)
        self.layers = nn.ModuleList([spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairs])
        self.verdict = spectral_norm(nn.Conv2d(channels[-1], 1, 3, 1, 1))

    def forward(self, image: Images, x: Driving) -> tuple[Float[Tensor, "b 1 _h _w"], list[Float[Tensor, "b c _h _w"]]]:
        """Verdict per patch (higher = more real) and the features on the way. x: the driving input."""
        y = torch.cat([image, x[:, CONDITIONS]], 1).contiguous(memory_format=torch.channels_last)
        features = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), SLOPE)  # half the side
            features.append(y)
        return VERDICT_GAIN * self.verdict(y).float(), features


def pixel_loss(painted: Images, target: Images, x: Driving) -> Float[Tensor, ""]:
    """L1, with up to INSIDE_WEIGHT times as much again inside the driving opening.

    Where the photo's own opening does not reach, nobody can know this person's teeth, and the pixels nearest to all
    that they might be are a blur: there closeness counts less, and the discriminator's verdict the more.
    """
    difference = (painted - target).abs()
    inside, seen = (x[:, OPENING] + 1) / 2, (x[:, PHOTO_OPENING] + 1) / 2
    weight = INSIDE_WEIGHT * inside * (UNSEEN_SHARE + (1 - UNSEEN_SHARE) * seen)
    return difference.mean() + (difference * weight).mean()


def change_loss(painted: Images, target: Images, x: Driving) -> Float[Tensor, ""]:
    """L1 of the change between frames that follow each other (examples 0 and 1, 2 and 3 ...), weighted as pixels are.

    What is steady in the truth is to be steady in the painting: teeth must not flicker.
    """
    found, wanted = painted[1::2] - painted[::2], target[1::2] - target[::2]
    either = torch.maximum(x[1::2, OPENING], x[::2, OPENING])
    difference = (found - wanted).abs()
    return difference.mean() + INSIDE_WEIGHT * (difference * (either + 1) / 2).mean()


def painting_cost(weight: Float[Tensor, "b 1 h w"], x: Driving) -> Float[Tensor, ""]:
    """Mean blend weight outside the lips (or the opening of an eye) and, half as dear, on them: the photo's pixels are
    better."""
    inner, shape = (x[:, OPENING] + 1) / 2, (x[:, SHAPE] + 1) / 2
    return (weight * (1 - inner) * (1 - shape / 2)).mean()


def near_opening(x: Driving, verdict: Float[Tensor, "b 1 _h _w"]) -> Float[Tensor, "b 1 _h _w"]:
    """How much each verdict counts, mean 1: those that see the opening or lie beside it far more than those on skin,
    which the warp shows anyway."""
    inside = F.adaptive_max_pool2d((x[:, OPENING].float() + 1) / 2, verdict.shape[-2:])
    weight = FAR_WEIGHT + F.max_pool2d(inside, 3, 1, 1)
    return weight / weight.mean()


def judge_loss(
    real: Float[Tensor, "b 1 h w"], fake: Float[Tensor, "b 1 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Hinge loss of the discriminator. weight: of each verdict."""
    return ((F.relu(1 - real) + F.relu(1 + fake)) * weight).mean()


def feature_matching_loss(found: list[Tensor], wanted: list[Tensor]) -> Float[Tensor, ""]:
    """Mean absolute difference of the discriminator's features; `wanted` gets no gradient."""
    pairs = zip(found, wanted, strict=True)
    return torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).sum()


def identity_loss(
    descriptor: IdentityDescriptor,
    painted: Images,
    target: Images,
    faces: Float[Tensor, "b 3 f f"],
    points: Float[Tensor, "b 478 2"],
    places: Float[Tensor, "b 2 3"],
) -> Float[Tensor, ""]:
    """1 - cosine of the descriptors of faces with the painted patch in place and with the true one.

    points: landmarks of the faces, px. places: px of a face -> px of its patch.
    """
    found = descriptor(composed(painted, faces, places), points)
    with torch.no_grad():
        wanted = descriptor(composed(target, faces, places), points)
    return (1 - (found * wanted).sum(1)).mean()


def composed(
    patches: Images, faces: Float[Tensor, "b 3 f f"], places: Float[Tensor, "b 2 3"]
) -> Float[Tensor, "b 3 f f"]:
    """Faces with their patches in place; differentiable in the patches. places: px of a face -> px of its patch."""
    side, ends = faces.shape[-1], patches.shape[-1] - 1
    axis = torch.arange(side, dtype=faces.dtype, device=faces.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3)  # (f * f, 3)
    grid = (pixels @ places.mT / ends * 2 - 1).view(-1, side, side, 2)
    covering = torch.cat([patches.float(), patches.new_ones(len(patches), 1, *patches.shape[2:]).float()], 1)
    drawn = F.grid_sample(covering, grid, "bilinear", "zeros", align_corners=True)  # (b, 4, f, f)
    return drawn[:, :3] + (1 - drawn[:, 3:]) * faces
