"""Measure controls: how a swept one is followed, gaze at its targets, and how far moving one moves the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from vasa_core.options import EMOTION_CHOICES

GAZE_YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees
GAZE_PITCHES = (-12.0, 0.0, 12.0)
LIP_OPENING = "lip_opening"

Seen = TypeVar("Seen")


def slope(asked: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"]) -> float:
    """Fit the least-squares slope of measured on asked."""
    return float(np.polyfit(asked, measured, 1)[0])


def correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float | None:
    """Correlate what both have values of; None if there are fewer than three, or one does not vary."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or a[both].std() == 0 or b[both].std() == 0:
        return None
    return float(np.corrcoef(a[both], b[both])[0, 1])


def swept(asked: Sequence[float], measured: Sequence[float | None]) -> dict[str, Any]:
    """Describe how a control is followed over its rising range. measured: None where nothing could be read."""
    figures: dict[str, Any] = {"asked": list(asked), "measured": list(measured), "slope": None, "monotone": None}
    known = [(a, m) for a, m in zip(asked, measured, strict=True) if m is not None]
    if len(known) < 2:
        return figures
    x, y = (np.array(values) for values in zip(*known, strict=True))
    error = float(np.abs(y - x).mean())
    return figures | {"slope": slope(x, y), "monotone": bool((np.diff(y) > 0).all()), "mean_error": error}


def angular_error(gaze: Float[np.ndarray, "n 2"], target: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " n"]:
    """Measure the angle between gaze directions and a target, all (yaw, pitch) in degrees."""
    yaw, pitch = np.radians(gaze).T
    target_yaw, target_pitch = np.radians(target)
    cosine = np.sin(pitch) * np.sin(target_pitch) + np.cos(pitch) * np.cos(target_pitch) * np.cos(yaw - target_yaw)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def gaze_figures(seen: Sequence[tuple[tuple[float, float], Float[np.ndarray, "_n 2"]]]) -> dict[str, float | int]:
    """Describe the gaze of some frames at each target, all (yaw, pitch) in degrees; main: the frames' median."""
    asked = np.array([target for target, _ in seen])
    main = np.stack([np.median(gaze, 0) for _, gaze in seen])
    return {
        "targets": len({target for target, _ in seen}),
        "slope_yaw": slope(asked[:, 0], main[:, 0]),
        "slope_pitch": slope(asked[:, 1], main[:, 1]),
        "error_of_main_gaze": float(np.mean([angular_error(m[None], a)[0] for a, m in zip(asked, main, strict=True)])),
        "error_per_frame": float(np.mean([angular_error(gaze, np.array(target)).mean() for target, gaze in seen])),
    }


def control_leakage(
    ends: Mapping[str, tuple[Seen, Seen]],
    read: Callable[[Seen], dict[str, float]],
    face: Callable[[Seen], Float[np.ndarray, "*face"]],
    lip_range: float,
) -> dict[str, dict[str, float]]:
    """Give {control moved: {measure: how far that moved, % of what its own control moves it}}.

    ends: what is seen at both ends of each control's range, emotions among them. read: every measure, named like its
    control. face: mean face; an emotion's measure is the face along the direction in which that emotion moves it. The
    lips' opening has no control: its range is lip_range. Emotions are not set against each other, since only one can
    be set.
    """
    directions = {name: face(ends[name][1]) - face(ends[name][0]) for name in EMOTION_CHOICES if name in ends}

    def measures(seen: Seen) -> dict[str, float]:
        along = {name: float((face(seen) * d).sum() / max((d * d).sum(), 1e-9)) for name, d in directions.items()}
        return read(seen) | along

    moved: dict[str, dict[str, float]] = {}
    for control, (low, high) in ends.items():
        before, after = measures(low), measures(high)
        moved[control] = {name: abs(after[name] - before[name]) for name in before}
    own = {control: moved[control][control] for control in ends} | {LIP_OPENING: lip_range}
    return {
        control: {
            name: 100 * value / max(own[name], 1e-9)
            for name, value in figures.items()
            if name != control and not (control in EMOTION_CHOICES and name in EMOTION_CHOICES)
        }
        for control, figures in moved.items()
    }
