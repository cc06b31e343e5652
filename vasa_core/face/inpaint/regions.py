"""The regions of a face that are painted, mouth and eyes: where their square patches lie, and what is drawn there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from vasa_core.face.inpaint.channels import CHANNELS, SOURCE_CHANNELS
from vasa_core.face.measure import lip_gap_of_width
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, CHIN, EYES, FACE_OVAL, LIPS_INNER, LIPS_OUTER

Image = UInt8[np.ndarray, "height width 3"]
Mask = UInt8[np.ndarray, "height width"]
Landmarks = Float[np.ndarray, "478 3"]
Affine = Float[np.ndarray, "2 3"]

NOSE_BASE = 2  # sits on the bone, as the upper teeth do
SUBPIXEL_BITS = 4  # of mask polygons
STRETCH = (2.5, 5.0)  # of the lips' gap against the photo's: from there on the photo's mouth is less, then no use
BLANK = np.array([64, 32, 32], np.float32)  # what the network gets in its place
CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 24, False)), np.sin(np.linspace(0, 2 * np.pi, 24, False))], -1)


@dataclass(frozen=True)
class Region:
    """One painted square.

    network: which network paints it. patch: its side in px. side: the same in face widths. centre: landmarks whose
    mean it lies on. opening: polygon of what opens. anchors: landmarks (both axes, vertical) that the ramps start at.
    iris: landmarks of an eye's iris. mirrored: drawn left-right reversed, so that one network knows both eyes.
    """

    network: str
    patch: int
    side: float
    centre: tuple[int, ...]
    opening: tuple[int, ...]
    anchors: tuple[int, int]
    iris: tuple[int, ...] = ()
    mirrored: bool = False


MOUTH = Region("mouth", 128, 0.86, LIPS_OUTER, LIPS_INNER, (NOSE_BASE, CHIN))
EYE_LEFT, EYE_RIGHT = (
    Region("eyes", 64, 0.42, eye.corners, eye.contour, anchors, eye.iris, mirrored)
    for eye, anchors, mirrored in zip(EYES, ((133, 105), (362, 334)), (False, True), strict=True)
)
REGIONS = (MOUTH, EYE_LEFT, EYE_RIGHT)


def patch_affine(
    landmarks: Landmarks, region: Region, jitter: tuple[float, float, float, float] = (0, 0, 0, 0)
) -> Affine:
    """Image px -> px of the region's upright square. jitter: shift x and y (sides), scale, angle (rad)."""
    centre = landmarks[list(region.centre), :2].mean(0)
    across = landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT]
    side = region.side * float(np.linalg.norm(across))
    angle = float(np.arctan2(across[1], across[0])) + jitter[3]
    centre = centre + np.array(jitter[:2]) * side
    scale = region.patch / (side * (1 + jitter[2]))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    flip = -1 if region.mirrored else 1
    rotation = np.array([[flip * cosine, flip * sine], [-sine, cosine]])
    return np.concatenate([rotation, ((region.patch - 1) / 2 - rotation @ centre)[:, None]], 1)


def transform(landmarks: Landmarks, affine: Affine) -> Landmarks:
    """Landmarks moved by a similarity of the image plane, depth scaled with them."""
    moved = landmarks.astype(np.float64)
    moved[:, 2] *= np.linalg.norm(affine[0, :2])
    moved[:, :2] = landmarks[:, :2] @ affine[:, :2].T + affine[:, 2]
    return moved


def polygon_mask(points: Float[np.ndarray, "n 2"], size: tuple[int, int]) -> Mask:
    """255 inside a polygon (px), antialiased."""
    mask = np.zeros(size, np.uint8)
    corners = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    return cv2.fillPoly(mask, [corners], 255, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def openings_mask(landmarks: Landmarks, size: tuple[int, int]) -> Mask:
    """255 inside the lips and between the lids of both eyes. landmarks: px of an image of `size`."""
    masks = [polygon_mask(landmarks[list(region.opening), :2], size) for region in REGIONS]
    return np.maximum.reduce(masks)


def face_mask(landmarks: Landmarks, size: tuple[int, int]) -> Mask:
    """255 inside the face's oval."""
    return polygon_mask(landmarks[list(FACE_OVAL), :2], size)


def driving_channels(
    region: Region, warped: Image, photo_opening: Mask, landmarks: Landmarks, photo_gap: float
) -> UInt8[np.ndarray, "patch patch 9"]:
    """The network's driving input. warped: the warped photo in the patch. photo_opening: the photo's openings, warped
    along. landmarks: the driving face, px of the patch. photo_gap: the photo's `lip_gap_of_width`.

    A line between closed lips drawn out to fill an open mouth shows nothing of use: there the photo is blanked, the
    more the farther it is stretched.
    """
    patch = region.patch
    channels = np.empty((patch, patch, CHANNELS), np.uint8)
    channels[..., 3] = polygon_mask(landmarks[list(region.opening), :2], (patch, patch))
    channels[..., 4] = _shape(region, landmarks, channels[..., 3])
    usable, inside = np.float32(1), np.zeros((patch, patch), np.float32)
    if not region.iris:
        stretch = float(lip_gap_of_width(landmarks)) / max(photo_gap, 1e-6)
        usable = np.float32(np.clip((STRETCH[1] - stretch) / (STRETCH[1] - STRETCH[0]), 0, 1))
        inside = well_inside(channels[..., 3])
    both, vertical = landmarks[region.anchors[0]], landmarks[region.anchors[1]]
    _fill(channels, warped, photo_opening, usable, inside, (float(both[0]), float(both[1]), float(vertical[1])))
    return channels


@numba.njit(cache=True, nogil=True)
@no_type_check
def _fill(channels, warped, opening, usable, inside, anchors):
    """Write the channels of the photo, of its opening and of the ramps, in place.

    usable: of the photo's opening. inside: where the photo is blanked otherwise, 0..1. anchors: where the ramps (along
    x, y, y) cross zero.
    """
    patch = channels.shape[0]
    for y in range(patch):
        down, vertical = _ramp(y, anchors[1], patch), _ramp(y, anchors[2], patch)
        for x in range(patch):
            seen = opening[y, x] * usable
            blank = inside[y, x] * (np.float32(1) - seen / np.float32(255))
            for channel in range(3):
                level = np.float32(warped[y, x, channel])
                channels[y, x, channel] = np.uint8(np.rint(level + blank * (BLANK[channel] - level)))
            channels[y, x, 5] = np.uint8(seen)
            channels[y, x, 6], channels[y, x, 7], channels[y, x, 8] = _ramp(x, anchors[0], patch), down, vertical


@numba.njit(cache=True, nogil=True)
@no_type_check
def _ramp(place, anchor, patch):
    return np.uint8(min(max(np.rint(127.5 + 127.5 * ((place - anchor) / patch)), 0.0), 255.0))


def well_inside(mask: Mask) -> Float[np.ndarray, "height width"]:
    """The mask less its rim, softened, 0..1: nothing is left of lips that only just part."""
    return cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (3, 3), 0).astype(np.float32) / 255


def _shape(region: Region, landmarks: Landmarks, opening: Mask) -> Mask:
    """The outer lips, or the part of the iris that the lids show."""
    if not region.iris:
        return polygon_mask(landmarks[list(LIPS_OUTER), :2], opening.shape[:2])
    centre, right, top, left, bottom = landmarks[list(region.iris), :2]
    rim = centre + CIRCLE @ np.stack([right - left, bottom - top]) / 2  # (24, 2)
    return np.minimum(polygon_mask(rim, opening.shape[:2]), opening)


def source_channels(region: Region, photo: Image, landmarks: Landmarks) -> UInt8[np.ndarray, "patch patch 4"]:
    """The network's view of the photo itself: its patch, and the opening there. landmarks: px of `photo`."""
    affine = patch_affine(landmarks, region)
    patch = region.patch
    channels = np.empty((patch, patch, SOURCE_CHANNELS), np.uint8)
    channels[..., :3] = cut(photo, affine, patch)
    channels[..., 3] = polygon_mask(transform(landmarks, affine)[list(region.opening), :2], (patch, patch))
    return channels


def cut(image: Shaped[np.ndarray, "height width *channels"], affine: Affine, patch: int) -> np.ndarray:
    """A patch of an image, at the patch's own resolution."""
    return cv2.warpAffine(image, affine, (patch, patch), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
