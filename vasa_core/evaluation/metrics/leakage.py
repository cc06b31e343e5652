"""Cross-talk between controls: how far moving one moves what the others are for."""

from __future__ import annotations

from collections.abc import Mapping

from vasa_core.options import EMOTION_CHOICES

LIP_OPENING = "lip_opening"


def relative_moves(
    ends: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]], lip_range: float
) -> dict[str, dict[str, float]]:
    """{control moved: {measure: how far it moved, % of what its own control moves it}}.

    ends: every measure, named like its control, at both ends of each control's range. The lips' opening has no control:
    its range is lip_range. Emotions are not set against each other, since only one can be asked for.
    """
    moved = {
        control: {name: abs(after[name] - before[name]) for name in before} for control, (before, after) in ends.items()
    }
    own = {control: moved[control][control] for control in ends} | {LIP_OPENING: lip_range}
    return {
        control: {
            name: 100 * value / max(own[name], 1e-9)
            for name, value in figures.items()
            if name != control and not (control in EMOTION_CHOICES and name in EMOTION_CHOICES)
        }
        for control, figures in moved.items()
    }
