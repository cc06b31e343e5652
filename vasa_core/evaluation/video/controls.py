"""Each slider swept, and read back from the rendered frames: slope, error, and what should not have moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.controls import (
    GAZE_PITCHES,
    GAZE_YAWS,
    LIP_OPENING,
    control_leakage,
    gaze_figures,
    swept,
)
from vasa_core.evaluation.video.sweep import Reading, Sweep
from vasa_core.options import EMOTION_CHOICES, EMOTIONS, GenerationOptions

DISTANCES = (0.8, 1.0, 1.15, 1.3)
HEAD_MOTION = "head_motion"


def sweep_controls(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """Sweep every slider. Values that could not be read (no face found) are None."""
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
    yaws, pitches = [gazes[yaw, 0.0] for yaw in GAZE_YAWS], [gazes[0.0, pitch] for pitch in GAZE_PITCHES]
    ends = {
        "gaze_yaw": (yaws[0], yaws[-1]),
        "gaze_pitch": (pitches[0], pitches[-1]),
        "distance": (distances[0], distances[-1]),
        HEAD_MOTION: (frozen, lively),
        **{name: (neutral, reading) for name, reading in felt.items()},
    }
    return {
        "gaze_yaw": swept(GAZE_YAWS, [r and r.gaze[0] for r in yaws]) | _head_moved(yaws, neutral),
        "gaze_pitch": swept(GAZE_PITCHES, [r and r.gaze[1] for r in pitches]) | _head_moved(pitches, neutral),
        "gaze_of_irises": gaze_of_irises(gazes),
        "distance": followed_distance(distances, neutral),
        "head_motion_0": {
            "delta_pose": frozen and frozen.delta_pose,
            "spread": frozen and frozen.spread,
            "delta_pose_at_1": neutral and neutral.delta_pose,
            "spread_at_1": neutral and neutral.spread,
        },
        **_emotions(felt, neutral),
        **{f"moving_{name}": figures for name, figures in _leakage(ends).items()},
    }


def gaze_of_irises(gazes: Mapping[tuple[float, float], Reading | None]) -> dict[str, Any]:
    """Describe the gaze that the irises show at all targets (see `irises`)."""
    found = [(target, r.irises) for target, r in gazes.items() if r is not None and len(r.irises)]
    return gaze_figures(found) if len(found) == len(gazes) else {"targets": len(found)}


def _emotions(felt: Mapping[str, Reading | None], neutral: Reading | None) -> dict[str, dict[str, float]]:
    figures = {}
    for emotion, reading in felt.items():
        if reading and neutral and reading.emotion and neutral.emotion:
            index = EMOTIONS.index(emotion)
            before, after = neutral.emotion[index], reading.emotion[index]
            gain = math.log(_odds(after) / _odds(before))
            figures[f"emotion_{emotion}"] = {"probability": before, "probability_asked": after, "log_odds_gain": gain}
    return figures


def _leakage(ends: Mapping[str, tuple[Reading | None, Reading | None]]) -> dict[str, dict[str, float]]:
    """Measure `control_leakage` of the mean tracked faces; nothing if a face was lost."""
    pairs = {name: (a, b) for name, (a, b) in ends.items() if a is not None and b is not None}
    if len(pairs) < len(ends):
        return {}

    def read(reading: Reading) -> dict[str, float]:
        gaze = np.median(reading.irises, 0) if len(reading.irises) else np.full(2, np.nan)
        return {
            "gaze_yaw": float(gaze[0]),
            "gaze_pitch": float(gaze[1]),
            "distance": math.log(reading.scale),
            HEAD_MOTION: reading.delta_pose,
            LIP_OPENING: reading.lips,
        }

    return control_leakage(pairs, read, lambda reading: reading.shape, pairs[EMOTION_CHOICES[0]][0].lips_wide)


def _odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return probability / (1 - probability)


def _head_moved(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """Find how far the head's mean angles went from those at 0, degrees: what the gaze slider should leave alone."""
    if neutral is None:
        return {}
    moved = [np.abs(np.subtract(r.head, neutral.head)).max() for r in readings if r is not None]
    return {"head_moved": float(max(moved))}


def followed_distance(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """Set face size against 1 / distance, in %."""
    if neutral is None:
        return {}
    sizes = [r and r.scale / neutral.scale for r in readings]
    errors = [100 * (size * d - 1) for size, d in zip(sizes, DISTANCES, strict=True) if size is not None]
    return {"asked": list(DISTANCES), "face_size": sizes, "largest_error_percent": float(np.abs(errors).max())}
