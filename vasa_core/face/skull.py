"""Rings of vertices around the face: skull and hair follow the head, shoulders and background stay where they are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vasa_core.face.topology import FACE_OVAL

RADII = (1.18, 1.42, 1.7, 2.05)  # of the face oval
WEIGHT_UP = (1.0, 0.95, 0.5, 0.0)  # rigid weight of each ring above the face (hair) ...
WEIGHT_SIDE = (1.0, 0.8, 0.3, 0.0)
WEIGHT_DOWN = (0.85, 0.4, 0.1, 0.0)  # ... and below it (neck, shoulders)
DEPTH_SLOPE = 0.9  # of the face's width, per unit of radius: the skull recedes behind the face


def ring_vertices(
    landmarks: Float[np.ndarray, "points 3"], face_width: float
) -> tuple[Float[np.ndarray, "rings 3"], Float[np.ndarray, " rings"]]:
    """Ring vertices in the photo (px, with depth) and their rigid weights, rings from the inside out."""
    oval = landmarks[list(FACE_OVAL)]
    centre = oval.mean(0)
    spread = oval - centre
    up = -spread[:, 1] / np.linalg.norm(spread[:, :2], axis=1)  # 1 above the centre, -1 below
    vertices, weights = [], []
    for k, radius in enumerate(RADII):
        ring = centre + spread * [radius, radius, 1]
        ring[:, 2] = oval[:, 2] + DEPTH_SLOPE * face_width * (radius - 1)
        vertices.append(ring)
        above = WEIGHT_SIDE[k] + np.maximum(up, 0) * (WEIGHT_UP[k] - WEIGHT_SIDE[k])
        weights.append(above + np.maximum(-up, 0) * (WEIGHT_DOWN[k] - WEIGHT_SIDE[k]))
    return np.concatenate(vertices), np.concatenate(weights)
