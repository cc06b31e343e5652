"""Whether the motion generated in somebody's style is like theirs: figures of both, over people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vasa_core.evaluation.motion.figures import Moves, by_itself
from vasa_core.evaluation.motion.recordings import Face, Generator, Recording
from vasa_core.face.basis import EXPRESSION, FaceBasis
from vasa_core.face.measure import eye_gap
from vasa_core.motion.style import Style
from vasa_core.options import GenerationOptions
from vasa_core.pipeline.style import style_of
from vasa_core.types import Motion

FIGURES = (
    *("lip_dynamics", "eyebrow_dynamics", "head_dynamics", "mouth_width_std", "brow_height_std", "smile_std"),
    *("head_yaw_std", "head_pitch_std", "head_roll_std"),
)
STYLE_FRAMES = 250  # generated in each style
STYLE_SEEDS = 2
_LEAST = 1e-6  # of figures whose logs are taken


def measure_styles(
    generate: Generator, people: Sequence[Recording], voices: Sequence[Recording]
) -> dict[str, dict[str, float]]:
    """For each figure: correlation, over people, of the log of theirs with that of what is made in their style.

    Beside it, the share of people whose own figure is nearer to that of their style than to that of no style. resting:
    the share whose mean expression is. people: recordings with a real face. voices: what speaks, on the usual face.
    """
    basis, face = generate.basis, Face.usual(generate.basis)

    def spoken(style: Style | None) -> dict[str, Any]:
        runs = [
            generate(voice.features[:STYLE_FRAMES], face.motion, GenerationOptions(seed=seed), style)
            for voice in voices
            for seed in range(STYLE_SEEDS)
        ]
        rows = [_logs(face.moved(basis, run)) for run in runs]
        return {"figures": np.mean(rows, 0), "rest": np.mean([run.dynamics[:, EXPRESSION].mean(0) for run in runs], 0)}

    usual = spoken(None)
    samples, styled, rests = [], [], []
    for person in people:
        if person.real is None:
            continue
        motion = _own_motion(basis, person.real)
        made, rest = spoken(style_of(motion, basis, generate.model)), motion.dynamics[:, EXPRESSION].mean(0)
        samples.append(_logs(person.real))
        styled.append(made["figures"])
        rests.append(np.linalg.norm(made["rest"] - rest) < np.linalg.norm(usual["rest"] - rest))
    if len(samples) < 3:
        return {}
    real, found = np.array(samples), np.array(styled)  # (people, figures)
    nearer = (np.abs(found - real) < np.abs(usual["figures"] - real)).mean(0)
    return {
        name: {"correlation": float(np.corrcoef(real[:, i], found[:, i])[0, 1]), "nearer": float(nearer[i])}
        for i, name in enumerate(FIGURES)
    } | {"resting": {"nearer": float(np.mean(rests))}}


def _own_motion(basis: FaceBasis, moves: Moves) -> Motion:
    return Motion(
        moves.pose, basis.encode(moves.shapes, basis.neutral(moves.shapes), np.median(eye_gap(moves.shapes), 0))
    )


def _logs(moves: Moves) -> np.ndarray:
    figures = by_itself(moves, len(moves))
    return np.log([max(figures[name], _LEAST) for name in FIGURES])
