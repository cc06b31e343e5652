"""Guidance: VASA-1's eq. 2 with known answers, one forward, nothing wasted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.guidance import guided

CALLS: list[int] = []
X, T = torch.zeros(2, 3, 4), torch.tensor([5, 5])


def bind(conditions: Conditions):
    """A denoiser whose answer is a sum of one power of ten for each condition that is there, plus x."""

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        CALLS.append(len(x))
        context = conditions.previous.shape[1]
        value = 1.0 * conditions.has_audio[:, context:].all(1) + 10.0 * conditions.has_gaze
        value = value + 100.0 * conditions.has_emotion + 1000.0 * conditions.has_audio[:, :context].all(1)
        return x + value[:, None, None]

    return denoise


def test_formula(conditions: Conditions) -> None:
    CALLS.clear()
    scales = {"audio": 0.5, "gaze": 1.0, "emotion": 2.0}
    full = 1111.0
    expected = (1 + 3.5) * full - 0.5 * (full - 1) - 1.0 * (full - 10) - 2.0 * (full - 100)
    found = guided(bind, conditions, scales)(X + 0.25, T)
    # x itself is in every term, all from the same x_t, so it counts once.
    assert found.numpy() == pytest.approx(expected + 0.25)
    assert CALLS == [8]


def test_zero_scales_cost_nothing(conditions: Conditions) -> None:
    CALLS.clear()
    assert guided(bind, conditions, {"audio": 0.0, "gaze": 0.0})(X, T).numpy() == pytest.approx(1111)
    assert CALLS == [2]


def test_absent_conditions_cost_nothing_and_change_nothing(conditions: Conditions) -> None:
    CALLS.clear()
    absent = replace(conditions, has_emotion=torch.zeros(2, dtype=torch.bool))
    assert guided(bind, absent, {"emotion": 3.0})(X, T).numpy() == pytest.approx(1011)
    assert CALLS == [2]
