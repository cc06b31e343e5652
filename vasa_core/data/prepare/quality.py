"""Figures by which a clip is fit for training, and the reasons why one is not."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float

from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.crops import Crop
from vasa_core.data.prepare.source import Frame
from vasa_core.data.prepare.tracks import Box, Sighting, intersection
from vasa_core.face.measure import CENTRAL_LIP_PAIRS, distance, face_height
from vasa_core.face.topology import EYES

_LIDS = [(eye.upper[3], eye.lower[3]) for eye in EYES]  # landmarks above and below the middle of an eye
_SAME = 0.15  # grey levels of mean difference, below which a frame repeats the one before
_INTRUDES, _NO_BYSTANDER = 0.25, 0.35  # share of another face in the crop; its height over the face's own
MAX_JUMP = 0.35  # face heights between two frames: a cut, or another face
_EDGE = 0.02  # of the crop's side, by which landmarks may be outside it, or outside the picture
MAX_OUTSIDE = 0.1  # share of frames in which the face leaves the crop or the picture


def shared(sightings: Sequence[Sighting], others: Sequence[Sequence[Sighting]], crop: Crop) -> float:
    """The share of a clip's looks in which a face of other tracks is in the crop."""
    seen = {s.frame: s for s in sightings}
    meetings = set()
    for other in (s for track in others for s in track if s.frame in seen):
        own = seen[other.frame].box
        x0, y0, x1, y1 = other.box
        large = (y1 - y0) >= _NO_BYSTANDER * (own[3] - own[1])
        if large and intersection(other.box, crop.box) >= _INTRUDES * (x1 - x0) * (y1 - y0):
            meetings.add(other.frame)
    return len(meetings) / len(seen)


def face_box(landmarks: Float[np.ndarray, "478 3"], side: int) -> Box:
    """The box of the landmarks in a crop of `side` px, at least a px wide."""
    low, high = landmarks[:468, :2].min(0).clip(0, side - 1), landmarks[:468, :2].max(0).clip(0, side - 1)
    return float(low[0]), float(low[1]), max(float(high[0]), float(low[0]) + 1), max(float(high[1]), float(low[1]) + 1)


def sharpness(frame: Frame, landmarks: Float[np.ndarray, "478 3"]) -> float:
    """Energy of the face's fine detail over that of all of it: variance of the Laplacian over 20 x that of grey.

    1 for noise, below 0.001 for a blur of several px.
    """
    x0, y0, x1, y1 = (round(v) for v in face_box(landmarks, frame.shape[0]))
    grey = cv2.cvtColor(frame[y0 : y1 + 1, x0 : x1 + 1], cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / (20.0 * max(float(grey.var()), 1.0)))


def repeats(frame: Frame, before: Frame) -> bool:
    """Whether a frame shows what the one before did."""
    return float(cv2.absdiff(frame, before).mean()) < _SAME


def movement(landmarks: Float[np.ndarray, "n 478 3"]) -> float:
    """How far landmarks are from their mean place over time, root mean square, in face heights."""
    flat = landmarks[:, :468, :2]
    height = np.median(face_height(flat))
    return float(np.sqrt(((flat - flat.mean(0)) ** 2).sum(-1).mean()) / max(float(height), 1.0))


def expression(landmarks: Float[np.ndarray, "n 478 3"]) -> float:
    """How much the lips or the eyelids part, whichever does more: standard deviation of the gap, in face heights.

    Below 0.007 for photos, statues and rendered bodies, however they move; at least 0.013 in 99 % of talking faces.
    """

    def gap(pairs: Sequence[tuple[int, int]]) -> Float[np.ndarray, " n"]:
        return np.mean([distance(landmarks, pair) for pair in pairs], axis=0)

    height = max(float(np.median(face_height(landmarks))), 1.0)
    return float(max(gap(CENTRAL_LIP_PAIRS).std(), gap(_LIDS).std()) / height)


def jump(landmarks: Float[np.ndarray, "n 478 3"], valid: Bool[np.ndarray, " n"]) -> float:
    """The farthest that the face moves from one found frame to the next, in face heights per frame between them."""
    frames = np.flatnonzero(valid)
    if len(frames) < 2:
        return 0.0
    points = landmarks[frames, :468, :2]
    height = np.median(face_height(points))
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1) / np.diff(frames)
    return float(steps.max() / max(float(height), 1.0))


def outside(landmarks: Float[np.ndarray, "n 478 3"], side: int, picture: Box) -> float:
    """The share of frames in which landmarks leave the crop, or the picture it is cut from; all in px of the crop."""
    points = landmarks[:, :468, :2]
    low, high = np.maximum(picture[:2], 0) - _EDGE * side, np.minimum(picture[2:], side) + _EDGE * side
    return float(((points < low) | (points > high)).any((1, 2)).mean())


def reason_before(config: PreparationConfig, frames: int, face: float, inside: float, share: float) -> str | None:
    """Why a clip is not worth cutting, if so. face: its height in px of the source."""
    if frames < config.min_frames:
        return f"too short: the face keeps its place for less than {config.min_seconds:g} s"
    if face < config.min_face:
        return f"face too small: {face:.0f} px, less than {config.min_face}"
    if share > config.max_shared:
        return f"several faces overlap: another is in the crop for {share:.0%} of the time"
    if inside < config.min_inside:
        return f"face at the edge: {inside:.0%} of the crop is in the picture, less than {config.min_inside:.0%}"
    return None


def reason_after(config: PreparationConfig, figures: dict[str, float]) -> str | None:
    """Why a clip that has been cut is not kept, if so. figures: as `clip.Cut` measures them."""
    if figures["tracked"] < config.min_tracked:
        return f"landmarks in {figures['tracked']:.0%} of frames only, less than {config.min_tracked:.0%}"
    if figures["frozen"] > config.max_frozen:
        return f"frozen picture: {figures['frozen']:.0%} of frames repeat the one before"
    if figures["jump"] > MAX_JUMP:
        return f"the face jumps by {figures['jump']:.2f} of its height: a cut, or another face"
    if figures["outside"] > MAX_OUTSIDE:
        return f"the face leaves the crop or the picture in {figures['outside']:.0%} of frames"
    if figures["movement"] < config.min_movement:
        return f"too little movement: {figures['movement']:.4f} face heights, less than {config.min_movement}"
    if figures["expression"] < config.min_expression:
        return f"a rigid face: lips and eyelids move by {figures['expression']:.4f}, less than {config.min_expression}"
    if figures["movement"] > config.max_movement:
        return f"too much movement: {figures['movement']:.2f} face heights, more than {config.max_movement}"
    if figures["sharpness"] < config.min_sharpness:
        return f"not sharp: detail {figures['sharpness']:.4f}, less than {config.min_sharpness}"
    return None
