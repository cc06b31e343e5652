"""Distance of two faces in the descriptors of a face recogniser.

With prediction and target of one person: MegaPortraits (section 3) takes L1 on VGGFace features, weight 4; here the
distance is between the final descriptors. With a render in another person's motion and its source: l_cross_id of VASA-1
(arXiv 2404.10667, section 3.1), whose weight the paper does not state.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b 3 h w"]
Landmarks = Float[Tensor, "b 478 2"]


@runtime_checkable
class IdentityDescriptor(Protocol):
    """Says who a face is, with a gradient to its pixels; its own weights are frozen."""

    def __call__(self, faces: Images, landmarks: Landmarks) -> Float[Tensor, "b d"]:
        """Unit vectors. faces: RGB, -1..1. landmarks: px of `faces`."""
        ...


def identity_loss(
    descriptor: IdentityDescriptor, painted: Images, landmarks: Landmarks, target: Images, target_landmarks: Landmarks
) -> Float[Tensor, ""]:
    """Mean of 1 - cosine of the descriptors, each face read at its own landmarks: 0 (same) .. 2 (opposite).

    The landmarks of a render are those that it is to have: the target's, or the driver's. Gives a gradient to `painted`
    only.
    """
    with torch.no_grad():
        wanted = descriptor(target, target_landmarks)
    return (1 - (descriptor(painted, landmarks.detach()).float() * wanted.float()).sum(1)).mean()
