"""What stands behind the person instead of the photo's own background: a colour, a picture, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from vasa_core.errors import InputError, shown
from vasa_core.face.mesh.layers import freed
from vasa_core.face.mesh.model import Portrait
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.io.image import read_image
from vasa_core.options import TRANSPARENT, colour_of

Image = UInt8[np.ndarray, "height width 3"]


def before(portrait: LiftedPhoto, background: str | Path | None) -> LiftedPhoto:
    """The portrait before that background; itself if it is None.

    Raises InputError if no person can be told from the photo's background, for a picture that cannot be read, and for
    transparency that the face model does not have.
    """
    if background is None:
        return portrait
    if portrait.layers.person[..., 3].all():
        found = shown(str(background))
        raise InputError(f"background is {found}; expected none, as no person stands out in the photo.")
    size, person = portrait.photo.shape[:2], freed(portrait.layers.person)
    if background != TRANSPARENT:
        layers = replace(portrait.layers, person=person, backdrop=_backdrop(background, size))
        return replace(portrait, layers=layers)
    if not isinstance(portrait, Portrait):
        raise InputError(f"background is {TRANSPARENT!r}; expected a colour or an image file with this face model.")
    opacity = person[..., 3].copy()
    person[..., 3] = 255
    nothing = np.zeros((*size, 3), np.uint8)
    return replace(portrait, layers=replace(portrait.layers, person=person, backdrop=nothing, cut_out=opacity))


def _backdrop(background: str | Path, size: tuple[int, int]) -> Image:
    """A colour, or the middle of a picture that fills (height, width)."""
    colour = colour_of(background)
    if colour is not None:
        return np.full((*size, 3), colour, np.uint8)
    picture = read_image(Path(background))
    height, width = picture.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    shape = (max(size[1], round(scale * width)), max(size[0], round(scale * height)))
    scaled = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (shape[1] - size[0]) // 2, (shape[0] - size[1]) // 2
    return scaled[top : top + size[0], left : left + size[1]].copy()
