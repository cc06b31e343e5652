"""Cycle loss on motion descriptors: a render shows its driver's motion, whoever it shows, and nobody else's.

MegaPortraits (section 3), CosFace form (Wang et al. 2018, equation 4), s = 5, m = 0.2, weight 2. The motion encoder
reads the renders again: z_pred of the self-reenactment and z_cross of the cross-reenactment each match their driver's
z_d; descriptors of other drivers are the negatives.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Descriptors = Float[Tensor, "b z"]
SCALE = 5.0
MARGIN = 0.2


def motion_cycle_loss(found: Descriptors, driver: Descriptors, others: Float[Tensor, "b n z"]) -> Float[Tensor, ""]:
    """Mean of -log(e^p / (e^p + sum of e^n)). found: read again from a render. driver: what it was moved by.

    p = s (cosine with the driver - m), each n = s x cosine with one of the others; vectors of any length. The margin is
    on the positive alone, as in CosFace: on both it would cancel. Gives a gradient to `found` alone.
    """
    wanted = F.normalize(driver.detach().float(), dim=1)  # (b, z)
    unwanted = F.normalize(others.detach().float(), dim=2)  # (b, n, z)
    descriptor = F.normalize(found.float(), dim=1)
    positive = SCALE * ((descriptor * wanted).sum(1, keepdim=True) - MARGIN)  # (b, 1)
    negative = SCALE * (descriptor[:, None] * unwanted).sum(2)  # (b, n); as a matrix product autocast would round it
    return (torch.logsumexp(torch.cat([positive, negative], 1), 1) - positive[:, 0]).mean()
