"""Figures of the volume face model that need no network: which frames to render, and how rendered faces score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vasa_core.evaluation.metrics.controls import correlation
from vasa_core.evaluation.metrics.geometry import EYE_POINTS, MOUTH, head_frame, landmark_distance
from vasa_core.face.basis import EXPRESSION, GAZE, LIDS
from vasa_core.face.measure import eye_gap, face_height, lip_gap_of_height

MOVED = 2.0  # % of face height: mean landmark distance from the source above which a frame counts as moved
POSE_DIFFERENCE = 4.0  # degrees: what the landmarker surely tells apart ...
OPENING_DIFFERENCE = 2.5  # ... and % of face height, of lips and of lids
_REST_ANGLE, _REST_GAZE, _REST_LID = 0.2, 0.2, 0.3  # radians, radians, of open eyes: as far from rest as one deviation

Landmarks = Float[np.ndarray, "n 478 3"]
Values = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Faces:
    """What the landmarker sees in n pictures; NaN where it sees no face.

    landmarks: px. angles: pitch and yaw in degrees. lips, eyes: opening in % of face height.
    """

    landmarks: Landmarks
    angles: Float[np.ndarray, "n 2"]
    lips: Values
    eyes: Values

    def __len__(self) -> int:
        return len(self.landmarks)

    def __getitem__(self, index: Int[np.ndarray, " m"]) -> Faces:
        return Faces(self.landmarks[index], self.angles[index], self.lips[index], self.eyes[index])

    @property
    def found(self) -> Bool[np.ndarray, " n"]:
        """Pictures with a face."""
        return np.isfinite(self.lips)


def read_faces(landmarks: Landmarks, canonical: Float[np.ndarray, "468 3"]) -> Faces:
    """Faces of landmarks, NaN where there is none. canonical: the landmarker's own canonical face."""
    found = np.asarray(np.isfinite(landmarks).all((1, 2)))
    angles, lips, eyes = (np.full((len(found), *shape), np.nan) for shape in ((2,), (), ()))
    if found.any():
        seen = landmarks[found]
        angles[found] = np.degrees(head_frame(seen, canonical).angles[:, :2])
        lips[found] = 100 * lip_gap_of_height(seen)
        eyes[found] = 100 * eye_gap(seen, 2).mean(1) / face_height(seen)
    return Faces(landmarks.astype(np.float64), angles, lips, eyes)


def joined(faces: Sequence[Faces]) -> Faces:
    """All pictures of several sets, in order."""
    names = ("landmarks", "angles", "lips", "eyes")
    return Faces(*(np.concatenate([getattr(part, name) for part in faces]) for name in names))


def nearest_rest(pose: Float[np.ndarray, "n 6"], dynamics: Float[np.ndarray, "n dynamics"]) -> int:
    """The frame (the first such) that looks ahead with open eyes and a face at rest, or comes closest to it."""
    away = [
        pose[:, :3] / _REST_ANGLE,
        dynamics[:, GAZE] / _REST_GAZE,
        (dynamics[:, LIDS] - 1) / _REST_LID,
        dynamics[:, EXPRESSION],
    ]
    return int(np.linalg.norm(np.concatenate(away, 1), axis=1).argmin())


def landmark_errors(landmarks: Landmarks, truth: Landmarks) -> dict[str, Values]:
    """`landmark_distance` of all points, the mouth's and the eyes'."""
    regions = {"landmarks": None, "landmarks_mouth": MOUTH, "landmarks_eyes": EYE_POINTS}
    return {name: landmark_distance(landmarks, truth, points) for name, points in regions.items()}


def spread_frames(moved: Values, source: int, most: int) -> Int[np.ndarray, " kept"]:
    """At most `most` frames besides the source, evenly spread over how far they moved, nearest first."""
    ranked = np.argsort(moved, kind="stable")
    ranked = ranked[ranked != source]
    if len(ranked) <= most:
        return ranked
    return ranked[np.linspace(0, len(ranked) - 1, most).round().astype(int)]


def gain(psnr: Values, copied: Values, counts: Bool[np.ndarray, " n"]) -> dict[str, float | int | None]:
    """PSNR over that of copying the source, dB, on the frames that count; better: how many of them gain."""
    gains = (psnr - copied)[counts]
    return {
        "frames": len(gains),
        "gain": float(gains.mean()) if len(gains) else None,
        "better": int((gains > 0).sum()),
    }


def pick_pairs(posed: Faces, moving: Faces, most: int, opening: str = "lips") -> list[tuple[int, int]]:
    """At most `most` pairs (a, b) of frames that differ in head pose and an opening (`lips` or `eyes`), widest first.

    posed, moving: the frames that a and b are taken from. Pairs differ by more than the landmarker's noise in both, and
    no frame is in more than two.
    """
    pose = np.linalg.norm(posed.angles[:, None] - moving.angles[None], axis=-1) / POSE_DIFFERENCE
    mine, theirs = getattr(posed, opening), getattr(moving, opening)
    wide = np.nan_to_num(np.minimum(pose, np.abs(mine[:, None] - theirs[None]) / OPENING_DIFFERENCE))
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(-wide, axis=None, kind="stable"):
        a, b = (int(index) for index in np.unravel_index(flat, wide.shape))
        if wide[a, b] <= 1 or len(pairs) == most:
            break
        if sum(pair[0] == a for pair in pairs) < 2 and sum(pair[1] == b for pair in pairs) < 2:
            pairs.append((a, b))
    return pairs


def swap_scores(rendered: Faces, posed: Faces, moving: Faces) -> dict[str, float | int | None]:
    """Whether faces rendered with the head pose of one frame and the dynamics of another have each from where it is.

    `*_kept`: share of pairs, among those that differ by more than the landmarker's noise, whose rendered head pose is
    nearer to `posed` than to `moving`, and opening nearer to `moving` than to `posed`; a lost face counts as neither.
    `*_leaks`: correlation over all pairs with the frame that should have no say, beside `*_follows` with the other's.
    """
    scores: dict[str, float | int | None] = {"pairs": len(rendered), "found": float(rendered.found.mean())}
    turned = np.linalg.norm(posed.angles - moving.angles, axis=1) > POSE_DIFFERENCE
    right, wrong = (np.linalg.norm(rendered.angles - faces.angles, axis=1) for faces in (posed, moving))
    scores |= _kept("pose", right < wrong, turned)
    for name in ("lips", "eyes"):
        mine, a, b = (getattr(faces, name) for faces in (rendered, posed, moving))
        scores |= _kept(name, np.abs(mine - b) < np.abs(mine - a), np.abs(a - b) > OPENING_DIFFERENCE)
        scores |= {f"{name}_follows": correlation(mine, b), f"{name}_leaks": correlation(mine, a)}
    for index, name in enumerate(("pitch", "yaw")):
        mine, a, b = (faces.angles[:, index] for faces in (rendered, posed, moving))
        scores |= {f"{name}_follows": correlation(mine, a), f"{name}_leaks": correlation(mine, b)}
    return scores


def cosine(a: Float[np.ndarray, " d"], b: Float[np.ndarray, " d"]) -> float:
    """Cosine of the angle between two descriptors."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def _kept(name: str, kept: Bool[np.ndarray, " n"], differ: Bool[np.ndarray, " n"]) -> dict[str, float | int | None]:
    count = int(differ.sum())
    return {f"{name}_kept": float(kept[differ].mean()) if count else None, f"{name}_pairs": count}
