"""Eyes: each iris is lifted off the photo once, and drawn back where the gaze puts it, under the lids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.face.mesh.raster import warp
from vasa_core.face.topology import EYES, Eye

DISC = 56  # px, side of a stored iris picture
DISC_RADIUS = 20.0  # px, the iris's radius in it
SUBPIXEL = 4  # bits of sub-pixel position for cv2.fillPoly
RIM = (1.05, 1.3)  # of the iris's radius: the picture of it fades out between these, with the white just around it
STILL = (0.08, 0.3)  # an iris moved less (in iris radii) stays the photo's, moved more than the second is drawn
MIN_SCLERA = 6  # px; with fewer visible the white of the eye is guessed from the iris's surroundings


@dataclass(frozen=True)
class Irises:
    """The irises of one photo: complete discs with opacity, their radii in the photo, and the photo without them."""

    blank: UInt8[np.ndarray, "height width 3"]
    discs: tuple[Float32[np.ndarray, "56 56 4"], Float32[np.ndarray, "56 56 4"]]  # RGB, opacity 0..1
    radii: tuple[float, float]  # px


def lift_irises(photo: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"]) -> Irises:
    """Take the irises off a photo. landmarks: px."""
    blank = photo.copy()
    discs, radii = [], []
    for eye in EYES:
        centre = landmarks[eye.iris[0], :2]
        radius = max(1.5, float(np.linalg.norm(landmarks[list(eye.iris[1:]), :2] - centre, axis=1).mean()))
        opening = opening_mask(landmarks, eye, photo.shape[:2])
        discs.append(_iris_disc(photo, centre, radius, opening))
        radii.append(radius)
        _whiten(blank, centre, radius, opening)
    return Irises(blank, (discs[0], discs[1]), (radii[0], radii[1]))


def opening_mask(
    landmarks: Float[np.ndarray, "478 3"], eye: Eye, size: tuple[int, int], offset: tuple[float, float] = (0, 0)
) -> UInt8[np.ndarray, "height width"]:
    """Anti-aliased mask (0..255) of the eye's opening between the lids, in a window at `offset` (x, y)."""
    mask = np.zeros(size, np.uint8)
    polygon = (landmarks[list(eye.contour), :2] - offset) * 2**SUBPIXEL
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=SUBPIXEL)
    return mask


def _iris_disc(photo: np.ndarray, centre: np.ndarray, radius: float, opening: np.ndarray) -> np.ndarray:
    """The whole iris as a disc; what the lids hide is filled from the same radius at the visible angles."""
    scale = radius / DISC_RADIUS
    matrix = np.array([[scale, 0, centre[0] - scale * (DISC - 1) / 2], [0, scale, centre[1] - scale * (DISC - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    colour = cv2.warpAffine(photo, matrix, (DISC, DISC), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpAffine(cv2.erode(opening, np.ones((3, 3), np.uint8)), matrix, (DISC, DISC), flags=flags)
    weight = (seen.astype(np.float32) / 255) ** 2 + 1e-4
    y, x = np.mgrid[:DISC, :DISC] - (DISC - 1) / 2
    distance = np.hypot(x, y)
    rings = np.clip(distance.round().astype(int), 0, DISC // 2)  # (56, 56) ring index
    total = np.maximum(np.bincount(rings.ravel(), weight.ravel(), DISC // 2 + 1), 1e-6)
    means = np.stack(
        [np.bincount(rings.ravel(), (weight * colour[..., c]).ravel(), DISC // 2 + 1) / total for c in range(3)], -1
    )
    filled = means[rings]  # (56, 56, 3)
    visible = np.clip(weight, 0, 1)[..., None]
    disc = colour * visible + filled * (1 - visible)
    opacity = _fading(distance / DISC_RADIUS)
    return np.concatenate([disc, opacity[..., None]], -1).astype(np.float32)


def _fading(distance: np.ndarray) -> np.ndarray:
    """Opacity of an iris at a distance from its centre, in iris radii."""
    return np.clip((RIM[1] - distance) / (RIM[1] - RIM[0]), 0, 1)


def _whiten(photo: np.ndarray, centre: np.ndarray, radius: float, opening: np.ndarray) -> None:
    """Replace the iris in `photo` by the white around it, smoothed along."""
    height, width = opening.shape
    reach = int(4 * radius) + 4
    left, top = max(0, int(centre[0]) - reach), max(0, int(centre[1]) - reach)
    right, bottom = min(width, int(centre[0]) + reach), min(height, int(centre[1]) + reach)
    window = photo[top:bottom, left:right].astype(np.float32)
    y, x = np.mgrid[top:bottom, left:right]
    distance = np.hypot(x - centre[0], y - centre[1])
    inside = opening[top:bottom, left:right].astype(np.float32) / 255
    safe = cv2.erode(inside, np.ones((3, 3), np.uint8))
    known = np.where(distance > RIM[1] * radius, safe, 0).astype(np.float32)
    if known.sum() < MIN_SCLERA:
        white = np.percentile(window[inside > 0.5], 90, axis=0) if (inside > 0.5).any() else window.mean((0, 1))
        plain = np.broadcast_to(white.astype(np.float32), window.shape)
    else:
        sigma = 0.9 * radius
        total = cv2.GaussianBlur(known, (0, 0), sigma) + 1e-3 * cv2.GaussianBlur(known, (0, 0), 4 * sigma) + 1e-6
        spread = cv2.GaussianBlur(window * known[..., None], (0, 0), sigma)
        spread += 1e-3 * cv2.GaussianBlur(window * known[..., None], (0, 0), 4 * sigma)
        plain = spread / total[..., None]
    lifted = _fading(distance / radius) * inside
    photo[top:bottom, left:right] = (window + (plain - window) * lifted[..., None]).round().clip(0, 255)


def draw_eyes(
    frame: UInt8[np.ndarray, "height width 3"],
    flow: Float32[np.ndarray, "height width 2"],
    irises: Irises,
    landmarks: Float[np.ndarray, "478 3"],
    rest: Float[np.ndarray, "478 3"],
    opening: Float[np.ndarray, " 2"],
    zoom: tuple[float, float],
) -> None:
    """Move the irises of the warped photo `frame`, in place, to where `landmarks` put them, under the lids.

    flow: what warped the photo. rest: where the landmarks would be with the photo's own gaze. opening: of each eye
    against the photo's. zoom: (x, y) size of an iris against the photo's. An iris that has hardly moved, under lids
    that have hardly closed, stays the photo's own.
    """
    height, width = frame.shape[:2]
    for eye, disc, radius, opened in zip(EYES, irises.discs, irises.radii, opening, strict=True):
        points = landmarks[list(eye.contour), :2]
        low = np.maximum(np.floor(points.min(0)).astype(int) - 2, 0)
        high = np.minimum(np.ceil(points.max(0)).astype(int) + 3, [width, height])
        if (high - low < 2).any():
            continue
        moved = np.linalg.norm(landmarks[eye.iris[0], :2] - rest[eye.iris[0], :2]) / (radius * zoom[0])
        moved = max(moved, abs(1 - opened))
        share = float(np.clip((moved - STILL[0]) / (STILL[1] - STILL[0]), 0, 1))
        window = frame[low[1] : high[1], low[0] : high[0]]
        if share > 0:
            mask = opening_mask(landmarks, eye, window.shape[:2], (float(low[0]), float(low[1])))
            patch = flow[low[1] : high[1], low[0] : high[0]]
            iris = _placed_iris(disc, landmarks[eye.iris[0], :2] - low, radius, zoom, window.shape[:2])
            lay_eye(window, warp(irises.blank, patch), iris, cv2.GaussianBlur(mask, (3, 3), 0), np.float32(share / 255))


def _placed_iris(
    disc: np.ndarray, centre: np.ndarray, radius: float, zoom: tuple[float, float], size: tuple[int, int]
) -> Float32[np.ndarray, "height width 4"]:
    sx, sy = radius * zoom[0] / DISC_RADIUS, radius * zoom[1] / DISC_RADIUS
    middle = (DISC - 1) / 2
    matrix = np.array([[sx, 0, centre[0] - sx * middle], [0, sy, centre[1] - sy * middle]])
    return np.asarray(cv2.warpAffine(disc, matrix, size[::-1], flags=cv2.INTER_AREA), np.float32)


@numba.njit(cache=True, nogil=True)
@no_type_check
def lay_eye(window, blank, iris, mask, share):
    """Lay an eye over a window of a frame, in place. blank: the eye without its iris. iris: RGB, opacity 0..1.

    mask: of the eye's opening, of which `share` counts.
    """
    for y in range(window.shape[0]):
        for x in range(window.shape[1]):
            opacity = share * np.float32(mask[y, x])
            for channel in range(3):
                white, before = np.float32(blank[y, x, channel]), np.float32(window[y, x, channel])
                drawn = white + (iris[y, x, channel] - white) * iris[y, x, 3]
                level = np.rint(before + (drawn - before) * opacity)
                window[y, x, channel] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
