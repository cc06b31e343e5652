"""Learned warps guided by landmarks: each moves the points of a face as the mesh face model's dynamics do.

This project's own. Pixels alone tell a warp of a few voxels a mouth next to nothing about how lips move; landmarks tell
it at once.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.face.measure import LOWER_LIP, UPPER_LIP
from vasa_core.face.topology import EYES, LIP_PAIRS, LIPS_INNER, LIPS_OUTER

SMOOTH_WEIGHT = 0.3
LIPS_WEIGHT, LIDS_WEIGHT = 6.0, 3.0  # of the points that speech and blinks move, against 1 of all others
OPEN_LIPS = 0.04  # face widths: lips farther apart show the inside of the mouth
BETWEEN = (0.25, 0.5, 0.75)  # of the way from the upper lip to the lower one
_LEAST = 1e-4  # face widths: no gradient grows beyond what an error of this size has


def warp_loss(residual: Float[Tensor, "moves points 3"], offsets: Float[Tensor, "b 3 z y x"]) -> Float[Tensor, ""]:
    """How far off points are, and what offsets between them and at the sides must not be."""
    return guided_loss(residual) + torn_loss(offsets) + SMOOTH_WEIGHT * rough_loss(offsets)


def guided_loss(residual: Float[Tensor, "b points 3"]) -> Float[Tensor, ""]:
    """Mean over faces of the root mean square of how far off points are: large moves count the most, and those of lips
    and lids."""
    squares = (residual.float().square().mean(2) * _weights().to(residual.device)).sum(1)  # (b,)
    return (squares + _LEAST**2).sqrt().mean()


def torn_loss(offsets: Float[Tensor, "b 3 z y x"]) -> Float[Tensor, ""]:
    """Mean L1 of offsets at the four sides of what the warps cover: nothing moves beyond, so a step tears pictures."""
    flat = offsets.float().abs()
    sides = (flat[..., 0, :], flat[..., -1, :], flat[..., 0], flat[..., -1])  # top, bottom, left, right
    return torch.stack([side.mean() for side in sides]).mean()


def rough_loss(offsets: Float[Tensor, "b 3 z y x"]) -> Float[Tensor, ""]:
    """Mean L1 of the steps from voxel to voxel along each axis, summed: nothing else holds offsets between points."""
    return torch.stack([offsets.float().diff(dim=axis).abs().mean() for axis in (2, 3, 4)]).sum()


def inside_mouth(shape: Float[Tensor, "b 478 3"]) -> tuple[Float[Tensor, "b known 3"], Float[Tensor, "b known"]]:
    """Points of faces of which is known whether they are inside the mouth: between the lips, and landmarks elsewhere.

    Also how much they are so: 1 where lips are OPEN_LIPS apart or farther, in face widths, 0 outside.
    """
    upper, lower = shape[:, UPPER_LIP], shape[:, LOWER_LIP]  # (b, pairs, 3)
    inside = [upper + share * (lower - upper) for share in BETWEEN]
    gaps = (lower - upper)[..., 1].clamp(0, OPEN_LIPS) / OPEN_LIPS  # (b, pairs)
    outside = shape[:, [point for point in range(shape.shape[1]) if point not in LIPS_INNER]]
    wanted = [*[gaps] * len(BETWEEN), torch.zeros_like(outside[..., 0])]
    return torch.cat([*inside, outside], 1), torch.cat(wanted, 1)


def unseen_loss(found: Float[Tensor, "b known"], wanted: Float[Tensor, "b known"]) -> Float[Tensor, ""]:
    """Mean square error of shares at points of `inside_mouth`, of those between the lips plus of the others."""
    squares, count = (found.float() - wanted).square(), len(BETWEEN) * len(LIP_PAIRS)
    return squares[:, :count].mean() + squares[:, count:].mean()


def _weights() -> Float[Tensor, " points"]:
    """Shares of the points, of a sum of 1."""
    weight = torch.ones(478)
    weight[[point for eye in EYES for point in eye.contour]] = LIDS_WEIGHT
    weight[[*LIPS_INNER, *LIPS_OUTER]] = LIPS_WEIGHT
    return weight / weight.sum()
