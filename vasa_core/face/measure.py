"""Measure a face: size, lips and eyes, the one definition of each, and the blinks of a recording.

A measure is in the unit of the landmarks (px of a picture, or canonical units: a face is 1 wide) unless it says over
what it is taken. axes: 2 measures in the picture plane, 3 in space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, CHIN, EYES, FOREHEAD, LIP_PAIRS, MOUTH_CORNERS
from vasa_core.rates import FPS

CENTRAL_PAIRS, ALL_PAIRS = slice(2, 5), slice(None)  # of an eye's seven lid pairs: where its opening is measured
CENTRAL_LIP_PAIRS = ((13, 14), (82, 87), (312, 317))  # upper and lower inner lip
LIPS_MIDDLE, OUTER_LIPS_MIDDLE = (13, 14), (0, 17)
UPPER_LIP, LOWER_LIP = [upper for upper, _ in LIP_PAIRS], [lower for _, lower in LIP_PAIRS]
REST_SHARE = 6  # a face's rest is in the sixth of a recording's frames with the most closed lips
OPEN_PERCENTILE = 80  # of a recording's eye opening: this person's open eyes
BLINK_OPENING = 0.6  # of open eyes: below it the eyes count as shut
MAX_BLINK_SECONDS = 0.6  # longer is closed eyes, not a blink

Points = Float[np.ndarray, "*n points dims"]
Values = Float[np.ndarray, "*n"]


def distance(points: Points, pair: tuple[int, int], axes: int = 2) -> Values:
    """Measure the distance of two landmarks."""
    return np.asarray(np.linalg.norm(points[..., pair[0], :axes] - points[..., pair[1], :axes], axis=-1))


def face_height(points: Points, axes: int = 2) -> Values:
    """Measure from forehead to chin."""
    return distance(points, (FOREHEAD, CHIN), axes)


def face_width(points: Points, axes: int = 3) -> Values:
    """Measure from cheek to cheek."""
    return distance(points, (CHEEK_RIGHT, CHEEK_LEFT), axes)


def lip_gap(points: Points, axes: int = 2) -> Values:
    """Measure the gap between the inner lips at their middle."""
    return distance(points, LIPS_MIDDLE, axes)


def lip_gap_of_height(points: Points, axes: int = 2) -> Values:
    """Measure the gap between the inner lips at their middle over face height."""
    return np.asarray(lip_gap(points, axes) / face_height(points, axes))


def lip_gap_of_width(points: Points) -> Values:
    """Measure the gap between the inner lips at their middle, in the picture plane, over face width in space."""
    return np.asarray(lip_gap(points) / face_width(points))


def lip_gaps(points: Points) -> Float[np.ndarray, "*n pairs"]:
    """Measure the height of the inner-lip gap at each of LIP_PAIRS; negative where lips cross."""
    return points[..., LOWER_LIP, 1] - points[..., UPPER_LIP, 1]


def most_closed(gap: Float[np.ndarray, " n"]) -> Int[np.ndarray, " closed"]:
    """Find the frames with the most closed lips, a share of 1 in REST_SHARE, at least 3: there a face is at rest."""
    return np.argsort(gap, kind="stable")[: max(3, len(gap) // REST_SHARE)]


def lip_shape(points: Float[np.ndarray, "n 478 dims"]) -> Float[np.ndarray, "n 3"]:
    """Measure the lips as the lip-sync score has them (`audio.lip_sync.LIP_CHANNELS`), over face height.

    Inner gap (mean of CENTRAL_LIP_PAIRS), mouth width and outer gap, in the picture plane.
    """
    points = points.astype(np.float64)
    inner = np.mean([distance(points, pair) for pair in CENTRAL_LIP_PAIRS], axis=0)
    lips = np.stack([inner, distance(points, MOUTH_CORNERS), distance(points, OUTER_LIPS_MIDDLE)], 1)  # (n, 3)
    return lips / face_height(points)[:, None]


def aperture(points: Float[np.ndarray, "n 478 dims"]) -> Float[np.ndarray, " n"]:
    """Measure the gap between the inner lips, mean of CENTRAL_LIP_PAIRS, over face height."""
    return lip_shape(points)[:, 0]


def eye_gap(points: Points, axes: int = 3, pairs: slice = CENTRAL_PAIRS) -> Float[np.ndarray, "*n 2"]:
    """Measure the opening of each eye: mean distance of its central lid pairs, or of others."""
    gaps = [
        np.linalg.norm(points[..., eye.upper[pairs], :axes] - points[..., eye.lower[pairs], :axes], axis=-1)
        for eye in EYES
    ]
    return np.stack([gap.mean(-1) for gap in gaps], -1)


def eye_opening(points: Float[np.ndarray, "n points 3"]) -> Float[np.ndarray, " n"]:
    """Measure the central lid pairs' gap over eye width, in space, mean of both eyes."""
    widths = np.stack([distance(points, eye.corners, 3) for eye in EYES], -1)
    return (eye_gap(points) / widths).mean(-1)


def whole_eye_opening(points: Float[np.ndarray, "n points dims"]) -> Float[np.ndarray, " n"]:
    """Measure the gap of all lid pairs over eye width, in the picture plane, mean of both eyes."""
    widths = np.stack([distance(points, eye.corners) for eye in EYES], -1)
    return (eye_gap(points, 2, ALL_PAIRS) / widths).mean(-1)


def relative_opening(opening: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Divide an opening by that of this person's open eyes, which the recording itself shows."""
    return opening / open_eyes(opening)


def open_eyes(opening: Float[np.ndarray, " n"]) -> float:
    """Find the opening of this person's open eyes in a recording."""
    return max(float(np.percentile(opening, OPEN_PERCENTILE)), 1e-6)


@dataclass(frozen=True)
class Blinks:
    """starts: frames. seconds: length of each. longest_closed: seconds of the longest closing, blink or not."""

    starts: tuple[int, ...]
    seconds: tuple[float, ...]
    longest_closed: float


def find_blinks(relative_opening: Float[np.ndarray, " n"]) -> Blinks:
    """Find the blinks of a recording from its eye opening over that of open eyes."""
    closings = runs(relative_opening < BLINK_OPENING)
    blinks = [(start, (end - start) / FPS) for start, end in closings if end - start <= MAX_BLINK_SECONDS * FPS]
    longest = max(((end - start) / FPS for start, end in closings), default=0.0)
    return Blinks(tuple(b[0] for b in blinks), tuple(b[1] for b in blinks), longest)


def runs(mask: Bool[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """List (start, end) of each run of True, end excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
