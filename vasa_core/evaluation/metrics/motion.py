"""Figures of how a face moves in time: pose variation, seams, stillness (VASA-1, section 4.1 and beyond)."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from vasa_core.face.measure import runs
from vasa_core.rates import FPS

SILENCE_DECIBELS = -35.0  # against the recording's loud parts
MIN_SILENCE_SECONDS = 0.3
CLOSED_GAP = 0.02  # of face height: below it lips count as closed


def delta_pose(angles: Float[np.ndarray, "n 3"]) -> float:
    """VASA-1's delta P: mean absolute difference of the pose angles of adjacent frames, in degrees."""
    return float(np.degrees(np.abs(np.diff(angles, axis=0)).mean())) if len(angles) > 1 else 0.0


class Seams(NamedTuple):
    """Changes of a track at the boundaries of windows, and elsewhere: their sums and their numbers."""

    at: float
    seams: int
    elsewhere: float
    others: int

    @property
    def ratio(self) -> float | None:
        """Mean change at a boundary over the mean change elsewhere; 1 shows no seam. None if nothing moves."""
        return self.at / self.seams * self.others / self.elsewhere if self.elsewhere > 0 else None


def seam_changes(track: Float[np.ndarray, "n values"], period: int, order: int) -> Seams | None:
    """Changes of position (order 1) or speed (order 2) at boundaries (every `period` frames) and elsewhere.

    None if the track holds no boundary.
    """
    if len(track) < period + order:
        return None
    jump = np.linalg.norm(np.diff(track, n=order, axis=0), axis=1)  # (n - order,), entry i ends in frame i + order
    place = np.arange(len(jump)) + 1
    at = place % period == 0 if order == 1 else np.isin(place % period, (0, period - 1)) & (place >= period - 1)
    return Seams(float(jump[at].sum()), int(at.sum()), float(jump[~at].sum()), int((~at).sum()))


def seam_ratio(track: Float[np.ndarray, "n values"], period: int) -> float | None:
    """Change of speed at window boundaries over the change elsewhere; None without a boundary, or if nothing moves."""
    seams = seam_changes(track, period, 2)
    return seams.ratio if seams else None


def silent_frames(waveform: Float[np.ndarray, " samples"], frames: int) -> Bool[np.ndarray, " frames"]:
    """Frames inside pauses: loudness under SILENCE_DECIBELS of the loud parts for MIN_SILENCE_SECONDS or more."""
    step = len(waveform) / max(frames, 1)
    edges = (np.arange(frames + 1) * step).astype(int)
    power = np.array([np.mean(waveform[a:b] ** 2) if b > a else 0.0 for a, b in itertools.pairwise(edges)])
    loud = np.percentile(power, 95) if frames else 0.0
    quiet = power <= max(float(loud) * 10 ** (SILENCE_DECIBELS / 10), 1e-10)
    return pauses(quiet)


def pauses(quiet: Bool[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    """Keep the quiet frames that follow each other for MIN_SILENCE_SECONDS or more."""
    silent = np.zeros(len(quiet), bool)
    for start, end in runs(quiet):
        silent[start:end] = end - start >= MIN_SILENCE_SECONDS * FPS
    return silent


def mouth_in_silence(
    gap: Float[np.ndarray, " n"], silent: Bool[np.ndarray, " n"], settle: int = 3
) -> dict[str, float] | None:
    """Lip gap (over face height) in pauses against speech; None without a pause.

    The first `settle` frames of a pause are left out: lips need time to close.
    """
    inside = silent.copy()
    for start, end in runs(silent):
        inside[start : min(start + settle, end)] = False
    if not inside.any() or silent.all():
        return None
    return {
        "gap_in_silence": float(gap[inside].mean()),
        "gap_in_speech": float(gap[~silent].mean()),
        "closed_share": float((gap[inside] < CLOSED_GAP).mean()),
        "silent_seconds": float(inside.sum() / FPS),
    }
