"""Losses on what the volume model's networks say of pictures: canonical volumes and motion descriptors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Descriptors = Float[Tensor, "b z"]
SCALE = 5.0
MARGIN = 0.2


def canonical_loss(first: Float[Tensor, "b c d h w"], second: Float[Tensor, "b c d h w"]) -> Float[Tensor, ""]:
    """Mean of 1 - cosine of the volumes of two images of one person: 0 (same direction), 1 (unrelated, or one is zero),
    2 (opposite). Both get a gradient.

    EMOPortraits (arXiv 2404.19110), weight 1. Not L1, which falls when both volumes shrink, so that the volume of zeros
    is its best answer. The cosine knows no length and finds zeros no better than two unrelated volumes.
    """
    return (1 - F.cosine_similarity(first.float().flatten(1), second.float().flatten(1), dim=1)).mean()


def motion_cycle_loss(found: Descriptors, driver: Descriptors, others: Float[Tensor, "b n z"]) -> Float[Tensor, ""]:
    """Mean of -log(e^p / (e^p + sum of e^n)): a render shows its driver's motion, whoever it shows, and nobody else's.

    found: read again from a render. driver: what it was moved by. p = s (cosine with the driver - m), each n = s x
    cosine with one of the others; vectors of any length. MegaPortraits (section 3), CosFace form (Wang et al. 2018,
    equation 4), s = 5, m = 0.2, weight 2. The margin is on the positive alone, as in CosFace: on both it would cancel.
    Gives a gradient to `found` alone.
    """
    wanted = F.normalize(driver.detach().float(), dim=1)  # (b, z)
    unwanted = F.normalize(others.detach().float(), dim=2)  # (b, n, z)
    descriptor = F.normalize(found.float(), dim=1)
    positive = SCALE * ((descriptor * wanted).sum(1, keepdim=True) - MARGIN)  # (b, 1)
    negative = SCALE * (descriptor[:, None] * unwanted).sum(2)  # (b, n); as a matrix product autocast would round it
    return (torch.logsumexp(torch.cat([positive, negative], 1), 1) - positive[:, 0]).mean()
