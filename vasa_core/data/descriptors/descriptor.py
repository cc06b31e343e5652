"""Who a picture shows, as a unit vector that is differentiable in the picture."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.data.descriptors.alignment import Alignment


class IdentityDescriptor(nn.Module):
    """A chip and a frozen network on it; gives a gradient to the pictures only."""

    def __init__(self, alignment: Alignment, network: nn.Module) -> None:
        """network: (b, 3, side, side), RGB, 0..255 -> (b, d)."""
        super().__init__()
        self.alignment, self.network = alignment, network
        self.eval().requires_grad_(False)

    def forward(self, faces: Float[Tensor, "b 3 h w"], landmarks: Float[Tensor, "b 478 2"]) -> Float[Tensor, "b d"]:
        """Unit vectors, float32, of faces (RGB, -1..1) with their landmarks (px)."""
        return F.normalize(self.network(self.alignment(faces, landmarks)).float(), dim=1)
