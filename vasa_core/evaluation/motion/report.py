"""The figures of motion over all recordings, as numbers and as one table that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vasa_core.evaluation.metrics.liveliness import SCORED, lively_half, liveness_score
from vasa_core.evaluation.metrics.motion import Seams
from vasa_core.evaluation.report import Table
from vasa_core.rates import FPS

KINDS = ("generated", "real", "lively", "fitted", "shuffled", "still")  # lively: the livelier half of the real clips
TITLES = ("generated", "real", "lively half", "fitted", "shuffled", "still")

# Figure, title, unit, what is wanted. In the table's order; a row without any value is left out.
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("closed_share", "lips closed at /p b m/", "% of cases", "near real, far from shuffled"),
    ("opened_share", "lips open at open vowels", "% of cases", "near real"),
    ("both_shares", "mean of the two", "%", "still or at random: 50"),
    ("depth", "vowels wider than /p b m/", "of 95th perc.", "near real"),
    ("confidence", "lip-sync, confidence", "", "near real"),
    ("sync_lag", "lip-sync, lag", "frames", "0"),
    ("lve", "lip vertex error", "% face height", "under shuffled"),
    ("lve_centred", "the same, means taken off", "% face height", "under shuffled, still"),
    ("opening_difference", "mouth opening difference", "% face height", "under shuffled"),
    ("lip_correlation", "lip opening correlation", "", "high"),
    ("lip_correlation_best", "the same at its best lag", "", "high"),
    ("lip_lag", "best lag", "frames", "0"),
    ("liveness", "liveness score, to real", "0 to 1", "1"),
    ("liveness_lively", "the same, to lively half", "0 to 1", "1"),
    ("lip_dynamics", "lip dynamics", "% face height", "near real"),
    ("eyebrow_dynamics", "eyebrow dynamics", "eye distances", "near real"),
    ("head_dynamics", "head dynamics", "", "near real"),
    ("opening", "widest opening, 95th perc.", "% face height", "near real"),
    ("mouth_width_std", "mouth width, spread", "% face height", "near real"),
    ("smile_std", "smile, spread", "% face height", "near real"),
    ("brow_height_std", "brow height, spread", "% face height", "near real"),
    ("head_yaw_std", "head's yaw, spread", "deg", "near real"),
    ("head_pitch_std", "head's pitch, spread", "deg", "near real"),
    ("head_roll_std", "head's roll, spread", "deg", "near real"),
    ("silent_lip_stability", "lips move in pauses", "eye distances", "near real"),
    ("loudness_distance", "opening against loudness", "0 to 1", "near real"),
    ("upper_dynamics", "upper face moves", "% face height", "near real"),
    ("fdd", "upper-face deviation, FDD", "% face height", "0"),
    ("head_speed", "head's turn", "deg/frame", "near real"),
    ("head_speed_ratio", "the same over real", "", "1"),
    ("head_spread", "head's spread", "deg", "near real"),
    ("beat_alignment", "beat alignment", "0 to 1", "near real, over shuffled"),
    ("beat_alignment_other", "the same with another voice", "0 to 1", ""),
    ("stress_alignment", "head, brows with loudness", "correlation", "near real, over shuffled"),
    ("stress_alignment_other", "the same with another voice", "correlation", ""),
    ("blinks_per_minute", "blinks a minute", "", "8-30"),
    ("blink_seconds", "length of a blink", "s", "0.1-0.4"),
    ("usual_blink_share", "blinks of 0.1-0.4 s", "%", "100"),
    ("seam_step_pose", "seams: head, position", "of elsewhere", "1"),
    ("seam_jerk_pose", "seams: head, speed", "of elsewhere", "1"),
    ("seam_step_face", "seams: face, position", "of elsewhere", "1"),
    ("seam_jerk_face", "seams: face, speed", "of elsewhere", "1"),
)
_MEDIANS = {"sync_lag", "lip_lag"}
_COUNTS = {"not_filmed", "frames", "blinks", "usual_blinks", "closed", "closures", "opened", "openings"}


def summarise_motion(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float | int]]]:
    """{group: {kind: {figure: value}}}: means over recordings, medians of lags, shares and seams of all cases together.

    The liveness score is taken to the group's own real clips; where it has none, to those of all groups.
    """
    filmed = [row for row in rows if row["kind"] == "real"]
    groups: dict[str, dict[str, dict[str, float | int]]] = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        of_kind = {kind: [row for row in rows if (row["group"], row["kind"]) == (group, kind)] for kind in KINDS}
        of_kind["lively"] = lively_half(of_kind["real"])
        kinds = {kind: _summary(mine) for kind, mine in of_kind.items() if mine}
        own = of_kind["real"] or filmed
        for name, clips in (("liveness", own), ("liveness_lively", lively_half(own))):
            for figures in kinds.values() if clips else ():
                figures[name] = liveness_score(figures, _summary(clips))
        real = kinds.get("real", {}).get("head_speed")
        for figures in kinds.values():
            if real:
                figures["head_speed_ratio"] = figures["head_speed"] / real
        groups[group] = kinds
    return groups


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, float | int]:
    figures: dict[str, float | int] = {"recordings": len(rows)}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if isinstance(row.get(name), int | float)]
        seams = [row[name] for row in rows if isinstance(row.get(name), Seams)]
        if name in _COUNTS:
            figures[name] = sum(values)
        elif seams:
            ratio = Seams(*map(sum, zip(*seams, strict=True))).ratio
            figures |= {name: ratio} if ratio is not None else {}
        elif values:
            figures[name] = float(np.median(values) if name in _MEDIANS else np.mean(values))
    if figures.get("closures"):
        figures["closed_share"] = 100 * figures["closed"] / figures["closures"]
    if figures.get("openings"):
        figures["opened_share"] = 100 * figures["opened"] / figures["openings"]
    if "closed_share" in figures and "opened_share" in figures:
        figures["both_shares"] = (figures["closed_share"] + figures["opened_share"]) / 2
    figures["blinks_per_minute"] = figures["blinks"] / (figures["frames"] / FPS / 60)
    if figures["blinks"]:
        figures["usual_blink_share"] = 100 * figures["usual_blinks"] / figures["blinks"]
    return figures


def motion_table(result: dict[str, Any]) -> str:
    """Show the result of `measure_motion` as text."""
    table = Table(TITLES)
    for group, kinds in result["groups"].items():
        made = kinds["generated"]
        cases = f", {made['closures']:.0f} /p b m/, {made['openings']:.0f} vowels" if "closures" in made else ""
        others = f" ({made['not_filmed']:.0f} of them other generators' videos)" if made.get("not_filmed") else ""
        minutes = made["frames"] / FPS / 60
        table.heading(f"{group}: {made['recordings']:.0f} recordings{others}, {minutes:.1f} min{cases}")
        for name, title, unit, wanted in ROWS:
            table.row(title, unit, [kinds.get(kind, {}).get(name) for kind in KINDS], wanted)
    table.lines.append(f"liveness score: mean nearness to real of {', '.join(SCORED)}".replace("_", " "))
    for name in ("controls", "seeds", "styles", "emotions"):
        table.listing(name.capitalize(), result[name])
    return table.text(result["not_measured"])
