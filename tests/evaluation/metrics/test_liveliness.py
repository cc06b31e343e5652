"""Figures of liveliness with known answers: lips, brows, smiles and heads that move by known amounts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.metrics.liveliness import (
    BROWS,
    SCORED,
    SORTED_BY,
    brow_height,
    diversity,
    eyebrow_dynamics,
    head_dynamics,
    lip_dynamics,
    liveliness,
    lively_half,
    liveness_score,
    loudness_distance,
    silent_lip_stability,
    smile,
)
from vasa_core.face.topology import CHIN, EYES, FOREHEAD, LIP_PAIRS, MOUTH_CORNERS
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME

HEIGHT = 200.0
EYES_APART = 80.0  # px
INNER_UPPER, INNER_LOWER = [upper for upper, _ in LIP_PAIRS], [lower for _, lower in LIP_PAIRS]


def still(frames: int) -> np.ndarray:
    """A face of points, px: 200 high, eyes 80 apart with 20 wide eyes, brows 30 above them, mouth 60 wide, closed."""
    face = np.zeros((478, 3))
    face[FOREHEAD, 1], face[CHIN, 1] = -100, 100
    for side, (brow, eye) in zip((-1, 1), zip(BROWS, EYES, strict=True), strict=True):
        face[list(eye.contour), :2] = side * EYES_APART / 2, -40
        face[list(brow), :2] = side * EYES_APART / 2, -70
        face[list(eye.corners), 0] += [-10, 10]
    face[list(MOUTH), 1] = 50
    face[list(MOUTH_CORNERS), 0] = -30, 30
    return np.repeat(face[None], frames, 0)


# --- THEval ---


def test_brows_that_jump_by_a_tenth_of_the_eyes_distance() -> None:
    face = still(5)
    assert eyebrow_dynamics(face) == 0
    face[2, list(BROWS[0]), 1] -= 8  # one side, there and back: 2 of 8 changes
    assert eyebrow_dynamics(face) == pytest.approx(0.1 * 2 / 8)
    assert eyebrow_dynamics(3 * face + 50) == pytest.approx(0.1 * 2 / 8)


def test_a_head_that_turns_and_shifts_by_known_variances() -> None:
    swing = np.tile([-1.0, 1.0], 10)  # standard deviation 1; steps of 2 and -2
    angles, place = np.zeros((20, 3)), np.zeros((20, 2))
    place[:, 0] = 4 * swing
    assert head_dynamics(angles, place) == pytest.approx(np.sqrt(16 / 2))
    angles[:, 1] = np.radians(3 * swing)
    steps = np.diff(3 * swing).var()
    assert head_dynamics(angles, place) == pytest.approx(np.sqrt(3 / 3 * steps / 3 + 16 / 2))
    assert head_dynamics(angles[:1], place[:1]) == 0


def test_lips_of_which_one_point_swings() -> None:
    face = still(4)
    face[..., list(MOUTH), 0] = np.arange(len(MOUTH))  # all on one line
    face[::2, MOUTH[-1], 0] += 6  # its distance to each of the others spreads by 3
    pairs = len(MOUTH) * (len(MOUTH) - 1) / 2
    assert lip_dynamics(face) == pytest.approx(3 * (len(MOUTH) - 1) / pairs)
    assert lip_dynamics(2 * face) == pytest.approx(2 * lip_dynamics(face))
    face[:, :, :2] += np.arange(4)[:, None, None]  # a face that moves as a whole
    assert lip_dynamics(face) == pytest.approx(3 * (len(MOUTH) - 1) / pairs)


def test_lips_that_tremble_in_pauses_only_count_there() -> None:
    face, speech = still(40), np.zeros(40, bool)
    speech[10:30] = True
    face[:, INNER_LOWER, 1] += 10
    face[30::2, INNER_LOWER, 1] += 5
    face[10:30, INNER_LOWER, 1] += 40  # speaking: not asked
    span = EYES_APART + 20
    gaps = np.array([10.0] * 15 + [15.0] * 5) / span  # 20 silent frames, mean 11.25
    assert silent_lip_stability(face, speech) == pytest.approx(np.median(np.abs(gaps - gaps.mean())))
    assert silent_lip_stability(face, speech) == pytest.approx(1.25 / span)
    speech[:33] = True  # 7 frames of silence are left, 0.28 s: no pause
    assert silent_lip_stability(face, speech) is None


def test_lips_as_open_as_it_is_loud_have_no_distance() -> None:
    frames, level = 100, np.tile(np.repeat([0.0, 1.0], 25), 2)  # 1 s each: the windows at the edges hear both
    face, speech = still(frames), np.ones(frames, bool)
    face[:, INNER_LOWER, 1] += 20 * level[:, None]
    tone = np.sin(2 * np.pi * 400 * np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE)
    waveform = 0.5 * np.repeat(level, SAMPLES_PER_FRAME) * tone
    assert loudness_distance(face, speech, waveform) == pytest.approx(0, abs=0.02)
    face[:, INNER_LOWER, 1] += 20 * (1 - 2 * level[:, None])  # open where it is quiet
    assert loudness_distance(face, speech, waveform) == pytest.approx(1, abs=0.02)
    speech[9:] = False  # 9 % of the frames
    assert loudness_distance(face, speech, waveform) is None


def test_only_speech_counts_beside_loudness() -> None:
    face, speech = still(50), np.zeros(50, bool)
    speech[:23] = True  # the last 50 ms before it gets loud hear that
    face[:, INNER_LOWER, 1] += np.append(np.linspace(0, 10, 25), np.full(25, 90))[:, None]
    waveform = np.repeat(np.append(np.linspace(0, 0.1, 25), np.full(25, 0.9)), SAMPLES_PER_FRAME)
    assert loudness_distance(face, speech, waveform) == pytest.approx(0, abs=0.06)


# --- spreads ---


def test_measures_of_one_face() -> None:
    face = still(1)
    assert brow_height(face)[0] == 30
    assert smile(face)[0] == 30
    face[0, list(MOUTH_CORNERS), 1] -= 6
    face[0, list(MOUTH_CORNERS), 0] += [-5, 5]
    assert smile(face)[0] == pytest.approx(30 + 5 + 6)
    face[0, [14, 17], 1] += 30  # the jaw falls
    assert smile(face)[0] == pytest.approx(30 + 5 + 6)
    face[0, [*EYES[0].upper, *EYES[1].upper], 1] += 8  # a blink
    assert brow_height(face)[0] == 30


def test_all_figures_of_a_face_that_moves_by_known_amounts() -> None:
    frames = 20
    wave = np.tile([-1.0, 1.0], frames // 2)
    face = still(frames)
    face[:, list(MOUTH_CORNERS), 0] += wave[:, None] * [-2, 2]
    face[:, [point for brow in BROWS for point in brow], 1] += 3 * wave[:, None]
    face[:, [14, 87, 317], 1] += np.where(wave > 0, 10, 0)[:, None]
    angles = np.radians([1.0, 2.0, 3.0]) * wave[:, None]  # pitch, yaw, roll
    figures = liveliness(face, face, angles, np.zeros((frames, 2)))
    assert figures["mouth_width_std"] == pytest.approx(100 * 4 / HEIGHT)
    assert figures["smile_std"] == pytest.approx(100 * 2 / HEIGHT)
    assert figures["brow_height_std"] == pytest.approx(100 * 3 / HEIGHT)
    assert figures["opening"] == pytest.approx(100 * 10 / HEIGHT)
    spreads = [figures[f"head_{name}_std"] for name in ("pitch", "yaw", "roll")]
    np.testing.assert_allclose(spreads, [1, 2, 3])
    assert figures["eyebrow_dynamics"] == pytest.approx(6 / EYES_APART)
    assert figures["lip_dynamics"] == pytest.approx(lip_dynamics(face) / 2)  # as if 100 px high
    half = liveliness(face / 2, face / 7, angles, np.zeros((frames, 2)))
    assert half == pytest.approx(figures)  # whatever the crop


def test_diversity_is_the_spread_over_seeds_and_not_over_time() -> None:
    runs = np.arange(30.0).reshape(1, 10, 3).repeat(2, 0)
    assert diversity(runs) == 0
    runs[0] += 4
    assert diversity(runs) == 2


# --- beside real faces ---


def test_score_is_one_for_equals_and_none_for_a_still_face() -> None:
    real = dict.fromkeys(SCORED, 2.0)
    assert liveness_score(real, real) == 1
    assert liveness_score(dict.fromkeys(SCORED, 0.0), real) == 0
    assert liveness_score(dict.fromkeys(SCORED, 9.0), real) == 0  # far too lively, and no less than 0
    assert liveness_score(dict.fromkeys(SCORED, 1.0), real) == pytest.approx(0.5)
    assert liveness_score(dict.fromkeys(SCORED, 3.0), real) == pytest.approx(0.5)
    assert liveness_score(real | {"smile_std": 1.0}, real) == pytest.approx(1 - 0.5 / 7)


def test_the_lively_half_is_above_the_median_in_all_figures_together() -> None:
    def clip(name: str, size: float, **own: float) -> dict[str, Any]:
        return {"name": name, **dict.fromkeys(SORTED_BY, size), **own}

    rows = [clip("still", 1.0), clip("d", 8.0), clip("b", 2.0), clip("c", 2.5, head_dynamics=0.0)]
    assert [row["name"] for row in lively_half(rows)] == ["d", "b"]  # a head that never moves costs "c" its place
    assert [row["name"] for row in lively_half([*rows, clip("e", 16.0)])] == ["d", "e"]
    assert lively_half(rows[:1]) == []
    assert lively_half([]) == []


def test_pauses_are_counted_in_seconds() -> None:
    face, speech = still(FPS), np.ones(FPS, bool)
    speech[:8] = False  # 0.32 s
    assert silent_lip_stability(face, speech) == 0
