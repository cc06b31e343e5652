"""Who is in the picture: a soft matte of one person, from MediaPipe's selfie segmentation and the picture's edges."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from vasa_core.preprocess.framing import CHIN, FOREHEAD, face_height

_INPUT_SIZE = 256  # px
_VIEWS_PER_FACE = 2.2  # side of the closer of the network's two pictures / face height
_VIEW_FADE = 0.08  # of the closer picture's side: where it fades into the whole picture's result
_CLOSER_SHARE = 0.7  # of the closer picture in the mean of both
_BAND = 0.022  # of the face height, at least _MIN_BAND px: half width of the edge that the picture itself decides
_MIN_BAND = 2
_CONTRAST = 24.0  # grey levels between person and background at which the picture's edge counts as much as the network
_NOISE = 4.0  # how much the variance of their colours counts against their contrast
_REACH = 1.0  # bands: how far away the colours of person and background are taken from
_SURE = 0.5  # of the face's surroundings must be found, or the matte is given up
_CAP = 1.12  # of the face oval: up to there, above the face, there is always head
_INNER = 0.92  # of the face oval: what lies in there is the person, whatever the network says
_ATTACHED = 0.1  # opacity above which parts count as one piece with the face
_FAR = 0.5  # face heights from one's own body: from there on it is another's whatever its colour
_CORE = 0.4  # face heights: width of the middle of a face
_NECK = 0.12  # face heights: half the width of the middle of a neck
_ROUNDS = 3  # of learning the colours
_FACE_PER_BOX = 0.95  # height of a face / that of the detector's box
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

Image = UInt8[np.ndarray, "height width 3"]
Soft = Float32[np.ndarray, "height width"]


class PersonMatte:
    """Cuts the person whose face it is from a picture: head, hair and body."""

    def __init__(self, model: Path) -> None:
        """model: the `selfie_segmentation.tflite` file."""
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(model), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._lock = threading.Lock()  # the network may not be run by two threads at once

    def __call__(
        self, image: Image, landmarks: Float[np.ndarray, "478 3"], others: Float[np.ndarray, "faces 4"] | None = None
    ) -> UInt8[np.ndarray, "height width"]:
        """Opacity of the person at each pixel, 0 to 255. image: RGB. landmarks: px of `image`.

        others: boxes of the faces of other people (left, top, right, bottom; px), who do not belong to the person,
        where they touch either. The face itself is always part of the person. 255 everywhere if the network does not
        find the head there: the picture then counts as one piece.
        """
        with self._lock:
            found = self._look(image, landmarks)
        face, cap = _face_masks(landmarks, image.shape[:2])
        if found[cap > 0].mean() < _SURE:
            return np.full(image.shape[:2], 255, np.uint8)
        if others is not None and len(others):
            found = found * _own_share(image, found, face, landmarks, others)
        found = np.maximum(_attached(found, face), face / np.float32(255))
        refined = refine(image, found, max(_MIN_BAND, round(_BAND * face_height(landmarks))))
        return np.maximum(np.rint(255 * refined).astype(np.uint8), face)

    def _look(self, image: Image, landmarks: Float[np.ndarray, "478 3"]) -> Soft:
        """The network on the whole picture and on the part around the face, faded into each other."""
        height, width = image.shape[:2]
        found = cv2.resize(self._run(image), (width, height), interpolation=cv2.INTER_LINEAR)
        centre = (landmarks[FOREHEAD, :2] + landmarks[CHIN, :2]) / 2
        half = _VIEWS_PER_FACE / 2 * face_height(landmarks)
        left, top = np.maximum(np.floor(centre - half).astype(int), 0)
        right, bottom = np.minimum(np.ceil(centre + half).astype(int), (width, height))
        if right - left < 2 or bottom - top < 2:
            return found
        closer = cv2.resize(self._run(image[top:bottom, left:right]), (right - left, bottom - top))
        fades = [
            np.clip((np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / (_VIEW_FADE * n), 0, 1) for n in closer.shape
        ]
        share = (_CLOSER_SHARE * np.minimum.outer(*fades)).astype(np.float32)  # (h, w)
        part = found[top:bottom, left:right]
        part += share * (closer - part)
        return found

    def _run(self, image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "256 256"]:
        shrinking = cv2.INTER_AREA if min(image.shape[:2]) > _INPUT_SIZE else cv2.INTER_LINEAR
        small = cv2.resize(image, (_INPUT_SIZE, _INPUT_SIZE), interpolation=shrinking).astype(np.float32) / 255
        self._interpreter.set_tensor(self._input, small[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)[0, ..., 0]


def _own_share(
    image: Image,
    found: Soft,
    face: UInt8[np.ndarray, "height width"],
    landmarks: Float[np.ndarray, "478 3"],
    others: Float[np.ndarray, "faces 4"],
) -> Soft:
    """1 where people are this person and 0 where they are another.

    What lies nearer to the one's head and body, measured in their own face's height, is theirs at first; colours and
    the picture's edges decide (GrabCut) but in the middle of each face and neck, and far from the one's own body.
    """
    size = image.shape[:2]
    own = _distance_to_body(landmarks[[FOREHEAD, CHIN], :2].mean(0), face_height(landmarks), size)
    centres = (others[:, :2] + others[:, 2:]) / 2
    heights = _FACE_PER_BOX * (others[:, 3] - others[:, 1])
    bodies = [_distance_to_body(c, float(h), size) for c, h in zip(centres, heights, strict=True)]
    other = np.minimum.reduce(bodies)
    labels = np.where(own <= other, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[own > np.maximum(_FAR, 2 * other)] = cv2.GC_BGD
    labels[other > np.maximum(_FAR, 2 * own)] = cv2.GC_FGD
    for centre, high in zip(centres.tolist(), heights.tolist(), strict=True):
        cv2.ellipse(labels, (centre, (_CORE * high, 2 * _CORE * high), 0), (cv2.GC_BGD,), -1)
        neck = np.array(centre) + high * np.array([[-_NECK, 0.0], [_NECK, 0.0], [_NECK, 9.0], [-_NECK, 9.0]])
        cv2.fillPoly(labels, [np.rint(neck).astype(np.int32)], (cv2.GC_BGD,))
    labels[(own == 0) & (labels == cv2.GC_BGD) & (other > 0)] = cv2.GC_PR_FGD
    labels[found < _ATTACHED] = cv2.GC_BGD
    labels[face > 0] = cv2.GC_FGD
    colours = np.zeros((1, 65)), np.zeros((1, 65))
    picture = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.grabCut(picture, labels, (0, 0, 1, 1), *colours, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    kept = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    nobody = (found < _ATTACHED) & (own <= other)
    return np.where(nobody, 1, cv2.GaussianBlur(kept, (3, 3), 0)).astype(np.float32)


def _distance_to_body(centre: Float[np.ndarray, " 2"], height: float, size: tuple[int, int]) -> Soft:
    """Face heights from each pixel to the head and the shoulders of whoever has this face; 0 on them."""
    body = np.full(size, 255, np.uint8)
    x, y = float(centre[0]), float(centre[1])
    cv2.ellipse(body, ((x, y - 0.12 * height), (0.95 * height, 1.35 * height), 0), (0,), -1)
    outline = np.array([[-0.25, 0.4], [0.25, 0.4], [0.85, 1.0], [0.95, 4], [-0.95, 4], [-0.85, 1.0]])
    cv2.fillPoly(body, [np.rint(outline * height + [x, y]).astype(np.int32)], (0,))
    return cv2.distanceTransform(body, cv2.DIST_L2, 5) / np.float32(height)


def refine(image: Image, found: Soft, band: int) -> Soft:
    """Opacity 0..1 that follows the picture's own edges. found: rough opacity. band: px, half width of what may change.

    Within the band each pixel is a mixture of the person's colour just inside and the background's just outside; where
    these two hardly differ, the rough opacity stays.
    """
    inside, outside = (found > 0.5).astype(np.uint8), (found <= 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3) - cv2.distanceTransform(outside, cv2.DIST_L2, 3)  # px
    soft = np.clip(depth / band, -1, 1) * 0.5 + 0.5
    picture = image.astype(np.float32)
    (person, person_noise), (behind, noise) = (
        _nearby(picture, where, band) for where in (depth >= band, depth <= -band)
    )
    across = person - behind  # (h, w, 3)
    contrast = (across * across).sum(-1)
    mixture = ((picture - behind) * across).sum(-1) / np.maximum(contrast, 1)
    trust = contrast / (contrast + 3 * _CONTRAST**2 + _NOISE * (noise + person_noise))
    opacity = trust * np.clip(mixture, 0, 1) + (1 - trust) * soft
    opacity = np.where(np.abs(depth) >= band, soft, opacity)
    return opacity.astype(np.float32)


def _nearby(
    picture: Float32[np.ndarray, "height width 3"], where: Bool[np.ndarray, "height width"], band: int
) -> tuple[Float32[np.ndarray, "height width 3"], Soft]:
    """Mean colour of the pixels `where` that lie near, and their variance, summed over the channels."""
    sigma = _REACH * band
    weights = where.astype(np.float32)
    total = np.maximum(cv2.GaussianBlur(weights, (0, 0), sigma), 1e-6)
    mean = cv2.GaussianBlur(picture * weights[..., None], (0, 0), sigma) / total[..., None]
    squares = cv2.GaussianBlur((picture * picture).sum(-1) * weights, (0, 0), sigma) / total
    return mean, np.maximum(squares - (mean * mean).sum(-1), 0)


def _attached(found: Soft, face: UInt8[np.ndarray, "height width"]) -> Soft:
    """What is found, less the pieces that do not hang together with the face."""
    _, pieces = cv2.connectedComponents(((found > _ATTACHED) | (face > 0)).astype(np.uint8))
    return np.where(np.isin(pieces, np.unique(pieces[face == 255])), found, np.float32(0))


def _face_masks(
    landmarks: Float[np.ndarray, "478 3"], size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "height width"], UInt8[np.ndarray, "height width"]]:
    """The face, and the part of the head that lies just outside it above the eyes; 0 or 255."""
    oval = landmarks[list(_OVAL), :2]
    centre = oval.mean(0)
    face, cap = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    cv2.fillPoly(face, [np.rint(centre + _INNER * (oval - centre)).astype(np.int32)], (255,))
    up = landmarks[FOREHEAD, :2] - landmarks[CHIN, :2]
    above = oval[(oval - centre) @ up > 0.5 * np.abs((oval - centre) @ up).max()]
    cv2.fillPoly(
        cap,
        [np.rint(centre + _CAP * (cv2.convexHull(above.astype(np.float32))[:, 0] - centre)).astype(np.int32)],
        (255,),
    )
    cv2.fillPoly(cap, [np.rint(oval).astype(np.int32)], (0,))
    return face, cap
