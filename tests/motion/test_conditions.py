"""Conditions: nulling, training dropout, labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.motion.conditions import Conditions, concatenated, main_gaze
from vasa_core.motion.window import NAMES, emotion_code
from vasa_core.options import EMOTIONS

CONTEXT = 10

WHOLE = ("gaze", "distance", "emotion", "liveliness")  # conditions of the whole window


def masks(conditions: Conditions) -> dict[str, bool]:
    return {
        "audio": bool(conditions.has_audio[:, CONTEXT:].any()),
        "context_audio": bool(conditions.has_audio[:, :CONTEXT].any()),
        "previous": bool(conditions.has_previous.any()),
        **{name: bool(getattr(conditions, f"has_{name}").any()) for name in WHOLE},
    }


@pytest.mark.parametrize("name", NAMES)
def test_without_takes_away_that_condition_only(conditions: Conditions, name: str) -> None:
    lost = {name, "context_audio"} if name == "previous" else {name}
    assert masks(conditions.without(name)) == {key: key not in lost for key in masks(conditions)}
    assert conditions.present(name)
    assert not conditions.without(name).present(name)


def test_concatenated_is_the_batches_in_order(conditions: Conditions) -> None:
    both = concatenated([conditions, conditions.without("gaze")])
    assert len(both) == 4
    assert both.has_gaze.tolist() == [True, True, False, False]


def test_dropout_has_the_asked_rates(conditions: Conditions) -> None:
    many = concatenated([conditions] * 1000)
    rates = {"audio": 0.1, "gaze": 0.2, "distance": 0.1, "emotion": 0.3, "liveliness": 0.2, "previous": 0.5}
    dropped = many.dropped(rates, tail=0.0, generator=torch.Generator().manual_seed(0))
    assert dropped.has_audio[:, CONTEXT:].float().mean().item() == pytest.approx(0.9, abs=0.02)
    assert dropped.has_audio[:, :CONTEXT].float().mean().item() == pytest.approx(0.5, abs=0.03)
    for name in (*WHOLE, "previous"):
        assert getattr(dropped, f"has_{name}").float().mean().item() == pytest.approx(1 - rates[name], abs=0.03)


def test_tail_dropout_takes_the_last_audio_frames_only(conditions: Conditions) -> None:
    many = concatenated([conditions] * 100)
    dropped = many.dropped(dict.fromkeys(NAMES, 0.0), tail=0.5, generator=torch.Generator().manual_seed(0))
    lengths = dropped.has_audio.sum(1)
    assert dropped.has_audio[:, : CONTEXT + 1].all()
    assert (dropped.has_audio.long().diff(dim=1) <= 0).all()  # once null, null to the end
    assert 0.3 < (lengths < dropped.has_audio.shape[1]).float().mean() < 0.7


def test_main_gaze_is_the_mode_and_not_the_mean() -> None:
    rng = np.random.default_rng(0)
    camera = np.deg2rad([5.0, -3.0]) + rng.normal(0, 0.005, (40, 2))
    away = np.deg2rad([40.0, 20.0]) + rng.normal(0, 0.005, (10, 2))
    assert np.rad2deg(main_gaze(np.concatenate([camera, away]))) == pytest.approx([5, -3], abs=0.3)


def test_main_gaze_across_the_edge_of_a_cell_stays_whole() -> None:
    gaze = np.radians([[-0.1, 0.1]] * 4 + [[0.1, -0.1]] * 4 + [[30.0, 30.0]] * 7)
    assert main_gaze(gaze) == pytest.approx([0, 0], abs=1e-9)


def test_main_gaze_moves_with_the_gaze() -> None:
    gaze = np.random.default_rng(1).normal(0, 0.02, (50, 2))
    shift = np.deg2rad([20.0, -15.0])
    assert main_gaze(gaze + shift) == pytest.approx(main_gaze(gaze) + shift, abs=0.02)


def test_emotion_code() -> None:
    code = emotion_code("happiness", 0.25)
    assert code[EMOTIONS.index("happiness")] == 0.25
    assert code[EMOTIONS.index("neutral")] == 0.75
    assert emotion_code("neutral", 0.3)[EMOTIONS.index("neutral")] == pytest.approx(1)
