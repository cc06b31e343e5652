"""Distance in the features of a face recogniser, prediction and target being the same person.

MegaPortraits (section 3) takes L1 on VGGFace features, weight 4. Here the distance is between the final descriptors of
whichever recogniser is passed in.
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


def descriptor_distance(found: Float[Tensor, "b d"], wanted: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Mean of 1 - cosine between unit vectors, which is half their squared distance: 0 (same) .. 2 (opposite).

    Gives a gradient to `found` only.
    """
    return (1 - (found.float() * wanted.detach().float()).sum(1)).mean()


def identity_perceptual_loss(
    descriptor: IdentityDescriptor, painted: Images, target: Images, landmarks: Landmarks
) -> Float[Tensor, ""]:
    """Descriptor distance of a self-reenactment and its target; gives a gradient to `painted` only.

    landmarks: the target's, in px, which the painted face is to have too.
    """
    with torch.no_grad():
        wanted = descriptor(target, landmarks)
    return descriptor_distance(descriptor(painted, landmarks.detach()), wanted)
