"""Learned warps guided by landmarks: each moves the points of a face as the mesh face model's dynamics do.

This project's own. Pixels alone tell a warp of a few voxels a mouth next to nothing about how lips move; landmarks tell
it at once.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

_LEAST = 1e-4  # face widths: no gradient grows beyond what an error of this size has


def guided_loss(astray: Float[Tensor, "b points 3"]) -> Float[Tensor, ""]:
    """Mean over faces of the root mean square of how far off points are: large moves count the most."""
    return (astray.float().square().mean((1, 2)) + _LEAST**2).sqrt().mean()
