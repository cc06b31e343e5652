"""Head pose: weak-perspective similarity between canonical face space and an image (6 numbers a frame).

image point = scale * R(pitch, yaw, roll) @ canonical point + translation, with R = Ry(yaw) Rx(-pitch) Rz(roll).
Signs: +yaw turns the face to the viewer's right, +pitch up, +roll clockwise as seen.
Stored as [pitch, yaw, roll, tx, ty, log_distance]: radians; translation of the canonical origin from the image's
centre, in face widths; log of (image side / face width in px), the head-to-camera distance up to a constant.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

PITCH, YAW, ROLL, SHIFT_X, SHIFT_Y, LOG_DISTANCE = range(6)


def rotation_matrix(angles: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3 3"]:
    """R = Ry(yaw) Rx(-pitch) Rz(roll) for angles [pitch, yaw, roll] in radians."""
    (cp, cy, cr), (sp, sy, sr) = (np.moveaxis(f(angles * [-1, 1, 1]), -1, 0) for f in (np.cos, np.sin))
    entries = (
        *(cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr, -sy * cp),
        *(cp * sr, cp * cr, -sp),
        *(sy * cr + cy * sp * sr, -sy * sr + cy * sp * cr, cy * cp),
    )
    return np.stack(entries, -1).reshape(*angles.shape, 3)


def rotation_angles(rotation: Float[np.ndarray, "*n 3 3"]) -> Float[np.ndarray, "*n 3"]:
    """[pitch, yaw, roll] in radians: the inverse of `rotation_matrix` for |pitch| < 90 degrees."""
    pitch = np.arcsin(np.clip(rotation[..., 1, 2], -1, 1))
    yaw = np.arctan2(-rotation[..., 0, 2], rotation[..., 2, 2])
    roll = np.arctan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return np.stack([pitch, yaw, roll], -1)


def fit_similarity(
    source: Float[np.ndarray, "points 3"], target: Float[np.ndarray, "n points 3"]
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Least-squares rotation, scale and translation with target = scale * R @ source + translation (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(1)
    a, b = source - source_mean, target - target_mean[:, None]
    u, singular, vt = np.linalg.svd(np.einsum("npi,pj->nij", b, a))
    flip = np.ones_like(singular)
    flip[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = u @ (flip[:, :, None] * vt)
    scale = (singular * flip).sum(1) / (a**2).sum()
    return rotation, scale, target_mean - scale[:, None] * np.einsum("nij,j->ni", rotation, source_mean)


def to_pose(
    rotation: Float[np.ndarray, "n 3 3"],
    scale: Float[np.ndarray, " n"],
    translation: Float[np.ndarray, "n 3"],
    size: tuple[int, int],
) -> Float[np.ndarray, "n 6"]:
    """Similarity in an image of `size` (height, width) px -> pose; the shift in depth is dropped."""
    height, width = size
    shift = (translation[:, :2] - np.array([width / 2, height / 2])) / scale[:, None]
    return np.concatenate([rotation_angles(rotation), shift, np.log(height / scale)[:, None]], 1)


def from_pose(
    pose: Float[np.ndarray, "n 6"], size: tuple[int, int]
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Pose -> similarity in an image of `size` (height, width) px; depth translation 0."""
    height, width = size
    scale = height / np.exp(pose[:, LOG_DISTANCE])
    shift = pose[:, [SHIFT_X, SHIFT_Y]] * scale[:, None] + np.array([width / 2, height / 2])
    return rotation_matrix(pose[:, :3]), scale, np.concatenate([shift, np.zeros((len(pose), 1))], 1)


def project(
    points: Float[np.ndarray, "n points 3"], pose: Float[np.ndarray, "n 6"], size: tuple[int, int]
) -> Float[np.ndarray, "n points 3"]:
    """Canonical points -> image px (z in the same unit, relative to the canonical origin)."""
    rotation, scale, translation = from_pose(pose, size)
    return scale[:, None, None] * np.einsum("nij,npj->npi", rotation, points) + translation[:, None]


def unproject(
    points: Float[np.ndarray, "n points 3"],
    rotation: Float[np.ndarray, "n 3 3"],
    scale: Float[np.ndarray, " n"],
    translation: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, "n points 3"]:
    """Image px -> canonical space, by the inverse of a similarity."""
    return np.einsum("nji,npj->npi", rotation, points - translation[:, None]) / scale[:, None, None]
