"""How a portrait takes over the motion of another face (VASA-1, section 4: pose and dynamics from elsewhere).

The portrait keeps its own shape: what is taken over is how the driving person differs from their own rest. One frame
is a poor witness of that rest (it is caught in mid-word or in a blink), so all of the video is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from vasa_core.face.basis import CLOSED_LIPS, EXPRESSION, LIDS, FaceBasis
from vasa_core.face.limits import eased_lids, soft_limit
from vasa_core.face.measure import eye_gap, lip_gap, lip_gaps, most_closed
from vasa_core.face.mesh.photo import Identity, LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.motion.representation import usual_pose
from vasa_core.rates import FPS
from vasa_core.types import Motion

SAME_FACE = 0.006  # face widths; one picture cut out twice differs by 0.001, two people by 0.014 or more
WIDEST_LIPS = 0.2  # face widths; a gap that a closed mouth can still be opened to without tearing
LIP_NOISE = 0.003  # face widths; what a gap may be off by, so that no expression is strained to make it
STRONGEST = 6.0  # standard deviations of one expression

Landmarks = Float[np.ndarray, "n 478 3"]


def taken_over(face: FaceModel[Any], portrait: LiftedPhoto, landmarks: Landmarks, size: tuple[int, int]) -> Motion:
    """Motion for the portrait from the landmarks of a driving video, px of frames of `size` (height, width).

    The head moves about the portrait's own pose as the driving head about its median; the face, about its neutral
    face as the driving face about its rest: lips closed, eyes at their median. Where the portrait is the video's first
    frame, and in less than a second of video, that frame is what everything is relative to.
    """
    own = portrait.motion.pose[0]
    if len(landmarks) <= FPS or _starts_as(face.basis, portrait, landmarks, size):
        motion = face.encode_driving(landmarks, size)
        return Motion(motion.pose - motion.pose[0] + own, motion.dynamics)
    motion, gaps = relative_to_rest(face, landmarks, size)
    dynamics = motion.dynamics.copy()
    dynamics[:, EXPRESSION] = soft_limit(dynamics[:, EXPRESSION], STRONGEST)
    dynamics[:, LIDS] = eased_lids(dynamics[:, LIDS], portrait.motion.dynamics[0, LIDS], portrait.widest_lids)
    return Motion(motion.pose - usual_pose(motion) + own, with_lips(face.basis, portrait, dynamics, gaps))


def relative_to_rest(
    face: FaceModel[Any], landmarks: Landmarks, size: tuple[int, int]
) -> tuple[Motion, Float[np.ndarray, "n pairs"]]:
    """Motion whose expression is 0 where the person rests, and how far their lips are open (canonical, 0 closed)."""
    shapes, _ = face.basis.align(landmarks, size)
    neutral = face.basis.neutral(shapes[most_closed(lip_gap(shapes, 3))])
    shapes, _ = face.basis.align(landmarks, size, neutral)
    closed = most_closed(lip_gap(shapes, 3))
    _, motion = face.encode_landmarks(landmarks, size, Identity(neutral, np.median(eye_gap(shapes), 0)))
    gaps = lip_gaps(shapes)
    shut = lip_gaps(face.basis.mean)
    # Lips that never meet are open in their most closed frames too.
    lips = np.minimum(gaps[closed].mean(0), shut + CLOSED_LIPS)
    rest = motion.dynamics[closed].mean(0)
    rest[EXPRESSION] += _opening(face.basis, lips - gaps[closed].mean(0))
    dynamics = motion.dynamics.copy()
    dynamics[:, EXPRESSION] -= rest[EXPRESSION]
    return Motion(motion.pose, dynamics), gaps - lips


def with_lips(
    basis: FaceBasis,
    portrait: LiftedPhoto,
    dynamics: Float[np.ndarray, "n dynamics"],
    gaps: Float[np.ndarray, "n pairs"],
) -> Float[np.ndarray, "n dynamics"]:
    """The dynamics moved, as little as it takes, until the portrait's lips are open by `gaps`; closed stays closed.

    So the photo's own open mouth closes when the driving one does, and opens no further than WIDEST_LIPS.
    """
    own = lip_gaps(portrait.rest)
    shut = np.where(own < CLOSED_LIPS, own, lip_gaps(basis.mean))
    result = dynamics.copy()
    change = result[:, EXPRESSION] - portrait.motion.dynamics[0, EXPRESSION]
    drawn = own + change @ lip_gaps(basis.dynamics)  # (n, pairs)
    open_by = np.maximum(gaps, 0)
    widest = np.maximum(open_by.max(1, keepdims=True), 1e-6)
    wanted = shut + open_by * (soft_limit(widest, WIDEST_LIPS) / widest)
    result[:, EXPRESSION] += _opening(basis, wanted - drawn)
    return result


def _opening(basis: FaceBasis, gaps: Float[np.ndarray, "*n pairs"]) -> Float[np.ndarray, "*n expressions"]:
    """The smallest expression that opens the lips by `gaps`."""
    moves = lip_gaps(basis.dynamics)  # (expressions, pairs)
    gram = moves.T @ moves + LIP_NOISE**2 * np.eye(moves.shape[1])
    return gaps @ np.linalg.solve(gram, moves.T)


def _starts_as(basis: FaceBasis, portrait: LiftedPhoto, landmarks: Landmarks, size: tuple[int, int]) -> bool:
    """Whether the video's first frame shows the very face of the photo."""
    shape = basis.align(landmarks[:1], size, portrait.identity.neutral)[0][0]
    return bool(np.linalg.norm(shape - portrait.rest, axis=1).mean() < SAME_FACE)
