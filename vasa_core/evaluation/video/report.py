"""Summarise the rendered videos' figures: medians over videos, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.liveliness import SCORED, liveness_score
from vasa_core.evaluation.report import Table
from vasa_core.rates import FPS

# Part, figures, their unit, what is wanted. In the table's order; a figure with no value anywhere is left out.
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("Lip sync", "lag", "frames", "0 +- 1"),
    ("", "confidence", "", ">= 0.35, near real"),
    ("", "confidence_shuffled", "", "< 0.2"),
    ("", "lag_change_when_delayed", "frames", "-5"),
    ("", "lips_moved", "of expected", "near real"),
    ("", "gap_in_silence gap_in_speech", "of face height", "near real"),
    ("", "closed_share", "of pauses", "near 1"),
    ("Eyes", "blinks_per_minute", "", "8-30"),
    ("", "blink_seconds", "s", "0.1-0.4"),
    ("", "longest_closed_seconds", "s", "< 0.6"),
    ("", "gaze_yaw gaze_pitch", "deg", "0 unless set"),
    ("Head", "delta_pose", "deg/frame", "near real"),
    ("", "pose_spread", "deg", "near real"),
    ("", "seam_ratio seam_ratio_pose seam_ratio_face", "", "near real"),
    ("Liveliness", "liveness", "0 to 1", "1"),
    ("", "liveness_lively", "0 to 1", "1: lively half"),
    ("", "lip_dynamics", "% face height", "near real"),
    ("", "lip_dynamics_256", "px of 256", "near real"),
    ("", "eyebrow_dynamics", "eye distances", "near real"),
    ("", "head_dynamics head_dynamics_256", "", "near real"),
    ("", "opening mouth_width_std smile_std brow_height_std", "% face height", "near real"),
    ("", "head_yaw_std head_pitch_std head_roll_std", "deg", "near real"),
    ("", "silent_lip_stability", "eye distances", "near real"),
    ("", "loudness_distance", "0 to 1", "near real"),
    ("Picture", "background_motion", "levels/frame", "not above real"),
    ("", "background_ratio", "of real", "<= 1"),
    ("", "sharpness_kept scale_kept", "end / start", "1"),
    ("", "face_found", "of frames", "1"),
    ("Against truth", "landmarks_all landmarks_mouth landmarks_eyes landmarks_rest", "% face height", "< 1.5"),
    ("", "still_all still_mouth", "% face height", "(photo held still)"),
    ("", "shape_mouth shape_eyes", "% face height", "pose taken off"),
    ("", "mouth_correlation mouth_gain opening_correlation opening_gain", "", "1"),
    ("", "gaze_error", "deg", "0"),
    ("", "distance_error", "%", "0"),
    ("", "pose_error", "deg", "0"),
    ("", "psnr psnr_face", "dB", "high"),
    ("", "first_psnr", "dB", "photo rebuilt"),
    ("", "ssim", "", "1"),
    ("", "sharpness_face sharpness_mouth sharpness_eyes", "of real", "1"),
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


def video_table(result: dict[str, Any]) -> str:
    """Show the result of `evaluate` as text: each figure beside that of real video and what is wanted."""
    summary = result["summary"]
    table = Table([f"{part} ({figures['videos']})" for part, figures in summary.items()])
    for part, names, unit, wanted in ROWS:
        if part:
            table.heading(part)
        for name in names.split():
            table.row(name.replace("_", " "), unit, [figures.get(name) for figures in summary.values()], wanted)
    table.listing("Controls, through the whole path", result["controls"])
    table.listing("Rendering alone", result["rendering"])
    return table.text(result["not_measured"])
