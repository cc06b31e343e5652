"""l_consist of VASA-1 (arXiv 2404.10667, section 3.1): head pose and facial dynamics transfer apart from each other.

I_i and I_j are frames of one clip of one person. D(V_j, id_j, pose_i, dyn_j), where pose i is put onto image j, and
D(V_i, id_i, pose_i, dyn_j), where dynamics j are put onto image i, are to be the same image. The idea is of DPE's
bidirectional swapping. The paper does not give the norm of the discrepancy, nor its weight: here it is L1 of colour
over grey and of alpha, and L1 of perceptual features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.training.losses.pixel import over_grey

Renders = Float[Tensor, "b 4 h w"]
Features = Callable[[Float[Tensor, "b 3 h w"]], list[Tensor]]


def transfer_loss(posed: Renders, animated: Renders, features: Features | None) -> Float[Tensor, ""]:
    """Discrepancy of two renders of pose i and dynamics j, of colour -1..1 and alpha 0..1; both get a gradient.

    posed: of j's appearance with i's pose. animated: of i's appearance with j's dynamics. features: of the perceptual
    network (each layer counts relative to its own mean), or None for pixels alone.
    """
    first, second = over_grey(posed).float(), over_grey(animated).float()
    loss = (first - second).abs().mean() + (posed[:, 3:].float() - animated[:, 3:].float()).abs().mean()
    if features is None:
        return loss
    pairs = [(a.float(), b.float()) for a, b in zip(features(first), features(second), strict=True)]
    scales = [((a.abs().mean() + b.abs().mean()) / 2).detach().clamp(min=1e-6) for a, b in pairs]
    each = [(a - b).abs().mean() / scale for (a, b), scale in zip(pairs, scales, strict=True)]
    return loss + torch.stack(each).sum()
