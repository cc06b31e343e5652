"""Perceptual loss of the face alone: where pictures are small, at more px than can be afforded of the whole picture.

This project's own, after EMOPortraits' losses on parts of the face (arXiv 2404.19110).
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from vasa_core.face.volume.rigid import face_square

Images = Float[Tensor, "b 3 s s"]
Distance = Callable[[Images, Images], Float[Tensor, ""]]


def close_up_loss(distance: Distance, painted: Images, target: Images, pose: Float[Tensor, "b 6"]) -> Float[Tensor, ""]:
    """Distance of the faces, each cut out and brought upright by the target's pose.

    They are drawn at 3/8 of the whole picture's side, which is about what they have in it. Gives a gradient
    to `painted` as far as the distance does.
    """
    side = painted.shape[-1] * 3 // 8
    return distance(face_square(painted, pose, side), face_square(target, pose, side))
