"""How lively a face is: how much its lips, brows, smile and head move, and one score of that beside real faces.

THEval's figures are those of its paper (arXiv:2511.04520, CVPR 2026) and published code; its own real videos have
eyebrow dynamics 0.006777, head motion dynamics 18.46757, lip dynamics 1.7166, silent lip stability 0.0263 and lip sync
0.2528. Its landmarks are MediaPipe's older face mesh and its head pose is FaceXFormer's: set a figure beside the same
figure of our own real clips first. The other figures are spreads over time in % of face height, or in degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.distance import pdist

from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.metrics.motion import pauses
from vasa_core.face.measure import LOWER_LIP, UPPER_LIP, aperture, distance, face_height
from vasa_core.face.pose import PITCH, ROLL, YAW
from vasa_core.face.topology import EYES, MOUTH_CORNERS
from vasa_core.rates import FPS, SAMPLE_RATE

# Of the image-left and of the image-right eye, as EYES.
BROWS = ((46, 53, 52, 65, 55, 70, 63, 105, 66, 107), (276, 283, 282, 295, 285, 300, 293, 334, 296, 336))
UPPER_LIP_CENTRE = 13
# What `liveness_score` is the mean over, and what `lively_half` sorts by.
SCORED = (
    *("lip_dynamics", "eyebrow_dynamics", "head_dynamics"),
    *("mouth_width_std", "brow_height_std", "smile_std", "opening"),
)
SORTED_BY = ("lip_dynamics", "eyebrow_dynamics", "mouth_width_std", "smile_std", "head_dynamics")
FACE_PIXELS = 100.0  # face height that pixel figures are scaled to, so that crops compare
THEVAL_SIDE = 256  # px that THEval resizes frames to
MIN_SPEECH_SHARE = 0.1  # of the frames: with less, sync is not measured

_EYE_SPAN = (EYES[0].corners[0], EYES[1].corners[1])
_UPPER, _LOWER = UPPER_LIP[:8], LOWER_LIP[:8]  # of the inner-lip pairs that THEval takes
_RMS_HOP = round(0.05 * SAMPLE_RATE)  # samples, window and hop
_LEAST = 1e-6  # of figures whose logs are taken

Points = Float[np.ndarray, "n 478 dims"]


def eyebrow_dynamics(points: Points) -> float:
    """THEval: mean change, from frame to frame, of the brow centre's distance from the eye's over the eyes' distance.

    Both sides count alike. The eye's centre is the mean of its contour, so a blink counts, too, as it does there.
    """
    brows = np.stack([points[:, list(brow), :2].mean(1) for brow in BROWS])  # (side, n, xy)
    eyes = np.stack([points[:, list(eye.contour), :2].mean(1) for eye in EYES])
    between = np.linalg.norm(eyes[0] - eyes[1], axis=-1)  # (n,)
    distance = np.linalg.norm(brows - eyes, axis=-1) / between  # (side, n)
    return float(np.abs(np.diff(distance, axis=1)).mean()) if len(points) > 1 else 0.0


def head_dynamics(angles: Float[np.ndarray, "n 3"], centre: Float[np.ndarray, "n 2"]) -> float:
    """THEval: root of (mean spread of the angles x mean variance of their frame differences + variance of place).

    angles: radians, taken in degrees. centre: of the face, px; theirs is the middle of a detector's box.
    """
    degrees = np.degrees(angles)
    turning = degrees.std(0).mean() * np.diff(degrees, axis=0).var(0).mean() if len(angles) > 1 else 0.0
    return float(np.sqrt(turning + centre.var(0).mean()))


def lip_dynamics(points: Points) -> float:
    """THEval: spread over time of the distance of two lip landmarks, mean over all pairs, in the points' unit."""
    distances = np.stack([pdist(frame) for frame in points[:, list(MOUTH), :2]])  # (n, pairs)
    return float(distances.std(0).mean())


def silent_lip_stability(points: Points, speech: Bool[np.ndarray, " n"]) -> float | None:
    """THEval: median distance of the lip gap from its mean in pauses of 0.3 s or more; None without a pause.

    The gap is the mean height of eight inner-lip gaps over the distance of the eyes' outer corners.
    """
    silent = pauses(~speech)
    if silent.sum() < 2:
        return None
    quiet = points[silent]
    gaps = np.abs(quiet[:, _UPPER, 1] - quiet[:, _LOWER, 1]).mean(1) / distance(quiet, _EYE_SPAN)
    return float(np.median(np.abs(gaps - gaps.mean())))


def loudness_distance(
    points: Points, speech: Bool[np.ndarray, " n"], waveform: Float[np.ndarray, " samples"]
) -> float | None:
    """THEval's lip sync: mean difference of the mouth's opening and the loudness in speech, each scaled to 0..1.

    Loudness is the RMS of 50 ms at a frame's start, interpolated over a grid of 50 ms. Theirs is of the file's own
    sample rate. None where less than MIN_SPEECH_SHARE of the frames have speech.
    """
    if speech.sum() < 2 or speech.mean() < MIN_SPEECH_SHARE:
        return None
    left, right = (points[:, list(eye.corners), 0].mean(1) for eye in EYES)
    opening = np.abs(points[:, _UPPER, 1].mean(1) - points[:, _LOWER, 1].mean(1)) / np.abs(right - left)
    padded = np.pad(waveform.astype(np.float64), _RMS_HOP // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _RMS_HOP)[::_RMS_HOP]
    rms = np.sqrt((windows**2).mean(1))
    loud = np.interp(np.arange(len(points)) / FPS, np.arange(len(rms)) * _RMS_HOP / SAMPLE_RATE, rms)
    return float(np.abs(_to_unit(opening[speech]) - _to_unit(loud[speech])).mean())


def _to_unit(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return (values - values.min()) / max(float(np.ptp(values)), 1e-8)


def brow_height(shapes: Points) -> Float[np.ndarray, " n"]:
    """Height of the brows over the middle of each eye's corners, mean of both: lids do not move it."""
    heights = [
        shapes[:, list(eye.corners), 1].mean(1) - shapes[:, list(brow), 1].mean(1)
        for brow, eye in zip(BROWS, EYES, strict=True)
    ]
    return np.mean(heights, 0)


def smile(shapes: Points) -> Float[np.ndarray, " n"]:
    """How far the mouth's corners are out and up: half the mouth's width plus their rise over the upper lip's middle.

    The inner upper lip's middle and not the mouth's, so that a jaw that falls does not count as a rise.
    """
    rise = shapes[:, UPPER_LIP_CENTRE, 1] - shapes[:, list(MOUTH_CORNERS), 1].mean(1)
    return distance(shapes, MOUTH_CORNERS) / 2 + rise


def liveliness(
    points: Points,
    shapes: Float[np.ndarray, "n 478 3"],
    angles: Float[np.ndarray, "n 3"],
    centre: Float[np.ndarray, "n 2"],
) -> dict[str, float]:
    """All figures of a face in motion that need no sound.

    points: landmarks that THEval's figures are read from, px or canonical. shapes: the same with the head's pose taken
    off. angles: as `face.pose`. centre: of the face, in the points' unit. lip_dynamics and head_dynamics are in px of a
    face FACE_PIXELS high, opening (95th percentile of the lip gap) and the spreads of mouth, brows and smile in % of
    face height, those of the head in degrees.
    """
    unit = FACE_PIXELS / float(face_height(points).mean())
    share = 100 / float(face_height(shapes).mean())
    spread = np.degrees(angles.std(0))
    return {
        "lip_dynamics": lip_dynamics(points * unit),
        "eyebrow_dynamics": eyebrow_dynamics(points),
        "head_dynamics": head_dynamics(angles, centre * unit),
        "opening": float(100 * np.percentile(aperture(shapes), 95)),
        "mouth_width_std": float(share * distance(shapes, MOUTH_CORNERS).std()),
        "brow_height_std": float(share * brow_height(shapes).std()),
        "smile_std": float(share * smile(shapes).std()),
        "head_yaw_std": float(spread[YAW]),
        "head_pitch_std": float(spread[PITCH]),
        "head_roll_std": float(spread[ROLL]),
    }


def speech_liveliness(
    points: Points, speech: Bool[np.ndarray, " n"], waveform: Float[np.ndarray, " samples"]
) -> dict[str, float | None]:
    """Measure THEval's figures beside the sound. speech: frames in which somebody speaks."""
    return {
        "silent_lip_stability": silent_lip_stability(points, speech),
        "loudness_distance": loudness_distance(points, speech, waveform),
    }


def diversity(runs_of_seeds: Float[np.ndarray, "seeds n *values"]) -> float:
    """Spread over seeds of each value of the same voice at the same frame, mean over frames and values."""
    return float(runs_of_seeds.std(0).mean())


def liveness_score(measured: dict[str, Any], real: dict[str, Any]) -> float:
    """How near the figures SCORED are to those of real faces: 1 = all equal, 0 = all off by as much as they are.

    Mean over them of 1 - |measured - real| / real, each 0 at least: too lively costs as much as too still. A still
    face scores for an open mouth alone. Ours, not THEval's.
    """
    off = [abs(measured[name] - real[name]) / max(real[name], _LEAST) for name in SCORED]
    return float(np.mean([max(0.0, 1 - error) for error in off]))


def lively_half(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of real clips that are livelier than their median: by the mean z score of the logs of SORTED_BY."""
    if not rows:
        return []
    logs = np.log(np.maximum([[row[name] for name in SORTED_BY] for row in rows], _LEAST))  # (rows, figures)
    lively = ((logs - logs.mean(0)) / np.maximum(logs.std(0), _LEAST)).mean(1)
    return [row for row, value in zip(rows, lively, strict=True) if value > np.median(lively)]
