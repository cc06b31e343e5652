"""Figures of painted frames against the frames they should be: by boxes around mouth and eyes, all at 256x256."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vasa_core.evaluation.metrics.picture import sharpness
from vasa_core.evaluation.video.tracks import Box
from vasa_core.face.measure import distance, face_width
from vasa_core.face.topology import EYES, LIPS_INNER, LIPS_OUTER

SIDE = 256  # px, of the pictures that are compared
MOUTH_SIDE = 104.0  # px of them
TIGHT_SIDE = 0.62  # face widths
EYE_SIDE = 1.6  # eye widths
LIPS_SIDE, MIN_LIPS_SIDE = 1.2, 32.0  # inner lips' widths; px
ALIGNED_SMOOTH = 2.0  # px: a flow free to differ more from pixel to pixel would draw the truth out of anything
MIN_LIPS = 12  # px: in a smaller opening nothing is measured

Image = UInt8[np.ndarray, "height width 3"]
Landmarks = Float[np.ndarray, "478 3"]
# Perceptual distance of pictures in -1..1, (b, 3, h, w) each.
Distance = Callable[[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]], Float[Tensor, ""]]


def shrunk(frame: Image) -> UInt8[np.ndarray, "256 256 3"]:
    """Shrink a frame to the size at which it is measured."""
    return cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def shrunk_points(landmarks: Float[np.ndarray, "*n 478 3"], side: int) -> Float[np.ndarray, "*n 478 3"]:
    """Landmarks in px of a frame of `side` px -> px of the shrunk frame."""
    scale = SIDE / side
    points = landmarks * scale
    points[..., :2] += (scale - 1) / 2  # pixel centres
    return points


def square(centre: Float[np.ndarray, " 2"], side: float, within: Box) -> Box | None:
    """The square (x0, y0, x1, y1) of `side` px around a point, cut to `within`; None if less than half is left."""
    length = round(side)
    x, y = (round(float(value) - (length - 1) / 2) for value in centre)
    box = (max(x, within[0]), max(y, within[1]), min(x + length, within[2]), min(y + length, within[3]))
    left = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    return box if left >= length * length / 2 else None


def mouth_box(points: Landmarks, within: Box) -> Box | None:
    """Square of MOUTH_SIDE px around the outer lips."""
    return square(points[list(LIPS_OUTER), :2].mean(0), MOUTH_SIDE, within)


def tight_box(points: Landmarks, within: Box) -> Box | None:
    """Square of TIGHT_SIDE face widths around the outer lips."""
    return square(points[list(LIPS_OUTER), :2].mean(0), TIGHT_SIDE * float(face_width(points)), within)


def lips_box(points: Landmarks, within: Box) -> Box | None:
    """Square of LIPS_SIDE widths of the inner lips around them, of MIN_LIPS_SIDE px at least."""
    inner = points[list(LIPS_INNER), :2]
    side = max(LIPS_SIDE * float(np.ptp(inner[:, 0])), MIN_LIPS_SIDE)
    return square(inner.mean(0), side, within)


def eye_boxes(points: Landmarks, within: Box) -> list[Box]:
    """Squares of EYE_SIDE eye widths around the eyes, those that `within` shows."""
    boxes = []
    for eye in EYES:
        width = float(distance(points, eye.corners, 3))
        boxes.append(square(points[list(eye.corners), :2].mean(0), EYE_SIDE * width, within))
    return [box for box in boxes if box]


def inside(image: UInt8[np.ndarray, "*n height width 3"], box: Box) -> UInt8[np.ndarray, "*n h w 3"]:
    """The part of a picture, or of each of several, that a box shows."""
    x0, y0, x1, y1 = box
    return image[..., y0:y1, x0:x1, :]


def difference(image: Image, truth: Image, mask: Bool[np.ndarray, "height width"] | None = None) -> float:
    """Mean absolute difference with pixels in -1..1, of the masked pixels or all."""
    change = np.abs(image.astype(np.float32) - truth) / 127.5
    return float((change if mask is None else change[mask]).mean())


def lips_mask(points: Landmarks, size: tuple[int, int]) -> Bool[np.ndarray, "height width"] | None:
    """Pixels inside the inner lips; None if they are closed."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(points[list(LIPS_INNER), :2]).astype(np.int32)], (1,))
    opening = cv2.contourArea(points[list(LIPS_INNER), :2].astype(np.float32))
    return mask > 0 if opening >= MIN_LIPS else None


def perceptual(distance: Distance, image: Image, truth: Image) -> float:
    """Measure the perceptual distance of a picture to the truth."""
    pair = (torch.from_numpy(picture / np.float32(127.5) - 1).permute(2, 0, 1)[None] for picture in (image, truth))
    with torch.inference_mode():
        return float(distance(*pair))


def sharpness_ratio(image: Image, truth: Image, box: Box) -> float:
    """Variance of the Laplacian inside a box over the truth's."""
    return (sharpness(image, box) / max(sharpness(truth, box), 1e-6)) ** 2


def lips_sharpness_ratio(image: Image, truth: Image, lips: Bool[np.ndarray, "height width"]) -> float:
    """Variance of the Laplacian inside the lips over the truth's: 1 where teeth are as distinct as they were filmed."""
    found, wanted = (
        float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[lips].var())
        for picture in (image, truth)
    )
    return found / max(wanted, 1e-6)


def aligned(image: Image, truth: Image) -> Image:
    """The picture moved onto the truth by their optical flow: what no better registration could be better than."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, image)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[0], grey[1], None)  # pyright: ignore
    flow = cv2.GaussianBlur(flow, (0, 0), ALIGNED_SMOOTH)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def flicker(frames: UInt8[np.ndarray, "n h w 3"]) -> float:
    """Mean absolute second difference of consecutive frames over time, in grey levels."""
    values = frames.astype(np.float32)
    return float(np.abs(values[2:] - 2 * values[1:-1] + values[:-2]).mean())
