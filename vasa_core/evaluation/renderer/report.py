"""The renderer's figures over all clips, as numbers and as a table that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vasa_core.evaluation.report import Table

# Figure, title, unit, what is wanted: "low" of an error, "one" of a ratio, "high" of decibels.
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("mouth_l1", "mouth box L1", "-1..1", "low"),
    ("mouth_distance", "mouth box VGG", "", "low"),
    ("lips_l1", "inside inner lips L1", "-1..1", "low"),
    ("lips_distance", "inner lips box VGG", "", "low"),
    ("lips_sharpness", "inside inner lips sharp.", "of truth", "one"),
    ("wide_lips_l1", "widest: inside lips L1", "-1..1", "low"),
    ("wide_lips_distance", "widest: lips box VGG", "", "low"),
    ("wide_lips_sharpness", "widest: inside sharp.", "of truth", "one"),
    ("tight_l1", "tight mouth box L1", "-1..1", "low"),
    ("tight_distance", "tight mouth box VGG", "", "low"),
    ("tight_sharpness", "tight mouth sharpness", "of truth", "one"),
    ("eyes_l1", "eye boxes L1", "-1..1", "low"),
    ("eyes_distance", "eye boxes VGG", "", "low"),
    ("eyes_sharpness", "eye sharpness", "of truth", "one"),
    ("psnr", "whole picture PSNR", "dB", "high"),
    ("face_sharpness", "face sharpness", "of truth", "one"),
    ("mouth_flicker", "mouth box flicker", "of truth", "one"),
    ("background_motion", "background motion", "of truth", "one"),
    ("landmarks_mouth", "mouth landmarks", "% face height", "low"),
    ("mouth_opening_error", "mouth opening error", "% face height", "low"),
    ("landmarks_eyes", "eye landmarks", "% face height", "low"),
    ("open_eyes_error", "lid opening, open eyes", "% error", "low"),
    ("shut_eyes_error", "lid opening, shut eyes", "% error", "low"),
    ("shut_opening", "opening of shut eyes", "% of open", ""),
    ("gaze_error", "gaze in the head", "deg", "low"),
    ("face_found", "face found", "of frames", ""),
    ("identity_median", "identity, median", "distance", "low"),
    ("identity_p95", "identity, 95th perc.", "distance", "low"),
)


def summarise_clips(clips: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean over clips of every figure; identity's median and 95th percentile over all frames of all clips.

    aligned: of the warp moved onto the truth, which tells how much of an error is registration.
    wide_*: of the widest third of a clip's measured frames whose lips are open.

    reduction: how much of the warp's error the render removes, %: of the error, of a ratio's distance to 1, of the
    squared error behind decibels. better: clips on which the render is the better one.
    """
    summary: dict[str, dict[str, Any]] = {}
    for name, _, _, wanted in ROWS:
        found = [clip for clip in clips if name in clip["warp"] and name in clip["render"]]
        if not found:
            continue
        warp, render = ([float(clip[kind][name]) for clip in found] for kind in ("warp", "render"))
        entry: dict[str, Any] = {"warp": float(np.mean(warp)), "render": float(np.mean(render)), "clips": len(found)}
        for kind in ("aligned", "truth"):
            values = [clip[kind][name] for clip in found if name in clip.get(kind, {})]
            if values:
                entry[kind] = float(np.mean(values))
        if wanted:
            before, after = ([error(value, wanted) for value in values] for values in (warp, render))
            entry["reduction"] = reduction(before, after)
            entry["better"] = sum(b < a for a, b in zip(before, after, strict=True))
        summary[name] = entry
    for name, share in (("identity_median", 50), ("identity_p95", 95)):
        pooled = {
            kind: [value for clip in clips for value in clip["distances"].get(kind, ())]
            for kind in ("warp", "render", "truth")
        }
        if pooled["truth"]:
            summary[name] = {kind: float(np.percentile(values, share)) for kind, values in pooled.items()}
            summary[name]["reduction"] = reduction([summary[name]["warp"]], [summary[name]["render"]])
    frames = sum(clip["frames"] for clip in clips)
    summary["worse_psnr"] = {"render": sum(clip["worse_psnr"] for clip in clips), "frames": frames}
    return summary


def error(value: float, wanted: str) -> float:
    """What is wrong with a figure: the figure itself, its distance to 1, or the squared error behind decibels."""
    return {"low": value, "one": abs(value - 1), "high": 10 ** (-value / 10)}[wanted]


def reduction(warp: Sequence[float], render: Sequence[float]) -> float | None:
    """Share of the warp's mean error that the render removes, in %; None if the warp has none."""
    before = float(np.mean(warp))
    return 100 * (1 - float(np.mean(render)) / before) if before > 0 else None


def render_table(result: dict[str, Any]) -> str:
    """Show the result of `measure_renderer` as text: means over clips."""
    summary = result["summary"]
    table = Table(("warp", "render", "aligned", "truth", "less, %", "better"), "")
    for name, title, unit, _ in ROWS:
        entry = summary.get(name, {})
        better = f"{entry['better']}/{entry['clips']}" if "better" in entry else None
        kinds = [entry.get(key) for key in ("warp", "render", "aligned", "truth", "reduction")]
        table.row(title, unit, [*kinds, better])
    worse = summary["worse_psnr"]
    table.lines.append(f"PSNR lower than the warp's on {worse['render']} of {worse['frames']} frames")
    return table.text(result["not_measured"])
