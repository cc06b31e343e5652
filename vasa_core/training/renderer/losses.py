"""What the renderer is trained by: pixel loss, change over time, the discriminator of openings, a cost on painting, and
whom the face around the patch shows. Losses that it shares with other trainers are in `training.losses`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.inpaint.channels import OPENING, PHOTO_OPENING, SHAPE
from vasa_core.training.losses.adversarial import SLOPE, PatchDiscriminator, Verdict
from vasa_core.training.losses.identity import IdentityDescriptor, identity_loss

Images = Float[Tensor, "b 3 h w"]
Driving = Float[Tensor, "b 9 h w"]
INSIDE_WEIGHT = 4.0  # pixels inside the lips or lids count this much more ...
UNSEEN_SHARE = 0.25  # ... and this share of it where the photo does not show what is there
CONDITION = slice(0, PHOTO_OPENING.stop)  # of the driving input, what the discriminator is given: the warp and shapes
RIM = 5  # px, the window about each pixel that must touch the opening for the discriminator to see the pixel
FINE_GAIN = 4.0  # of the difference to the blurred image, the discriminator's second view: teeth are low in contrast


class OpeningDiscriminator(nn.Module):
    """Discriminator of the inside of lips or lids, given what the warp shows there.

    It sees nothing of the image beyond the opening and its rim: the rest is nearly the same in painted and true
    patches, and would drown what differs. No spectral norm: it held the two kinds' scores together, so that the hinge
    never bent; `gradient_penalty` keeps the discriminator smooth instead.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (2 * 3 + CONDITION.stop, width, 2 * width, 4 * width, 4 * width)
        self.patches = PatchDiscriminator(channels, spectral=False, whole=True)
        for layer in self.patches.layers:
            nn.init.kaiming_normal_(layer.weight, SLOPE)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, image: Images, x: Driving) -> Verdict:
        """Scores of an eighth of the side. x: the driving input; both as `about_opening` cuts them."""
        shown = F.max_pool2d((x[:, OPENING] + 1) / 2, RIM, 1, RIM // 2)
        fine = FINE_GAIN * (image - F.avg_pool2d(image, 5, 1, 2, count_include_pad=False))
        y = torch.cat([image * shown, fine * shown, x[:, CONDITION]], 1)
        return self.patches(y.contiguous(memory_format=torch.channels_last))


def about_opening(x: Driving, *images: Float[Tensor, "b _c h w"]) -> list[Float[Tensor, "b _c _h _w"]]:
    """The square of half the side about each example's driving opening, of each of `images`, at its own pixels."""
    side = x.shape[-1] // 2
    inside = (x[:, OPENING.start] + 1) / 2  # (b, h, w)
    axis = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
    area = inside.sum((1, 2)).clamp_min(1)
    corners = [
        ((inside.sum(other) @ axis / area).round().long() - side // 2).clamp(0, x.shape[-1] - side).tolist()
        for other in (2, 1)
    ]
    places = list(zip(*corners, strict=True))
    return [
        torch.stack(
            [one[:, top : top + side, left : left + side] for one, (top, left) in zip(image, places, strict=True)]
        )
        for image in images
    ]


def gradient_penalty(discriminator: OpeningDiscriminator, truth: Images, x: Driving) -> Float[Tensor, ""]:
    """Squared gradient of the score of true patches (R1 of Mescheder et al. 2018), mean over the examples."""
    image = truth.detach().requires_grad_()
    score = discriminator(image, x).score
    total = (score * inside_share(x, score)).mean((1, 2, 3)).sum()
    (slope,) = torch.autograd.grad(total, image, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def pixel_loss(painted: Images, target: Images, x: Driving) -> Float[Tensor, ""]:
    """L1, with up to INSIDE_WEIGHT times as much again inside the driving opening.

    Where the photo's own opening does not reach, nobody can know this person's teeth, and the pixels nearest to all
    that they might be are a blur: there closeness counts less, and the discriminator's score the more.
    """
    difference = (painted - target).abs()
    inside, seen = (x[:, OPENING] + 1) / 2, (x[:, PHOTO_OPENING] + 1) / 2
    weight = INSIDE_WEIGHT * inside * (UNSEEN_SHARE + (1 - UNSEEN_SHARE) * seen)
    return difference.mean() + (difference * weight).mean()


def imitation_loss(painted: Images, taught: Images, x: Driving) -> Float[Tensor, ""]:
    """L1 to what a larger network paints, and of its slopes along both axes, so that edges stay as sharp as its own;
    inside the driving opening INSIDE_WEIGHT times as much again."""
    weight = 1 + INSIDE_WEIGHT * (x[:, OPENING] + 1) / 2
    difference = painted - taught
    slopes = [difference.diff(dim=2).abs() * weight[:, :, 1:], difference.diff(dim=3).abs() * weight[:, :, :, 1:]]
    return (difference.abs() * weight).mean() + sum((slope.mean() for slope in slopes), difference.new_zeros(()))


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


def inside_share(x: Driving, score: Float[Tensor, "b 1 _h _w"]) -> Float[Tensor, "b 1 _h _w"]:
    """Weight of each score: as much as its patch shows of the opening, mean 1; all 0 where every mouth is closed."""
    height, width = score.shape[-2:]
    inside = F.adaptive_avg_pool2d((x[:, OPENING].float() + 1) / 2, (height, width))
    return inside / inside.mean().clamp_min(1e-6)


def told_apart(
    real: Float[Tensor, "b 1 h w"], fake: Float[Tensor, "b 1 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Share of the true and the painted examples on the right side of 0, of those that show an opening; 0.5: chance."""
    open_ones = weight.sum((1, 2, 3)) > 0
    sides = torch.stack([(real * weight).mean((1, 2, 3)) > 0, (fake * weight).mean((1, 2, 3)) < 0])
    return sides[:, open_ones].float().mean() if open_ones.any() else real.new_tensor(0.5)


def composed_identity_loss(
    descriptor: IdentityDescriptor,
    painted: Images,
    target: Images,
    faces: Float[Tensor, "b 3 f f"],
    points: Float[Tensor, "b 478 2"],
    places: Float[Tensor, "b 2 3"],
) -> Float[Tensor, ""]:
    """Identity loss of faces with the painted patch in place and with the true one.

    points: landmarks of the faces, px. places: px of a face -> px of its patch.
    """
    found, wanted = (composed(patches, faces, places) for patches in (painted, target))
    return identity_loss(descriptor, found, points, wanted, points)


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
