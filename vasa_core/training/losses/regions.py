"""L1 around the eyes and the mouth, where gaze, blinks and speech show.

In the place of MegaPortraits' gaze-and-blink network (distilled from RT-GENE and RT-BENE, weight 5; section 3) and in
the manner of EMOPortraits' pixel loss on eyes and mouth (arXiv 2404.19110). The boxes lie where the target's landmarks
are.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.face.inpaint.regions import EYE_LEFT, EYE_RIGHT, MOUTH, Region
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT

Images = Float[Tensor, "b 3 h w"]
Landmarks = Float[Tensor, "b 478 2"]
GAZE = (EYE_LEFT, EYE_RIGHT)
SPEECH = (MOUTH,)
TIGHT = 0.6  # of the square that the renderer paints: the feature itself with some room to move
SOFT = 0.2  # width of the soft edge, in half sides


def box_weight(landmarks: Landmarks, size: tuple[int, int], regions: tuple[Region, ...]) -> Float[Tensor, "b 1 h w"]:
    """1 inside a square around each region that turns with the head, ramping to 0 across its edge (there 0.5).

    landmarks: px. size: height and width of the image in px. No gradient.
    """
    points = landmarks.detach().float()
    rows = torch.arange(size[0], device=points.device)[:, None]
    columns = torch.arange(size[1], device=points.device)
    across = points[:, CHEEK_RIGHT] - points[:, CHEEK_LEFT]  # (b, 2)
    width = across.norm(dim=1).clamp(min=1.0)
    ux, uy = (across / width[:, None]).T[:, :, None, None]  # the head's own x axis, each (b, 1, 1)
    boxes = []
    for region in regions:
        cx, cy = points[:, list(region.centre)].mean(1).T[:, :, None, None]
        dx, dy = columns - cx, rows - cy  # (b, 1, w), (b, h, 1)
        distance = torch.maximum((dx * ux + dy * uy).abs(), (dy * ux - dx * uy).abs())  # (b, h, w)
        half = (TIGHT * region.side * width / 2)[:, None, None]
        boxes.append(((1 - distance / half) / SOFT + 0.5).clamp(0, 1))
    return torch.stack(boxes, 1).amax(1, keepdim=True)


def region_loss(
    painted: Images, target: Images, landmarks: Landmarks, regions: tuple[Region, ...]
) -> Float[Tensor, ""]:
    """Weighted mean L1 inside the boxes of `regions` (GAZE or SPEECH), the same for near and far faces.

    landmarks: the target's, in px. An image whose boxes lie outside it counts 0. Gives a gradient to `painted` only.
    """
    weight = box_weight(landmarks, (painted.shape[2], painted.shape[3]), regions)
    difference = (painted.float() - target.detach().float()).abs().mean(1, keepdim=True)
    each = (difference * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1.0)  # (b,)
    return each.mean()
