"""Whether something lies over the mouth or an eye of a face: a hand, a cup, hair.

Landmarks of what is covered are guessed and look right. Seen lips differ from the skin around them; upper and lower lip
differ from each other no more than the skin above and below does; of two seen eyes, both have an iris that is darker
than the skin below. A moustache hides lips too, but is darker than skin: that is left to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_UPPER, _LOWER = np.arange(1, 10), np.arange(11, 20)  # places of the above, less the corners: from left, from right
_EYES = (  # corners, iris; upper lid, lower lid
    ((33, 133), 468, (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),
    ((362, 263), 473, (398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)),
)
_CHEEKS = (234, 454)
_MOUTH_PX, _MOUTH_SIDE, _MOUTH_BLUR = 96, 0.7, 1.2  # of the upright picture of a mouth: px, face widths, px
_EYE_PX, _EYE_SIDE, _EYE_BLUR, _EYE_PLAIN = 64, 0.42, 0.8, 10.0  # ... of an eye; px of what is shade, no shape
_SHIFT = 5  # px that the pictures of two eyes may be apart
_LIT, _DIM = 65.0, 30.0  # lightness of skin that colours are brought to; of skin below which noise would be seen
_BESIDE = 0.11  # widths of a mouth: skin beside the lips
_ALIKE, _LOST = 3.0, 20.0  # colours of lips and of skin that are one; what such pieces take from the contrast
_SEEN, _SKIN = 7.0, 0.6  # contrast of a mouth that is seen; lightness of what can be a hand against the face's
_FOREIGN = 35.0  # colour of both the lower lip and the skin below against the upper lip and the skin above
_WEIGHTS = (0.5, 1, 1)  # of lightness and hue in that
_ONE_EYE, _HIDDEN_EYE = 0.27, 0.2  # an iris less dark than the other, less likeness; darkness of one that is not seen
_NARROW = 0.7  # width of one eye against the other's: of a face turned so far the far eye is no likeness of the near

Image = UInt8[np.ndarray, "height width 3"]
Lab = Float32[np.ndarray, "_ _ 3"]
Colours = Float32[np.ndarray, "_ 3"]
Points = Float[np.ndarray, "_ 2"]
Landmarks = Float[np.ndarray, "478 3"]


@dataclass(frozen=True)
class Covered:
    """mouth: a hand hides it. lips: something of another colour lies before the lower or the upper lip. eyes: of the
    image-left and the image-right eye, whether it is hidden. contrast: of lips and mouth line with what is around them,
    in steps of Lab: seen ones have 17 and more."""

    contrast: float = 0.0
    mouth: bool = False
    lips: bool = False
    eyes: tuple[bool, bool] = (False, False)


def covered(photo: Image, landmarks: Landmarks, lightness: float) -> Covered:
    """What is covered of a face. landmarks: px of `photo`. lightness: of the face's skin (Lab, of 100)."""
    contrast, around, step = mouth_signs(photo, landmarks, lightness)
    hand = contrast < _SEEN and around > _SKIN
    eyes = _hidden(*eye_signs(photo, landmarks)) if lightness > _DIM and _frontal(landmarks) else (False, False)
    return Covered(contrast, hand, not hand and step > _FOREIGN, eyes)


def mouth_signs(photo: Image, landmarks: Landmarks, lightness: float) -> tuple[float, float, float]:
    """Contrast of lips and mouth line, how light it is around them against other skin, the step from upper to lower."""
    lab, points = _upright(photo, landmarks, _OUTER, _MOUTH_SIDE, _MOUTH_PX, _MOUTH_BLUR)
    lab *= _LIT / max(lightness, _DIM)
    outer, inner = points[list(_OUTER)], points[list(_INNER)]
    outward = outer - inner
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6
    lips = _at(lab, (outer + inner) / 2)
    skin = _at(lab, outer + outward * _BESIDE * np.linalg.norm(outer[0] - outer[10]))
    line = _at(lab, (inner[_UPPER] + inner[_LOWER[::-1]]) / 2) - (lips[_UPPER] + lips[_LOWER[::-1]]) / 2
    border = lips - skin  # (20, Lab)
    both = np.concatenate([_UPPER, _LOWER])
    lost = float((np.linalg.norm(border[both], axis=1) < _ALIKE).mean())
    seen = sum(float(np.linalg.norm(np.median(border[lip], 0))) for lip in (_UPPER, _LOWER))
    contrast = seen + abs(float(np.median(line[:, 0]))) - _LOST * lost
    steps = [np.linalg.norm((np.median(of[_UPPER], 0) - np.median(of[_LOWER], 0)) * _WEIGHTS) for of in (lips, skin)]
    return contrast, float(np.percentile(skin[both, 0], 25)) / _LIT, float(min(steps))


def eye_signs(photo: Image, landmarks: Landmarks) -> tuple[Float[np.ndarray, " 2"], float]:
    """Of both eyes how much darker their iris is than the skin below, 0..1; how alike their shapes are, -1..1."""
    darkness, shapes = [], []
    for index, (corners, iris, upper, lower) in enumerate(_EYES):
        lab, points = _upright(photo, landmarks, corners, _EYE_SIDE, _EYE_PX, _EYE_BLUR, mirrored=index == 1)
        width = float(np.linalg.norm(points[corners[0]] - points[corners[1]]))
        below = float(np.median(_at(lab, points[[*lower]] + [0, 0.25 * width])[:, 0]))
        seen = _between_lids(points[iris : iris + 5], points[[*upper]], points[[*lower]])
        darkness.append((below - float(np.median(_at(lab, seen)[:, 0]))) / max(below, 1.0))
        shapes.append(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), _EYE_PLAIN))
    inner = shapes[0][_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    return np.array(darkness), float(cv2.matchTemplate(shapes[1], inner, cv2.TM_CCOEFF_NORMED).max())


def _between_lids(iris: Points, upper: Points, lower: Points) -> Points:
    """Points on an iris that the lids leave free; its middle if they are few. iris: centre, four points on the rim."""
    radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
    turn = np.linspace(0, 2 * np.pi, 16, False)
    rings = [iris[0] + share * radius * np.stack([np.cos(turn), np.sin(turn)], 1) for share in (0, 0.3, 0.6)]
    points = np.concatenate(rings)  # (48, xy)
    top, bottom = upper[2:5, 1].min(), lower[2:5, 1].max()
    free = points[(points[:, 1] > top + 0.1 * (bottom - top)) & (points[:, 1] < bottom)]
    return free if len(free) > 4 else iris[:1]


def _frontal(landmarks: Landmarks) -> bool:
    """Whether both eyes are about as wide as each other."""
    widths = [np.linalg.norm(landmarks[a, :2] - landmarks[b, :2]) for (a, b), *_ in _EYES]
    return bool(min(widths) > _NARROW * max(widths))


def _hidden(darkness: Float[np.ndarray, " 2"], alike: float) -> tuple[bool, bool]:
    """Which of two eyes is covered: the one without an iris, if the other has one and they do not look alike."""
    less = (darkness[::-1] - darkness) * (1 - alike)
    left, right = ((less > _ONE_EYE) & (darkness < _HIDDEN_EYE)).tolist()
    return left, right


def _upright(
    photo: Image,
    landmarks: Landmarks,
    about: tuple[int, ...],
    side: float,
    size: int,
    blur: float,
    mirrored: bool = False,
) -> tuple[Lab, Float[np.ndarray, "478 2"]]:
    """A square of `size` px about the middle of some landmarks, and the landmarks in it. side: in face widths."""
    across = (landmarks[_CHEEKS[1]] - landmarks[_CHEEKS[0]]).astype(np.float64)
    angle, scale = np.arctan2(across[1], across[0]), size / (side * float(np.linalg.norm(across)))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    flip = -1 if mirrored else 1
    turn = np.array([[flip * cosine, flip * sine], [-sine, cosine]])
    offset = (size - 1) / 2 - turn @ landmarks[list(about), :2].mean(0)
    finer = cv2.GaussianBlur(photo, (0, 0), 0.45 / scale) if scale < 1 else photo
    matrix = np.column_stack([turn, offset])
    square = cv2.warpAffine(finer, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(square.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return cv2.GaussianBlur(lab, (0, 0), blur), landmarks[:, :2] @ turn.T + offset


def _at(lab: Lab, points: Points) -> Colours:
    """The colours at some points."""
    x, y = points.astype(np.float32).T[:, None]  # (1, n) each
    return cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
