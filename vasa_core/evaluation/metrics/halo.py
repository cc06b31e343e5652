"""The halo figure: whether the place where a head was can still be seen after it has moved away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

NEAR = 0.03  # of the face's height: half width of the band along the old outline, and room to the person as it is now
BACKGROUND = (0.06, 0.35)  # of the face's height: how far from the old outline the background is that is compared
ALIKE = 0.15  # of the face's height: over which the background is averaged, so that like is compared with like
GRAIN = 1.0  # grey levels a px: gradient that nobody sees, added to both
LEAST = 50  # px of the old outline that must be free


@dataclass(frozen=True)
class Halo:
    """Mean gradients over the background's nearby. outline: along the old outline, above 1 a visible line.

    inside: within it, where the head was; far below 1 is glassy.
    """

    outline: float
    inside: float


def halo(
    frame: UInt8[np.ndarray, "height width 3"],
    now: Float[np.ndarray, "height width"],
    before: Float[np.ndarray, "height width"],
    face_height: float,
) -> Halo | None:
    """The halo of a frame (RGB). now, before: opacity of the person, 0..1, in it and where the head was at first.

    None if the head has hardly moved, or there is no background to compare with.
    """
    near = NEAR * face_height
    was = before > 0.5
    free = _apart(now > 0.02) > near
    outside, inside = _apart(was), _apart(~was)
    line = (outside <= near) & (inside <= near) & free
    uncovered = (inside > near) & free
    background = free & (outside >= BACKGROUND[0] * face_height) & (outside <= BACKGROUND[1] * face_height)
    if line.sum() < LEAST or uncovered.sum() < LEAST or background.sum() < LEAST:
        return None
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8 + GRAIN
    weight = background.astype(np.float32)
    amount = np.maximum(cv2.GaussianBlur(weight, (0, 0), ALIKE * face_height), 1e-6)
    usual = cv2.GaussianBlur(gradient * weight, (0, 0), ALIKE * face_height) / amount
    return Halo(*(float(gradient[part].sum() / usual[part].sum()) for part in (line, uncovered)))


def _apart(where: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """How far each pixel is from those `where`, px; infinite if there is none."""
    if not where.any():
        return np.full(where.shape, np.inf)
    return cv2.distanceTransform((~where).astype(np.uint8), cv2.DIST_L2, 5).astype(np.float64)
