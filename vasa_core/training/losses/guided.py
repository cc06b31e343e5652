"""Learned warps guided by landmarks: each moves the points of a face as the mesh face model's dynamics do.

This project's own. Pixels alone tell a warp of a few voxels a mouth next to nothing about how lips move; landmarks tell
it at once.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.face.topology import EYES, LIPS_INNER, LIPS_OUTER

LIPS_WEIGHT, LIDS_WEIGHT = 6.0, 3.0  # of the points that speech and blinks move, against 1 of all others
_LEAST = 1e-4  # face widths: no gradient grows beyond what an error of this size has


def guided_loss(astray: Float[Tensor, "b points 3"]) -> Float[Tensor, ""]:
    """Mean over faces of the root mean square of how far off points are: large moves count the most, and those of lips
    and lids."""
    squares = (astray.float().square().mean(2) * _weights().to(astray.device)).sum(1)  # (b,)
    return (squares + _LEAST**2).sqrt().mean()


def torn_loss(offsets: Float[Tensor, "b 3 z y x"]) -> Float[Tensor, ""]:
    """Mean L1 of offsets at the four sides of what the warps cover: nothing moves beyond, so a step tears pictures."""
    flat = offsets.float().abs()
    sides = (flat[..., 0, :], flat[..., -1, :], flat[..., 0], flat[..., -1])  # top, bottom, left, right
    return torch.stack([side.mean() for side in sides]).mean()


def _weights() -> Float[Tensor, " points"]:
    """Shares of the points, of a sum of 1."""
    weight = torch.ones(478)
    weight[[point for eye in EYES for point in eye.contour]] = LIDS_WEIGHT
    weight[[*LIPS_INNER, *LIPS_OUTER]] = LIPS_WEIGHT
    return weight / weight.sum()
