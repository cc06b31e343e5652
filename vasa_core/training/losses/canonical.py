"""Canonical-volume consistency: two images of one person have one canonical volume.

EMOPortraits (arXiv 2404.19110), weight 1. The distance here is 1 - cosine of the whole volumes, not L1: L1 falls when
both volumes shrink, so that the volume of zeros is its best answer. The cosine knows no length and finds zeros no
better than two unrelated volumes (1).
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def canonical_loss(first: Float[Tensor, "b c d h w"], second: Float[Tensor, "b c d h w"]) -> Float[Tensor, ""]:
    """Mean of 1 - cosine: 0 (same direction), 1 (unrelated, or one is zero), 2 (opposite). Both get a gradient."""
    return (1 - F.cosine_similarity(first.float().flatten(1), second.float().flatten(1), dim=1)).mean()
