"""Each slider swept, and read back from the rendered frames: slope, error, and what should not have moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.geometry import angular_error
from vasa_core.evaluation.metrics.leakage import LIP_OPENING, relative_moves
from vasa_core.evaluation.metrics.motion import is_monotone, slope
from vasa_core.evaluation.video.sweep import Reading, Sweep
from vasa_core.evaluation.video.tracks import Tracker
from vasa_core.options import EMOTION_CHOICES, EMOTIONS, GenerationOptions
from vasa_core.pipeline import Pipeline

GAZE_YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees
GAZE_PITCHES = (-12.0, 0.0, 12.0)
DISTANCES = (0.8, 1.0, 1.15, 1.3)
HEAD_MOTION = "head_motion"


def sweep_controls(
    pipeline: Pipeline, tracker: Tracker, portrait: Path, speech: Path, out: Path
) -> dict[str, dict[str, Any]]:
    """Figures per slider. Values that could not be read (no face found) are None."""
    sweep = Sweep(pipeline, tracker, pipeline.prepare(portrait), speech, out)
    gazes = {
        (yaw, pitch): sweep(f"gaze{yaw:+.0f}{pitch:+.0f}", GenerationOptions(gaze_yaw=yaw, gaze_pitch=pitch))
        for yaw in GAZE_YAWS
        for pitch in GAZE_PITCHES
    }
    neutral = gazes[0.0, 0.0]
    distances = [
        sweep(f"distance{distance}", GenerationOptions(distance=distance)) if distance != 1 else neutral
        for distance in DISTANCES
    ]
    frozen, lively = (sweep(f"{HEAD_MOTION}{x:g}", GenerationOptions(head_motion=x)) for x in (0.0, 2.0))
    felt = {name: sweep(f"emotion_{name}", GenerationOptions(emotion=name)) for name in EMOTION_CHOICES}
    ends = {
        "gaze_yaw": (gazes[GAZE_YAWS[0], 0.0], gazes[GAZE_YAWS[-1], 0.0]),
        "gaze_pitch": (gazes[0.0, GAZE_PITCHES[0]], gazes[0.0, GAZE_PITCHES[-1]]),
        "distance": (distances[0], distances[-1]),
        HEAD_MOTION: (frozen, lively),
        **{name: (neutral, reading) for name, reading in felt.items()},
    }
    yaws, pitches = [gazes[yaw, 0.0] for yaw in GAZE_YAWS], [gazes[0.0, pitch] for pitch in GAZE_PITCHES]
    return {
        "gaze_yaw": line_figures(GAZE_YAWS, [r and r.gaze[0] for r in yaws]) | _head_moved(yaws, neutral),
        "gaze_pitch": line_figures(GAZE_PITCHES, [r and r.gaze[1] for r in pitches]) | _head_moved(pitches, neutral),
        "gaze_of_irises": iris_figures(gazes),
        "distance": distance_figures(distances, neutral),
        "head_motion_0": {
            "delta_pose": frozen and frozen.delta_pose,
            "spread": frozen and frozen.spread,
            "delta_pose_at_1": neutral and neutral.delta_pose,
            "spread_at_1": neutral and neutral.spread,
        },
        **_emotions(felt, neutral),
        **{f"moving_{name}": figures for name, figures in _crossed(ends).items()},
    }


def iris_figures(gazes: Mapping[tuple[float, float], Reading | None]) -> dict[str, Any]:
    """Slopes and errors at all targets of the gaze that the irises show (see `irises`)."""
    found = [(np.array(target), r) for target, r in gazes.items() if r is not None and len(r.irises)]
    if len(found) < len(gazes):
        return {"targets": len(found)}
    asked, main = np.stack([target for target, _ in found]), np.stack([r.iris_gaze for _, r in found])
    per_frame = [angular_error(r.irises, target).mean() for target, r in found]
    of_main = [angular_error(gaze[None], target)[0] for target, gaze in zip(asked, main, strict=True)]
    return {
        "targets": len(found),
        "slope_yaw": slope(asked[:, 0], main[:, 0]),
        "slope_pitch": slope(asked[:, 1], main[:, 1]),
        "error_of_main_gaze": float(np.mean(of_main)),
        "error_per_frame": float(np.mean(per_frame)),
    }


def _emotions(felt: Mapping[str, Reading | None], neutral: Reading | None) -> dict[str, dict[str, float]]:
    figures = {}
    for emotion, reading in felt.items():
        if reading and neutral and reading.emotion and neutral.emotion:
            index = EMOTIONS.index(emotion)
            before, after = neutral.emotion[index], reading.emotion[index]
            gain = math.log(_odds(after) / _odds(before))
            figures[f"emotion_{emotion}"] = {"probability": before, "probability_asked": after, "log_odds_gain": gain}
    return figures


def _crossed(ends: Mapping[str, tuple[Reading | None, Reading | None]]) -> dict[str, dict[str, float]]:
    """{control moved: {measure: how far it moved, % of what its own control moves it}}; nothing if a face was lost.

    An emotion's measure is the mean face along the direction in which that emotion moves it.
    """
    pairs = {name: (a, b) for name, (a, b) in ends.items() if a is not None and b is not None}
    if len(pairs) < len(ends):
        return {}
    directions = {name: pairs[name][1].shape - pairs[name][0].shape for name in EMOTION_CHOICES}

    def read(reading: Reading) -> dict[str, float]:
        gaze = reading.iris_gaze
        return {
            "gaze_yaw": float(gaze[0]),
            "gaze_pitch": float(gaze[1]),
            "distance": math.log(reading.scale),
            HEAD_MOTION: reading.delta_pose,
            **{name: float((reading.shape * d).sum() / max((d * d).sum(), 1e-9)) for name, d in directions.items()},
            LIP_OPENING: reading.lips,
        }

    wide = pairs[EMOTION_CHOICES[0]][0].lips_wide
    return relative_moves({name: (read(a), read(b)) for name, (a, b) in pairs.items()}, wide)


def _odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return probability / (1 - probability)


def line_figures(asked: Sequence[float], measured: Sequence[float | None]) -> dict[str, Any]:
    """Slope, order and error of what was measured against what was asked; None where fewer than two were measured."""
    known = [(a, m) for a, m in zip(asked, measured, strict=True) if m is not None]
    if len(known) < 2:
        return {"asked": list(asked), "measured": list(measured), "slope": None, "monotone": None}
    x, y = (np.array(values) for values in zip(*known, strict=True))
    return {
        "asked": list(asked),
        "measured": list(measured),
        "slope": slope(x, y),
        "monotone": is_monotone(y),
        "mean_error": float(np.abs(y - x).mean()),
    }


def _head_moved(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """How far the head's mean angles went from those at 0: what the gaze slider should leave alone, in degrees."""
    if neutral is None:
        return {}
    moved = [np.abs(np.subtract(r.head, neutral.head)).max() for r in readings if r is not None]
    return {"head_moved": float(max(moved))}


def distance_figures(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """Face size against 1 / distance, in %."""
    if neutral is None:
        return {}
    sizes = [r and r.scale / neutral.scale for r in readings]
    errors = [100 * (size * d - 1) for size, d in zip(sizes, DISTANCES, strict=True) if size is not None]
    return {"asked": list(DISTANCES), "face_size": sizes, "largest_error_percent": float(np.abs(errors).max())}
