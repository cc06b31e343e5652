"""Pixel losses over the person: colour inside the matte, and the matte itself.

MegaPortraits (arXiv 2207.07621, section 3) scores only the foreground; so here what lies outside the matte is left to
`alpha_loss`.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b 3 h w"]
Masks = Float[Tensor, "b 1 h w"]


def over_grey(render: Float[Tensor, "b 4 h w"]) -> Images:
    """A render (colour -1..1, alpha 0..1) over mid-grey 0, as training images have it behind the person."""
    return render[:, :3] * render[:, 3:]


def pixel_loss(painted: Images, target: Images, matte: Masks) -> Float[Tensor, ""]:
    """Mean over images of the mean L1 of the person's pixels, each as much as the target's matte (0..1) says; 0 for an
    empty matte.

    painted: a render over grey. Gives a gradient to `painted` only.
    """
    difference = (painted.float() - target.detach().float()).abs().mean(1, keepdim=True)  # (b, 1, h, w)
    weight = matte.detach().float()
    return ((difference * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1.0)).mean()


def alpha_loss(alpha: Masks, matte: Masks) -> Float[Tensor, ""]:
    """Mean L1 between the rendered alpha and the target's matte, both 0..1; gives a gradient to `alpha` only."""
    return (alpha.float() - matte.detach().float()).abs().mean()
