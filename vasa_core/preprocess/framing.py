"""Which part of a photo is shown: a square about the head that lies inside the photo, or the whole photo.

Nothing is invented outside the photo: where it ends, the picture ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.errors import InputError
from vasa_core.options import AUTO, FACE, PHOTO

CROP_PER_FACE = 2.2  # side of the usual crop / face height: that of the clips the models were trained on
FACE_CENTRE_Y = 0.56  # of the crop: a little more room above, for the hair
LEAST_SIDE = 1.55  # face heights; in a smaller square hair or chin would be cut, and the whole photo shows more
MORE = 1.12  # longer side of the photo / that square: from there on it does show more
CUT = 0.06  # of the face's height: so far beyond the border a landmark may lie, being read that well
FOREHEAD, CHIN = 10, 152  # landmarks, the ends of the face's height
_FACE = 468  # landmarks of the face itself; the irises' come after them

USUAL = "usual"  # a framing for models that know no other


@dataclass(frozen=True)
class Framing:
    """What is shown. mode: "face" or "photo". x, y, side: centre and side of the square that is animated, px."""

    mode: str
    x: float
    y: float
    side: float

    @property
    def square(self) -> tuple[float, float, float]:
        """Centre x, y and side."""
        return self.x, self.y, self.side


def face_height(landmarks: Float[np.ndarray, "478 3"]) -> float:
    """From the forehead's upper end to the chin, in the landmarks' unit."""
    return float(np.linalg.norm(landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]))


def face_place(landmarks: Float[np.ndarray, "478 3"]) -> tuple[float, float, float]:
    """Middle of the face from side to side, middle between forehead and chin, and their distance; in px."""
    x = float(landmarks[:_FACE, 0].min() + landmarks[:_FACE, 0].max()) / 2
    y = float(landmarks[FOREHEAD, 1] + landmarks[CHIN, 1]) / 2
    return x, y, face_height(landmarks)


def usual_square(landmarks: Float[np.ndarray, "478 3"]) -> tuple[float, float, float]:
    """Centre x, y and side of the square of CROP_PER_FACE face heights, wherever the photo ends; px of the photo."""
    x, y, height = face_place(landmarks)
    side = CROP_PER_FACE * height
    return x, y - (FACE_CENTRE_Y - 0.5) * side, side


def framed(landmarks: Float[np.ndarray, "478 3"], size: tuple[int, int], mode: str = AUTO) -> Framing:
    """How a photo of `size` (height, width) is shown. landmarks: px of the photo. mode: one of FRAMINGS.

    "face": the usual square, no larger than the photo, and moved inside it. "photo": all of the photo, in which the
    usual square is animated. "auto": the square, unless it cuts the head where the whole photo does not. "usual": the
    usual square also where it reaches beyond the photo.
    Raises InputError for a face that the photo's border cuts.
    """
    _check_whole(landmarks, size)
    x, y, wanted = usual_square(landmarks)
    if mode == USUAL:
        return Framing(FACE, x, y, wanted)
    side = min(wanted, *map(float, size))
    if mode == AUTO:
        small = side < LEAST_SIDE / CROP_PER_FACE * wanted and max(size) > MORE * side
        mode = PHOTO if small else FACE
    if mode == PHOTO:
        return Framing(mode, x, y, wanted)
    if side < wanted:
        y = face_place(landmarks)[1] - (FACE_CENTRE_Y - 0.5) * side
    half = side / 2
    return Framing(mode, min(max(x, half), size[1] - half), min(max(y, half), size[0] - half), side)


def _check_whole(landmarks: Float[np.ndarray, "478 3"], size: tuple[int, int]) -> None:
    """Raises InputError, naming the side, if the face reaches beyond the photo."""
    face = landmarks[:_FACE, :2]
    beyond = np.concatenate([-face.min(0), face.max(0) - np.array(size[::-1])]) / face_height(landmarks)
    side = int(beyond.argmax())
    if beyond[side] > CUT:
        name = ("left", "upper", "right", "lower")[side]
        raise InputError(f"The picture's {name} border cuts the face; expected a photo with the whole face in it.")
