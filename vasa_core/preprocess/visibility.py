"""What of a face a photo shows: what is behind dark lenses, masks, hands or hair is not to be painted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.preprocess.covered import Covered, covered
from vasa_core.preprocess.framing import face_height
from vasa_core.types import LEFT_EYE, MOUTH, RIGHT_EYE

_EYES = (  # contours
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
)
_LIDS = ((159, 145, 33, 133), (386, 374, 362, 263))  # upper and lower lid, corners
_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_UPPER = (151, 9, 116, 345, 50, 280, 195)  # forehead, cheeks, nose
_LOWER = (164, 18, 200, 199, 212, 432, 210, 430)  # around the mouth, chin
_SPOT = 0.02  # of the face's height: half the side of the piece of skin around a landmark
_LENS = 1.25  # size of what is looked at / the eye's opening
_DARK, _EVEN = 0.3, 2.5  # a dark lens: lightness against the skin's; standard deviation of it (of 100)
_CLOSED = 0.13  # height of an opening / its width
_CLOTH, _SHADE = 12.0, 30.0  # how much the lower face differs from the upper, in hue or in lightness (Lab), for a mask
_NO_LIPS, _SEEN_LIPS = 4.0, 20.0  # ... if they differ from the lips by no more, and no lips are seen (see `Covered`)
_FLAT, _EVEN_STEP = 0.5, 0.35  # share of a drawing's pixels that do not differ from the next, grey levels

Image = UInt8[np.ndarray, "height width 3"]
Landmarks = Float[np.ndarray, "478 3"]
Lab = Float32[np.ndarray, "n 3"]


@dataclass(frozen=True)
class Visible:
    """eyes: (image-left, image-right) not behind dark lenses or hair. mouth: not behind a mask or a hand. lips: nothing
    before a part of them. open_eyes: not both shut. drawn: a drawing of areas of even colour, no photograph."""

    eyes: tuple[bool, bool]
    mouth: bool
    lips: bool
    open_eyes: bool
    drawn: bool

    @property
    def hidden(self) -> tuple[str, ...]:
        """The parts that are not to be painted, for `FaceModel.encode_portrait`.

        Lips of which a part is covered are painted: warped alone they tear.
        """
        painted = {LEFT_EYE: self.eyes[0], RIGHT_EYE: self.eyes[1], MOUTH: True}
        return tuple(part for part, shown in painted.items() if self.drawn or not shown)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence on each thing that a user would not expect of the video."""
        some = any(self.eyes)
        sentences = {
            "The eyes are behind dark glasses: nothing is painted there.": not some,
            "One eye is covered: nothing is painted there, and it does not move.": some and not all(self.eyes),
            "Something in front of the lips bends with them; a photo with free lips works better.": not self.lips,
            "The eyes are closed in the photo and stay so; a photo with open eyes gives a livelier video.": (
                some and not self.open_eyes
            ),
            "The picture looks like a drawing; photographs work best.": self.drawn,
        }
        return tuple(sentence for sentence, holds in sentences.items() if holds)


def visible(photo: Image, landmarks: Landmarks) -> Visible:
    """What a photo shows of the face. landmarks: px of `photo`."""
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    skin, lower = (np.median(_spots(lab, landmarks, points), 0) for points in (_UPPER, _LOWER))
    dark = all(_is_dark(_inside(lab, landmarks[list(eye), :2], _LENS), skin) for eye in _EYES)
    lips = np.median(_inside(lab, landmarks[list(_LIPS), :2], 1.0), 0)
    other = np.linalg.norm((lower - skin)[1:]) > _CLOTH or abs(lower - skin)[0] > _SHADE
    gaps = [
        np.linalg.norm(landmarks[upper, :2] - landmarks[low, :2]) / np.linalg.norm(landmarks[a, :2] - landmarks[b, :2])
        for upper, low, a, b in _LIDS
    ]
    drawn = _evenness(photo, landmarks) > _FLAT
    over = Covered() if drawn else covered(photo, landmarks, float(skin[0]))
    masked = bool(other and np.linalg.norm(lips - lower) < _NO_LIPS and over.contrast < _SEEN_LIPS)
    left, right = (not dark and not hides for hides in over.eyes)
    return Visible(
        (left, right),
        not (masked or over.mouth),
        not over.lips,
        bool(max(gaps) >= _CLOSED),
        drawn,
    )


def _is_dark(area: Lab, skin: Float32[np.ndarray, "3"]) -> bool:
    """Whether it is all of one darkness beside which skin is light."""
    return bool(area[:, 0].mean() < _DARK * skin[0] and area[:, 0].std() < _EVEN)


def _spots(lab: Float32[np.ndarray, "height width 3"], landmarks: Landmarks, points: tuple[int, ...]) -> Lab:
    """The colour around each of some landmarks that lie in the picture."""
    half = max(1, int(_SPOT * face_height(landmarks)))
    size = np.array(lab.shape[1::-1])
    places = np.rint(landmarks[list(points), :2]).astype(int).clip(0, size - 1)
    pieces = [lab[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] for x, y in places]
    return np.stack([np.median(piece.reshape(-1, 3), 0) for piece in pieces])


def _inside(lab: Float32[np.ndarray, "height width 3"], outline: Float[np.ndarray, "corners 2"], scale: float) -> Lab:
    """The pixels inside an outline (px) that is enlarged about its middle."""
    mask = np.zeros(lab.shape[:2], np.uint8)
    middle = outline.mean(0)
    cv2.fillPoly(mask, [np.rint(middle + scale * (outline - middle)).astype(np.int32)], (1,))
    return lab[mask > 0] if mask.any() else lab.reshape(-1, 3)


def _evenness(photo: Image, landmarks: Landmarks) -> float:
    """Share of the face's pixels that are as good as their neighbours."""
    size = np.array(photo.shape[1::-1])
    low = np.floor(landmarks[:468, :2].min(0)).astype(int).clip(0, size - 1)
    high = np.ceil(landmarks[:468, :2].max(0)).astype(int).clip(1, size)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    steps = np.hypot(cv2.Sobel(grey, -1, 1, 0) / 8, cv2.Sobel(grey, -1, 0, 1) / 8)
    return float((steps < _EVEN_STEP).mean())
