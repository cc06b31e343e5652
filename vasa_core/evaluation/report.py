"""From figures to a report: medians over videos, one JSON file, one table that a person can read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.liveliness import SCORED, liveness_score
from vasa_core.files import write_text
from vasa_core.rates import FPS

# Figure, unit, what is wanted. In the table's order; a figure with no value anywhere is left out.
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("Lip sync", "lag", "frames", "0 +- 1"),
    ("", "confidence", "", ">= 0.35, near real"),
    ("", "confidence_shuffled", "", "< 0.2"),
    ("", "lag_change_when_delayed", "frames", "-5"),
    ("", "lips_moved", "of expected", "near real"),
    ("", "gap_in_silence", "of face height", "near real"),
    ("", "gap_in_speech", "of face height", "near real"),
    ("", "closed_share", "of pauses", "near 1"),
    ("Eyes", "blinks_per_minute", "", "8-30"),
    ("", "blink_seconds", "s", "0.1-0.4"),
    ("", "longest_closed_seconds", "s", "< 0.6"),
    ("", "gaze_yaw", "deg", "0 unless asked"),
    ("", "gaze_pitch", "deg", "0 unless asked"),
    ("Head", "delta_pose", "deg/frame", "near real"),
    ("", "pose_spread", "deg", "near real"),
    ("", "seam_ratio", "", "near real"),
    ("", "seam_ratio_pose", "", "near real"),
    ("", "seam_ratio_face", "", "near real"),
    ("Liveliness", "liveness", "0 to 1", "1"),
    ("", "liveness_lively", "0 to 1", "1: lively half"),
    ("", "lip_dynamics", "% face height", "near real"),
    ("", "lip_dynamics_256", "px of 256", "near real"),
    ("", "eyebrow_dynamics", "eye distances", "near real"),
    ("", "head_dynamics", "", "near real"),
    ("", "head_dynamics_256", "", "near real"),
    ("", "opening", "% face height", "near real"),
    ("", "mouth_width_std", "% face height", "near real"),
    ("", "smile_std", "% face height", "near real"),
    ("", "brow_height_std", "% face height", "near real"),
    ("", "head_yaw_std", "deg", "near real"),
    ("", "head_pitch_std", "deg", "near real"),
    ("", "head_roll_std", "deg", "near real"),
    ("", "silent_lip_stability", "eye distances", "near real"),
    ("", "loudness_distance", "0 to 1", "near real"),
    ("Picture", "background_motion", "levels/frame", "not above real"),
    ("", "background_ratio", "of real", "<= 1"),
    ("", "sharpness_kept", "end / start", "1"),
    ("", "scale_kept", "end / start", "1"),
    ("", "face_found", "of frames", "1"),
    ("Against truth", "landmarks_all", "% face height", "< 1.5"),
    ("", "landmarks_mouth", "% face height", "< 1.5"),
    ("", "landmarks_eyes", "% face height", "< 1.5"),
    ("", "landmarks_rest", "% face height", "< 1.5"),
    ("", "still_all", "% face height", "(photo held still)"),
    ("", "still_mouth", "% face height", "(photo held still)"),
    ("", "shape_mouth", "% face height", "pose taken off"),
    ("", "shape_eyes", "% face height", "pose taken off"),
    ("", "mouth_correlation", "", "1"),
    ("", "mouth_gain", "", "1"),
    ("", "opening_correlation", "", "1"),
    ("", "opening_gain", "", "1"),
    ("", "gaze_error", "deg", "0"),
    ("", "distance_error", "%", "0"),
    ("", "pose_error", "deg", "0"),
    ("", "psnr", "dB", "high"),
    ("", "psnr_face", "dB", "high"),
    ("", "first_psnr", "dB", "photo rebuilt"),
    ("", "ssim", "", "1"),
    ("", "sharpness_face", "of real", "1"),
    ("", "sharpness_mouth", "of real", "1"),
    ("", "sharpness_eyes", "of real", "1"),
    ("Identity", "identity_shape", "% face width", "0"),
    ("", "identity_descriptor", "", "< 0.45"),
)
_SKIPPED = {"part", "clip", "frames", "blinks"}


def summarise(videos: Sequence[dict[str, Any]], parts: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """Median of every figure over the videos of each part; blinks are counted over all their minutes together."""
    summary: dict[str, dict[str, float | int]] = {}
    for part in parts:
        mine = [video for video in videos if video["part"] == part]
        figures: dict[str, float | int] = {"videos": len(mine)}
        for name in dict.fromkeys(name for video in mine for name in video if name not in _SKIPPED):
            values = [video[name] for video in mine if video.get(name) is not None]
            if values:
                figures[name] = float(np.median(values))
        frames = sum(video.get("frames", 0) for video in mine)
        if frames:
            minutes = frames / FPS / 60
            figures["blinks_per_minute"] = sum(video.get("blinks", 0) for video in mine) / minutes
        summary[part] = figures
    return summary


def score_liveness(summary: dict[str, dict[str, float | int]]) -> None:
    """Add the liveness score of every part, to the real clips and to their lively half, where there are such."""
    for name, real in (("liveness", "real"), ("liveness_lively", "lively")):
        reference = dict(summary[real])
        for figures in summary.values():
            if all(figure in reference and figure in figures for figure in SCORED):
                figures[name] = liveness_score(figures, reference)


def table(result: dict[str, Any]) -> str:
    """The result of `evaluate` as text: each figure beside that of real video and what is wanted."""
    summary = result["summary"]
    parts = list(summary)
    lines = [_row("", "", *(f"{part} ({summary[part]['videos']})" for part in parts), "wanted")]
    for group, name, unit, wanted in ROWS:
        values = [summary[part].get(name) for part in parts]
        if group:
            lines.append(f"-- {group}")
        if any(value is not None for value in values):
            lines.append(_row(name.replace("_", " "), unit, *map(_number, values), wanted))
    for title, key in (("-- Controls, through the whole path", "controls"), ("-- Drawing alone", "drawing")):
        lines.append(title)
        for name, figures in result[key].items():
            shown = ", ".join(f"{figure.replace('_', ' ')} {_number(value)}" for figure, value in figures.items())
            lines.append(f"{name.replace('_', ' ')}: {shown}")
    lines += [f"not measured: {line}" for line in result["not_measured"]]
    return "\n".join(lines)


def write_report(path: Path, result: dict[str, Any]) -> None:
    """Write the result as JSON, by rename; infinite and missing values become null."""
    write_text(path, json.dumps(_plain(result), indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5) if math.isfinite(value) else None
    return value


def _number(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + " ".join(_number(entry) for entry in value) + "]"
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _row(name: str, unit: str, *cells: str) -> str:
    *values, wanted = cells
    return f"{name:26}{unit:17}" + "".join(f"{value:>16}" for value in values) + f"   {wanted}"
