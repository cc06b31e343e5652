"""L1 losses on renders: the person's colours, the matte, eyes and mouth, and two renders of one motion.

MegaPortraits (arXiv 2207.07621, section 3) scores only the foreground; so here what lies outside the matte is left to
the loss on alpha. Boxes around eyes and mouth, where gaze, blinks and speech show, are in the place of its
gaze-and-blink network (distilled from RT-GENE and RT-BENE, weight 5), in the manner of EMOPortraits' losses on parts of
the face (arXiv 2404.19110).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.face.inpaint.regions import EYE_LEFT, EYE_RIGHT, MOUTH, Region
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT
from vasa_core.face.volume.rigid import face_square

Images = Float[Tensor, "b 3 h w"]
Masks = Float[Tensor, "b 1 h w"]
Renders = Float[Tensor, "b 4 h w"]  # colour -1..1, alpha 0..1
Landmarks = Float[Tensor, "b 478 2"]
GAZE = (EYE_LEFT, EYE_RIGHT)
SPEECH = (MOUTH,)
TIGHT = 0.6  # of the square that the renderer paints: the feature itself with some room to move
SOFT = 0.2  # width of the soft edge, in half sides


def over_grey(render: Renders) -> Images:
    """A render over mid-grey 0, as training images have it behind the person."""
    return render[:, :3] * render[:, 3:]


def weighted_l1(painted: Images, target: Images, weight: Masks) -> Float[Tensor, ""]:
    """Mean over images of the weighted mean L1 of their pixels; 0 for an image without weight.

    Gives a gradient to `painted` only.
    """
    difference = (painted.float() - target.detach().float()).abs().mean(1, keepdim=True)  # (b, 1, h, w)
    weight = weight.detach().float()
    return ((difference * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1.0)).mean()


def alpha_loss(alpha: Masks, matte: Masks) -> Float[Tensor, ""]:
    """Mean L1 between the rendered alpha and the target's matte, both 0..1; gives a gradient to `alpha` only."""
    return (alpha.float() - matte.detach().float()).abs().mean()


def box_weight(landmarks: Landmarks, size: tuple[int, int], regions: tuple[Region, ...]) -> Masks:
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
    return weighted_l1(painted, target, box_weight(landmarks, (painted.shape[2], painted.shape[3]), regions))


def close_up_loss(
    distance: Callable[[Images, Images], Float[Tensor, ""]], painted: Images, target: Images, pose: Float[Tensor, "b 6"]
) -> Float[Tensor, ""]:
    """Distance of the faces alone, each cut out and brought upright by the target's pose.

    The faces have 3/8 of the whole picture's side, which is about what they have in it: more px than can be afforded of
    the whole picture. Gives a gradient to `painted` as far as the distance does.
    """
    side = painted.shape[-1] * 3 // 8
    return distance(face_square(painted, pose, side), face_square(target, pose, side))


def transfer_loss(posed: Renders, animated: Renders) -> Float[Tensor, ""]:
    """L1 of colour over grey and of alpha of two renders of pose i and dynamics j; both get a gradient.

    l_consist of VASA-1 (arXiv 2404.10667, section 3.1): head pose and facial dynamics transfer apart from each other.
    With frames i and j of one person, `posed` is j's appearance with i's pose, and `animated` i's appearance with j's
    dynamics. The idea is of DPE's bidirectional swapping; the paper gives neither the norm nor the weight.
    """
    colours = (over_grey(posed).float() - over_grey(animated).float()).abs().mean()
    return colours + (posed[:, 3:].float() - animated[:, 3:].float()).abs().mean()
