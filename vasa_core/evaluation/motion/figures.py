"""Figures of a face in motion against its sound and against the real face: lips, upper face, head, beats, seams.

All of them are read from shapes in canonical space, where the head's pose is taken off, and from poses: nothing is
rendered. LVE and FDD as CodeTalker (arXiv:2301.02379) and DiffPoseTalk (arXiv:2310.00434) have them, on landmarks and
in % of face height; the beat score as Bailando (arXiv:2203.13055) has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from vasa_core.audio.lip_sync import MIN_FRAMES, lag_curve, read_sync
from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.metrics.liveliness import brow_height, liveliness
from vasa_core.evaluation.metrics.motion import delta_pose, seam_changes
from vasa_core.face.measure import aperture, eye_opening, face_height, find_blinks, lip_shape, relative_opening
from vasa_core.face.pose import from_pose
from vasa_core.face.topology import EYES
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, exact_div

MAX_LAG = 6  # frames
CLEAR_CORRELATION, CLEAR_CONFIDENCE = 0.3, 0.25  # below, a lag means nothing
BEAT_SIGMA = 3.0  # frames
SMOOTHING = 1.0  # frames, of head angles before beats are looked for: landmarks tremble
STRESS_SMOOTHING = 2.0  # frames, of loudness and speeds before they are compared
USUAL_BLINK = (0.1, 0.4)  # seconds
# Brows and the skin round them, then the lids' edges.
UPPER_FACE = (
    *(70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 156, 124, 113, 225, 224, 223, 222, 221, 193),
    *(300, 293, 334, 296, 336, 276, 283, 282, 295, 285, 383, 353, 342, 445, 444, 443, 442, 441, 417),
    *(9, 8, 151, 108, 69, 337, 299),
    *(point for eye in EYES for point in eye.contour),
)
_HOP = exact_div(SAMPLE_RATE, 100)  # samples between two spectra
_WINDOW = 2 * _HOP
_ONSET_HEIGHT = 1.0  # standard deviations of the spectral flux
_ONSET_GAP = 8  # hops between two onsets
_FAINT = 1e-5  # power of sound that counts as none
_NOTHING = 1e-9  # spread of what does not change
_MOVES = np.radians(0.02)  # a head whose speed never gets here does not move, rad/frame


@dataclass(frozen=True)
class Moves:
    """A face in motion. shapes: landmarks in canonical space (face width 1, no head pose). pose: as `face.pose`."""

    shapes: Float[np.ndarray, "n 478 3"]
    pose: Float[np.ndarray, "n 6"]

    def __len__(self) -> int:
        return len(self.pose)


def lip_vertex_error(moves: Moves, real: Moves, centred: bool = False) -> float:
    """LVE: greatest distance of a lip landmark from its truth in each frame, mean over frames, % of face height.

    centred: each landmark's mean error is taken off first, so that what the lips look like at rest does not count.
    """
    points = list(MOUTH)
    error = moves.shapes[:, points, :2] - real.shapes[:, points, :2]  # (n, points, xy)
    distance = np.linalg.norm(error - error.mean(0) if centred else error, axis=-1)
    return float(100 * (distance.max(1) / face_height(real.shapes)).mean())


def upper_dynamics(moves: Moves, scale: float) -> Float[np.ndarray, " points"]:
    """How much each landmark of the upper face moves: standard deviation over time of its distance from its mean place.

    scale: face height in canonical units; the result is in % of it.
    """
    points = moves.shapes[:, list(UPPER_FACE), :2]
    return 100 / scale * np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean(0))


def against_real(moves: Moves, real: Moves) -> dict[str, Any]:
    """Figures that need the real face speaking the same."""
    scale = float(face_height(real.shapes).mean())
    mine, theirs = aperture(moves.shapes), aperture(real.shapes)
    figures: dict[str, Any] = {
        "lve": lip_vertex_error(moves, real),
        "lve_centred": lip_vertex_error(moves, real, centred=True),
        "opening_difference": float(100 * np.abs(mine - theirs).mean()),
        "fdd": float(np.abs((upper_dynamics(moves, scale) - upper_dynamics(real, scale)).mean())),
    }
    if len(moves) >= 2 * MAX_LAG + 2:
        curve = lag_curve(theirs[:, None], mine[:, None], MAX_LAG)[:, 0]
        figures["lip_correlation"] = float(curve[MAX_LAG])
        figures["lip_correlation_best"] = float(curve.max())
        if curve.max() >= CLEAR_CORRELATION:
            figures["lip_lag"] = int(curve.argmax()) - MAX_LAG
    return figures


def by_itself(moves: Moves, window: int) -> dict[str, Any]:
    """Figures of motion alone. window: frames from one generated window to the next."""
    scale = float(face_height(moves.shapes).mean())
    blinks = find_blinks(relative_opening(eye_opening(moves.shapes)))
    usual = [USUAL_BLINK[0] <= seconds <= USUAL_BLINK[1] for seconds in blinks.seconds]
    shapes = moves.shapes[..., :2].reshape(len(moves), -1)
    return {
        "frames": len(moves),
        **liveliness(moves.shapes, moves.shapes, moves.pose[:, :3], _centre(moves)),
        "upper_dynamics": float(upper_dynamics(moves, scale).mean()),
        "head_speed": delta_pose(moves.pose[:, :3]),
        "head_spread": float(np.degrees(moves.pose[:, :3].std(0)).mean()),
        "blinks": len(usual),
        "usual_blinks": sum(usual),
        "blink_seconds": float(np.mean(blinks.seconds)) if usual else None,
        "seam_step_pose": seam_changes(moves.pose[:, :3], window, 1),
        "seam_jerk_pose": seam_changes(moves.pose[:, :3], window, 2),
        "seam_step_face": seam_changes(shapes, window, 1),
        "seam_jerk_face": seam_changes(shapes, window, 2),
    }


def _centre(moves: Moves) -> Float[np.ndarray, "n 2"]:
    """Where the head is in the picture, in face widths of the mean frame."""
    _, scale, translation = from_pose(moves.pose, (1, 1))
    return translation[:, :2] / scale.mean()


def with_sound(
    moves: Moves,
    expected: Float[np.ndarray, "frames outputs"],
    waveform: Float[np.ndarray, " samples"],
    other: Float[np.ndarray, " other"],
) -> dict[str, Any]:
    """Measure motion beside its sound. expected: lip shapes of the lip-sync scorer. other: someone else's sound."""
    beats = head_beats(moves.pose)
    figures: dict[str, Any] = {}
    for suffix, sound in (("", waveform), ("_other", np.resize(other, len(waveform)))):
        figures[f"beat_alignment{suffix}"] = beat_alignment(beats, onsets(sound))
        figures[f"stress_alignment{suffix}"] = stress_alignment(moves, sound)
    if len(moves) >= MIN_FRAMES:
        reading = read_sync(expected[: len(moves)], lip_shape(moves.shapes))
        figures["confidence"] = reading.confidence
        if reading.confidence >= CLEAR_CONFIDENCE:
            figures["sync_lag"] = reading.lag
    return figures


def head_beats(pose: Float[np.ndarray, "n 6"]) -> Float[np.ndarray, " beats"]:
    """Times (frames) of the head's beats: least angular speed between two turns, where a stroke ends."""
    if len(pose) < 4:
        return np.zeros(0)
    angles = gaussian_filter1d(pose[:, :3], SMOOTHING, axis=0, mode="nearest")
    speed = np.linalg.norm(np.diff(angles, axis=0), axis=1)  # (n - 1,), entry i lies between frames i and i + 1
    if speed.max() < _MOVES:
        return np.zeros(0)
    low, _ = find_peaks(-speed, prominence=0.2 * float(speed.mean()))
    return low + 0.5


def stress_alignment(moves: Moves, waveform: Float[np.ndarray, " samples"]) -> float | None:
    """Correlation of loudness and of how fast head and brows move, both smoothed: who stresses a word moves with it.

    None for what is too short, and where nothing moves or sounds.
    """
    n = min(len(moves), len(waveform) // SAMPLES_PER_FRAME)
    if n < MIN_FRAMES:
        return None
    samples = waveform[: n * SAMPLES_PER_FRAME].astype(np.float64).reshape(n, -1)
    power = (samples**2).mean(1)
    loudness = gaussian_filter1d(np.log(power + _FAINT), STRESS_SMOOTHING)
    turns = np.linalg.norm(np.gradient(moves.pose[:n, :3], axis=0), axis=1)
    brows = np.abs(np.gradient(gaussian_filter1d(brow_height(moves.shapes[:n]), SMOOTHING)))
    if min(turns.std(), brows.std(), loudness.std()) < _NOTHING:
        return None
    moving = gaussian_filter1d(turns / turns.std() + brows / brows.std(), STRESS_SMOOTHING)
    return float(np.corrcoef(moving, loudness)[0, 1])


def onsets(waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " onsets"]:
    """Times (frames) at which sound sets in: peaks of the spectral flux, the rise of log magnitudes."""
    if len(waveform) < 4 * _WINDOW:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    level = np.log1p(100 * np.abs(np.fft.rfft(frames, axis=1)))  # (hops, bins)
    flux = gaussian_filter1d(np.maximum(np.diff(level, axis=0), 0).mean(1), 1.0)
    peaks, _ = find_peaks(flux, height=flux.mean() + _ONSET_HEIGHT * flux.std(), distance=_ONSET_GAP)
    return (peaks * _HOP + _HOP + _WINDOW / 2) / SAMPLE_RATE * FPS - 0.5


def beat_alignment(
    motion: Float[np.ndarray, " beats"], sound: Float[np.ndarray, " onsets"], sigma: float = BEAT_SIGMA
) -> float | None:
    """Mean over the motion's beats of exp(-d^2 / 2 sigma^2), d the distance to the nearest beat of the sound, frames.

    None without beats.
    """
    if not len(motion) or not len(sound):
        return None
    nearest = np.abs(motion[:, None] - sound[None]).min(1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())
