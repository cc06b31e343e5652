"""Gaze by the pictures themselves: each iris is found as the dark disc in the opening of its eye.

The landmarker reads only about a third of how far rendered eyes go up and down, and moves the whole face a little with
them. So nothing here is tracked: where the head and the eyes' openings were rendered is known. The eyeball's radius
follows from the iris's, as in `geometry`.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.evaluation.metrics.geometry import EYEBALL_OF_IRIS, gaze_of_offset
from vasa_core.face.measure import distance
from vasa_core.face.mesh.irises import opening_mask
from vasa_core.face.pose import PITCH, YAW, from_pose
from vasa_core.face.topology import EYES, Eye

UP = 4  # the eye is searched at so many times its size
REACH = 0.75  # eye widths around the middle of the corners that are searched
DARK, BRIGHT = 5, 90  # percentiles of the opening's brightness: beyond them are pupil and highlights
DISC, RING = 0.95, (1.05, 1.4)  # iris radii: what should be dark, and what bright
LEAST_DISC, LEAST_RING = 0.25, 0.1  # share of each that must lie in the opening
LEAST_OPENING = 30  # px at UP times the size: a smaller opening shows no iris


def iris_radius(landmarks: Float[np.ndarray, "478 3"]) -> float:
    """Mean radius of both irises as seen from the front, in the unit of the landmarks."""
    rims = [np.linalg.norm(landmarks[list(eye.iris[1:]), :2] - landmarks[eye.iris[0], :2], axis=-1) for eye in EYES]
    return float(np.mean(rims))


def iris_gaze(
    frame: UInt8[np.ndarray, "height width 3"],
    landmarks: Float[np.ndarray, "478 3"],
    pose: Float[np.ndarray, " 6"],
    radius: float,
) -> Float[np.ndarray, " 2"] | None:
    """(yaw, pitch) of the gaze in the camera, radians, as `geometry.gaze_in_camera` has it; None if no iris is seen.

    landmarks: where the face was rendered, px. pose: the head's. radius: of the irises, face widths.
    """
    rotation, scale = (value[0] for value in from_pose(pose[None], (frame.shape[0], frame.shape[1]))[:2])
    offsets = []
    for eye in EYES:
        middle = landmarks[list(eye.corners), :2].mean(0)
        found = iris_centre(frame, landmarks, eye, float(scale) * radius)
        if found is not None:
            offsets.append(np.linalg.solve(rotation[:2, :2], (found - middle) / scale))
    if not offsets:
        return None
    return gaze_of_offset(np.mean(offsets, 0), EYEBALL_OF_IRIS * 2 * radius) + pose[[YAW, PITCH]]


def iris_centre(
    frame: UInt8[np.ndarray, "height width 3"],
    landmarks: Float[np.ndarray, "478 3"],
    eye: Eye,
    radius: float,
) -> Float[np.ndarray, " 2"] | None:
    """Centre of the disc of that radius (px) that is darkest against the ring around it; None if too little shows.

    Only what lies in the eye's opening counts, so that a disc half under a lid is found by the half that is seen.
    """
    width = float(distance(landmarks, eye.corners))
    corner = landmarks[list(eye.corners), :2].mean(0) - np.ceil(REACH * width)
    side = int(2 * np.ceil(REACH * width) * UP)
    matrix = np.array([[1 / UP, 0, corner[0]], [0, 1 / UP, corner[1]]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(frame, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    placed = (landmarks - [*corner, 0]) * UP
    opening = cv2.erode(opening_mask(placed, eye, (side, side)), np.ones((2 * UP + 1, 2 * UP + 1), np.uint8))
    inside = opening.astype(np.float32) / 255
    if inside.sum() < LEAST_OPENING:
        return None
    low, high = np.percentile(grey[inside > 0.5], [DARK, BRIGHT]).tolist()
    score = _contrast(np.clip((grey - low) / max(high - low, 1), 0, 1), inside, radius * UP)
    if score.max() < 0:
        return None
    y, x = np.unravel_index(score.argmax(), score.shape)
    return np.array([x, y]) / UP + corner


def _contrast(
    grey: Float32[np.ndarray, "side side"], inside: Float32[np.ndarray, "side side"], radius: float
) -> Float32[np.ndarray, "side side"]:
    """How much darker the disc around each place is than the ring about it, of what is seen of both; -1: too little."""
    reach = int(np.ceil(RING[1] * radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    away = np.hypot(x, y) / radius
    disc = (away < DISC).astype(np.float32)
    ring = ((away > RING[0]) & (away < RING[1])).astype(np.float32)

    def total(values: Float32[np.ndarray, "side side"], kernel: Float32[np.ndarray, "k k"]) -> np.ndarray:
        return cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)

    seen_disc, seen_ring = total(inside, disc), total(inside, ring)
    bright = total(grey * inside, ring) / np.maximum(seen_ring, 1)
    dark = total(grey * inside, disc) / np.maximum(seen_disc, 1)
    too_little = (seen_disc < LEAST_DISC * disc.sum()) | (seen_ring < LEAST_RING * ring.sum())
    return np.where(too_little, -1, bright - dark).astype(np.float32)
