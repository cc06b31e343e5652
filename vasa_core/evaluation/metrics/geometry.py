"""What the landmarks of a face say: size, head pose, gaze and lid opening, per frame, in plain units.

Nothing here is learned, and nothing is shared with the models that are measured but the landmarks' meaning: the
head's frame is the landmarker's own canonical face, the eyeball's radius follows from the iris (11.7 mm wide in
every adult; its centre is 10.5 mm from the eyeball's).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vasa_core.face.pose import fit_similarity, rotation_angles, unproject
from vasa_core.face.topology import CHIN, EYES, FOREHEAD, LIPS_INNER, LIPS_OUTER, STABLE

EYEBALL_OF_IRIS = 10.5 / 11.7
REST_IRIS_HEIGHT = -0.0136  # face widths: median of 140 real recordings, iris centre above the eye corners' middle
OPEN_PERCENTILE = 80  # of a recording's lid opening: this person's open eyes
MAX_SINE = 0.95
BLINK_FREE = 0.75  # of open eyes: below it an iris is too covered to tell the gaze
_LID_PAIRS = slice(2, 5)  # the middle of an eye's seven lid pairs

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


def face_height(landmarks: Float[np.ndarray, "*n 478 3"]) -> Float[np.ndarray, "*n"]:
    """Distance from forehead (10) to chin (152) in px."""
    return np.linalg.norm(landmarks[..., FOREHEAD, :2] - landmarks[..., CHIN, :2], axis=-1)


def eye_opening(head: HeadFrame) -> Float[np.ndarray, " n"]:
    """Lid gap over eye width, mean of both eyes."""
    openings = []
    for eye in EYES:
        upper, lower = head.shapes[:, list(eye.upper[_LID_PAIRS])], head.shapes[:, list(eye.lower[_LID_PAIRS])]
        gap = np.linalg.norm(upper - lower, axis=-1).mean(-1)
        width = np.linalg.norm(head.shapes[:, eye.corners[0]] - head.shapes[:, eye.corners[1]], axis=-1)
        openings.append(gap / width)
    return np.mean(openings, 0)


def relative_opening(opening: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Opening over this person's open eyes, which the recording itself shows."""
    return opening / max(float(np.percentile(opening, OPEN_PERCENTILE)), 1e-6)


def gaze_in_head(head: HeadFrame) -> Float[np.ndarray, "n 2"]:
    """(yaw, pitch) of the eyes in the head, radians: +yaw to the viewer's right, +pitch up."""
    offsets, widths = [], []
    for eye in EYES:
        iris = head.shapes[:, list(eye.iris)]
        offsets.append(iris[:, 0, :2] - head.shapes[:, list(eye.corners), :2].mean(1))
        rim = [np.linalg.norm(iris[:, a] - iris[:, b], axis=-1) for a, b in ((1, 3), (2, 4))]
        widths.append(np.mean(rim, 0))
    radius = EYEBALL_OF_IRIS * np.median(widths)
    offset = np.mean(offsets, 0) - [0.0, REST_IRIS_HEIGHT]  # (n, xy)
    return np.arcsin(np.clip(offset * [1, -1] / radius, -MAX_SINE, MAX_SINE))


def gaze_in_camera(head: HeadFrame) -> Float[np.ndarray, "n 2"]:
    """(yaw, pitch) of the gaze as the camera sees it, radians: the head's own angles added."""
    return gaze_in_head(head) + head.angles[:, [1, 0]]


def angular_error(gaze: Float[np.ndarray, "n 2"], target: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " n"]:
    """Angle between gaze directions and a target, all (yaw, pitch) in degrees."""
    yaw, pitch = np.radians(gaze).T
    target_yaw, target_pitch = np.radians(target)
    cosine = np.sin(pitch) * np.sin(target_pitch) + np.cos(pitch) * np.cos(target_pitch) * np.cos(yaw - target_yaw)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def inner_gap(landmarks: Landmarks) -> Float[np.ndarray, " n"]:
    """Gap between the lips over face height."""
    return np.linalg.norm(landmarks[:, 13, :2] - landmarks[:, 14, :2], axis=-1) / face_height(landmarks)


def region_errors(measured: Landmarks, truth: Landmarks) -> dict[str, float]:
    """Mean distance of landmarks to their truth in the picture plane, in % of the truth's face height, by region."""
    distance = np.linalg.norm(measured[..., :2] - truth[..., :2], axis=-1)  # (n, 478)
    share = 100 * distance / face_height(truth)[:, None]
    regions = {"all": slice(None), "mouth": list(MOUTH), "eyes": list(EYE_POINTS), "rest": list(REST)}
    return {name: float(share[:, points].mean()) for name, points in regions.items()}
