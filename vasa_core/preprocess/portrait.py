"""A photo to the square portrait that is animated: find the face, frame it, track it, remember the way back."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.errors import InputError
from vasa_core.options import AUTO, MIN_FACE_PX, PORTRAIT_SIZE
from vasa_core.preprocess.detector import FaceDetector
from vasa_core.preprocess.framing import Framing, face_place, framed, usual_square
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.types import Border, TrackedImage

ANTIALIAS = 0.4  # px of the smaller picture: blur before shrinking
MAX_YAW = 45.0  # degrees; of a head turned farther too little of the far side is seen
_MAX_MEASURED_YAW = 41.0  # degrees; what the landmarker reads there: it sees large turns as smaller than they are
CROP_SIDES = (PORTRAIT_SIZE, 768, 1024)  # px
_COARSER = 4  # than the picture: what is blurred that much anyway
_SEARCH_PER_BOX = (2.0, 1.4, 3.0)  # sides of the landmarker's pictures / side of the detector's box
_MOST_PADDED = 4  # times the pixels of a photo that its square may have before it is never built in full

Image = UInt8[np.ndarray, "_ _ 3"]
Boxes = Float[np.ndarray, "_ 4"]  # left, top, right, bottom; px


@dataclass(frozen=True)
class FaceCrop:
    """A portrait cut from a photo.

    tracked: the square crop with its landmarks. matrix: photo px -> crop px. face_height: px of the photo. size:
    (height, width) of the photo, px. framing: what of the photo is shown. others: faces of other people, px of the
    photo.
    """

    tracked: TrackedImage
    matrix: Float[np.ndarray, "2 3"]
    face_height: float
    size: tuple[int, int]
    framing: Framing
    others: Boxes

    @property
    def border(self) -> Border:
        """Where the photo ends, px of the crop; beyond its own sides where there is more of the photo than the crop."""
        ends = np.array([[-0.5, -0.5], [self.size[1] - 0.5, self.size[0] - 0.5]])
        (left, top), (right, bottom) = (ends @ self.matrix[:, :2].T + self.matrix[:, 2]).tolist()
        return left, top, right, bottom

    def surroundings(self, original: Image, margin: int) -> Image:
        """The crop with `margin` px (of the crop) more of the photo on each side; beyond the photo its edges go on."""
        scale = float(self.matrix[0, 0])
        smooth = cv2.GaussianBlur(original, (0, 0), ANTIALIAS / scale) if scale < 1 else original
        inner = self.tracked.image.shape[0]
        side = inner + 2 * margin
        wider = self.matrix + np.array([[0, 0, margin], [0, 0, margin]])
        canvas = cv2.warpAffine(smooth, wider, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ends = wider[:, :2] @ np.array([[0, original.shape[1]], [0, original.shape[0]]]) + wider[:, 2:]
        outside = (ends[0, 0], ends[1, 0], side - ends[0, 1], side - ends[1, 1])  # left, top, right, bottom
        if max(outside) > 0:
            canvas = _soften_outside(canvas, *map(float, outside))
        canvas[margin : margin + inner, margin : margin + inner] = self.tracked.image
        return canvas


class Preprocessor:
    """Turns photos into portraits. Holds native resources: use as a context manager or call `close`."""

    def __init__(self, detector_model: Path, landmarker_model: Path) -> None:
        """detector_model: `centerface.onnx`. landmarker_model: `face_landmarker.task`."""
        self._detector = FaceDetector(detector_model)
        self._landmarker = Landmarker(landmarker_model)
        self._lock = threading.Lock()  # neither network may be run by two threads at once

    def __enter__(self) -> Preprocessor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the native resources."""
        self._landmarker.close()

    def __call__(self, image: Image, framing: str = AUTO, face: int = 0, side: int = PORTRAIT_SIZE) -> FaceCrop:
        """The portrait of a face of a photo (RGB).

        framing: see `framed`. face: 0 is the largest, from 1 on they are counted from the left. side: of the crop, px,
        at most; it is no larger than it takes to show all of the photo's pixels, but for the steps of CROP_SIDES.
        Raises InputError if there is no such face, or it is lower than MIN_FACE_PX, turned beyond MAX_YAW or cut by the
        photo's border.
        """
        size = image.shape[:2]
        with self._lock:
            boxes = self._detector(image)
            landmarks = self._find(image, _chosen(boxes, face))
            face_height = face_place(landmarks)[2]
            if face_height < MIN_FACE_PX:
                raise InputError(f"The face is {face_height:.0f} px high; expected at least {MIN_FACE_PX} px.")
            shown, usual = framed(landmarks, size, framing), usual_square(landmarks)
            crop, matrix = cut_square(image, *usual)
            found = self._landmarker(crop)
        if found is None:
            raise InputError("No face could be followed in the picture; expected a clear photo of one face.")
        check_yaw(found[1])
        tracked = TrackedImage(crop, *found)
        side = crop_side(shown.side, side)
        if shown.square != usual or side != PORTRAIT_SIZE:
            in_photo = _mapped_back(tracked.landmarks, matrix)
            crop, matrix = cut_square(image, *shown.square, side)
            tracked = TrackedImage(crop, _mapped(in_photo, matrix), tracked.transform)
        others = _others(boxes, face_place(landmarks))
        return FaceCrop(tracked, matrix, face_height, size, shown, others)

    def faces(self, image: Image) -> Boxes:
        """Where the faces of a photo (RGB) are, from the left: the first is face 1 of a call."""
        with self._lock:
            return _from_left(self._detector(image))

    def track(self, image: Image) -> TrackedImage | None:
        """The same image with its landmarks, or None if it shows no face."""
        with self._lock:
            found = self._landmarker(image)
        return TrackedImage(image, *found) if found else None

    def _find(self, image: Image, boxes: Boxes) -> Float[np.ndarray, "478 3"]:
        """Landmarks of the first of the boxes that shows a face, in px of the photo."""
        for x0, y0, x1, y1 in boxes.tolist():
            side = max(x1 - x0, y1 - y0)
            if side < MIN_FACE_PX / 2:  # far too small, whatever its outline; and there is none larger
                raise InputError(f"The face is {side:.0f} px high; expected at least {MIN_FACE_PX} px.")
            for factor in _SEARCH_PER_BOX:
                crop, matrix = cut_square(image, (x0 + x1) / 2, (y0 + y1) / 2, factor * side)
                found = self._landmarker(crop)
                if found:
                    return _mapped_back(found[0], matrix)
        side = max(image.shape[:2])  # a face too large for the detector, such as one that fills the picture
        crop, matrix = cut_square(image, image.shape[1] / 2, image.shape[0] / 2, 1.2 * side)
        found = self._landmarker(crop)
        if found is None:
            raise InputError("No face was found in the picture; expected a photo of a face, not in profile.")
        return _mapped_back(found[0], matrix)


def crop_side(square: float, most: int) -> int:
    """Side of the crop of a square of the photo (px) for a video of `most` px: one of CROP_SIDES."""
    wanted = min(square, most)
    return next((side for side in CROP_SIDES if side >= wanted), CROP_SIDES[-1])


def _chosen(boxes: Boxes, face: int) -> Boxes:
    """The boxes to be tried: all of them, the largest first, or the one that is counted from the left."""
    if not face:
        return boxes
    ordered = _from_left(boxes)
    if face > len(ordered):
        shows = f"{len(ordered)} faces" if len(ordered) != 1 else "one face"
        raise InputError(f"face is {face}; expected at most {len(ordered)}, since the picture shows {shows}.")
    return ordered[face - 1 : face]


def _from_left(boxes: Boxes) -> Boxes:
    return boxes[np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")]


def _others(boxes: Boxes, place: tuple[float, float, float]) -> Boxes:
    """The boxes of other faces. place: of the face that is animated (see `face_place`)."""
    x, y, _ = place
    inside = (boxes[:, 0] < x) & (x < boxes[:, 2]) & (boxes[:, 1] < y) & (y < boxes[:, 3])
    return boxes[~inside]


def yaw_degrees(transform: Float[np.ndarray, "4 4"]) -> float:
    """How far the landmarker sees a face turned to the side; + is to the viewer's right."""
    return math.degrees(math.atan2(transform[0, 2], transform[2, 2]))


def check_yaw(transform: Float[np.ndarray, "4 4"]) -> None:
    """Raises InputError if the face is turned beyond MAX_YAW."""
    if abs(yaw_degrees(transform)) > _MAX_MEASURED_YAW:
        raise InputError(f"The face is in profile; expected one turned at most {MAX_YAW:.0f} degrees to the side.")


def cut_square(
    image: Image, x: float, y: float, side: float, size: int = PORTRAIT_SIZE
) -> tuple[Image, Float[np.ndarray, "2 3"]]:
    """The square around (x, y), as a picture of `size` px; what lies outside the photo is its blurred continuation.

    Returns the picture and the matrix photo px -> picture px.
    """
    side_px = max(2, round(side))
    x0, y0 = round(x - side_px / 2), round(y - side_px / 2)
    height, width = image.shape[:2]
    before = (max(0, -x0), max(0, -y0))
    after = (max(0, x0 + side_px - width), max(0, y0 + side_px - height))
    inside = image[max(0, y0) : y0 + side_px, max(0, x0) : x0 + side_px]
    scale = size / side_px
    if scale < 1 and side_px**2 > _MOST_PADDED * inside.shape[0] * inside.shape[1]:
        picture = _shrunk_into(inside, size, scale, scale * before[0], scale * before[1])
    else:
        square = cv2.copyMakeBorder(inside, before[1], after[1], before[0], after[0], cv2.BORDER_REPLICATE)
        shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(square, (size, size), interpolation=shrinking)
    if any(before + after):
        picture = _soften_outside(picture, *(v * scale for v in (*before, *after)))
    # cv2.resize maps pixel centres: x' + 0.5 = (x + 0.5 - x0) * scale
    offset = np.array([[0.5 - x0], [0.5 - y0]]) * scale - 0.5
    return picture, np.hstack([np.eye(2) * scale, offset])


def _shrunk_into(inside: Image, side: int, scale: float, left: float, top: float) -> Image:
    """A picture of `side` px with `inside`, `scale` times as large, at (left, top) px; its edges go on around it.

    Memory goes with the two pictures, however far `inside` is from filling its square.
    """
    height, width = inside.shape[:2]
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
    ratio = scale * np.array([width, height]) / size  # px of the result a px of `small`, 1 but for rounding
    offset = np.array([left, top]) + ratio / 2 - 0.5
    matrix = np.hstack([np.diag(ratio), offset[:, None]])
    return cv2.warpAffine(small, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _soften_outside(picture: Image, left: float, top: float, right: float, bottom: float) -> Image:
    """Blur the replicated edges, the more the farther outside the photo they lie. Sides: px outside it."""
    side = picture.shape[0]
    position = np.arange(side) + 0.5
    out_x = np.maximum(left - position, position - (side - right)).clip(0)
    out_y = np.maximum(top - position, position - (side - bottom)).clip(0)
    outside = np.hypot(out_x[None], out_y[:, None]).astype(np.float32)  # (side, side), px outside the photo
    result = picture.astype(np.float32)
    small = cv2.resize(picture, None, fx=1 / _COARSER, fy=1 / _COARSER, interpolation=cv2.INTER_AREA)
    for sigma in (4.0, 12.0, 32.0):
        share = (outside / (2 * sigma)).clip(0, 1)[..., None]
        blurred = cv2.GaussianBlur(small, (0, 0), sigma / _COARSER, borderType=cv2.BORDER_REPLICATE)
        result += share * (cv2.resize(blurred, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR) - result)
    return result.round().astype(np.uint8)


def _mapped(landmarks: Float[np.ndarray, "478 3"], matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "478 3"]:
    mapped = landmarks * matrix[0, 0]
    mapped[:, :2] += matrix[:, 2]
    return mapped.astype(np.float32)


def _mapped_back(landmarks: Float[np.ndarray, "478 3"], matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "478 3"]:
    scale = matrix[0, 0]
    back = landmarks / scale
    back[:, :2] -= matrix[:, 2] / scale
    return back.astype(np.float32)
