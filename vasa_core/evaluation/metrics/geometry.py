"""Read head pose and gaze from landmarks, and how far landmarks are from where they should be.

Nothing here is learned, and nothing is shared with the models that are measured but the landmarks' meaning: the
head's frame is the landmarker's own canonical face, the eyeball's radius follows from the iris (11.7 mm wide in
every adult; its centre is 10.5 mm from the eyeball's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.face.measure import distance, face_height
from vasa_core.face.pose import fit_similarity, rotation_angles, unproject
from vasa_core.face.topology import EYES, LIPS_INNER, LIPS_OUTER, STABLE

EYEBALL_OF_IRIS = 10.5 / 11.7
REST_IRIS_HEIGHT = -0.0136  # face widths: median of 140 real recordings, iris centre above the eye corners' middle
MAX_SINE = 0.95
BLINK_FREE = 0.75  # of open eyes: below it an iris is too covered to tell the gaze

MOUTH = tuple(sorted({*LIPS_INNER, *LIPS_OUTER}))
EYE_POINTS = tuple(sorted({point for eye in EYES for point in (*eye.contour, *eye.iris)}))
REST = tuple(sorted(set(range(478)) - set(MOUTH) - set(EYE_POINTS)))

Landmarks = Float[np.ndarray, "n 478 3"]


@dataclass(frozen=True)
class HeadFrame:
    """Landmarks seen from the head: shapes in canonical space (face width 1) and the head's pose in the image.

    angles: pitch, yaw, roll in radians. scale: face width in px. centre: px.
    """

    shapes: Float[np.ndarray, "n 478 3"]
    angles: Float[np.ndarray, "n 3"]
    scale: Float[np.ndarray, " n"]
    centre: Float[np.ndarray, "n 2"]


def head_frame(landmarks: Landmarks, canonical: Float[np.ndarray, "468 3"]) -> HeadFrame:
    """Fit the canonical face to each frame's stable points."""
    stable = list(STABLE)
    points = landmarks.astype(np.float64)
    rotation, scale, translation = fit_similarity(canonical[stable], points[:, stable])
    shapes = unproject(points, rotation, scale, translation)
    return HeadFrame(shapes, rotation_angles(rotation), scale, translation[:, :2])


def gaze_in_head(head: HeadFrame) -> Float[np.ndarray, "n 2"]:
    """Read (yaw, pitch) of the eyes in the head, radians: +yaw to the viewer's right, +pitch up."""
    offsets, widths = [], []
    for eye in EYES:
        offsets.append(head.shapes[:, eye.iris[0], :2] - head.shapes[:, list(eye.corners), :2].mean(1))
        rim = [distance(head.shapes, (eye.iris[a], eye.iris[b]), 3) for a, b in ((1, 3), (2, 4))]
        widths.append(np.mean(rim, 0))
    return gaze_of_offset(np.mean(offsets, 0), EYEBALL_OF_IRIS * float(np.median(widths)))


def gaze_of_offset(offset: Float[np.ndarray, "*n 2"], radius: float) -> Float[np.ndarray, "*n 2"]:
    """Convert the irises' offset from the eyes' middles to the gaze in the head. radius: of the eyeball."""
    return np.arcsin(np.clip((offset - [0.0, REST_IRIS_HEIGHT]) * [1, -1] / radius, -MAX_SINE, MAX_SINE))


def gaze_in_camera(head: HeadFrame) -> Float[np.ndarray, "n 2"]:
    """Read (yaw, pitch) of the gaze as the camera sees it, radians: the head's own angles added."""
    return gaze_in_head(head) + head.angles[:, [1, 0]]


def landmark_distance(
    landmarks: Landmarks, truth: Landmarks, points: Sequence[int] | None = None
) -> Float[np.ndarray, " n"]:
    """Average the distance of landmarks (`points`, or all) to their truth in the picture plane, % of face height."""
    chosen = slice(None) if points is None else list(points)
    away = np.linalg.norm(landmarks[:, chosen, :2] - truth[:, chosen, :2], axis=-1).mean(-1)
    return 100 * away / face_height(truth)


def region_errors(landmarks: Landmarks, truth: Landmarks) -> dict[str, float]:
    """Average `landmark_distance` over frames, by region."""
    regions = {"all": None, "mouth": MOUTH, "eyes": EYE_POINTS, "rest": REST}
    return {name: float(landmark_distance(landmarks, truth, points).mean()) for name, points in regions.items()}
