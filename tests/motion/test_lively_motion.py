"""Liveliness: what it reads off motion, and how scaling changes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.motion.liveliness import FACE_PARTS, HEAD_PART, LIVELINESS, liveliness, scaled
from vasa_core.motion.model import EXPRESSIVENESS, MotionModel
from vasa_core.rates import FPS

FRAMES = 4 * FPS


def swaying(amount: float, lips: float) -> np.ndarray:
    """A head that sways by `amount` rad once in two seconds, over four channels of expression of which one moves."""
    x = np.zeros((FRAMES, 14))
    wave = np.sin(2 * np.pi * np.arange(FRAMES) / (2 * FPS))
    x[:, 1] = amount * wave
    x[:, 10] = lips * wave
    return x


READINGS = np.diag([0.02, 0.01, 0.03, 0.04])  # of four channels of expression


def test_each_part_reads_what_it_is_of() -> None:
    assert LIVELINESS == ("lips", "brows", "smile", "head")
    low, high = liveliness(swaying(0.1, 1.0), READINGS), liveliness(swaying(0.1, 2.0), READINGS)
    assert np.exp(low[0]) - 1e-3 == pytest.approx(0.02 / np.sqrt(2))
    assert np.exp(high[0]) - 1e-3 == pytest.approx(2 * 0.02 / np.sqrt(2))
    assert low[1:] == pytest.approx(high[1:])
    assert np.exp(low[1:3]) - 1e-3 == pytest.approx(0, abs=1e-12)


def test_the_head_counts_by_its_spread_and_its_speed() -> None:
    head = np.exp(liveliness(swaying(0.1, 0.0), READINGS)[HEAD_PART]) - 1e-3
    spread = 0.1 / np.sqrt(2) / np.sqrt(3)  # one of three angles
    assert head == pytest.approx(spread * np.sqrt(np.pi), rel=0.01)  # speed of a sine of period 2 s: pi times as much


def test_scaled_motion_is_as_much_livelier() -> None:
    x = np.random.default_rng(0).normal(size=(FRAMES, 14))
    change = liveliness(scaled(x, face=0.3, head=-0.2), READINGS) - liveliness(x, READINGS)
    assert change[FACE_PARTS] == pytest.approx(0.3, abs=0.03)
    assert change[HEAD_PART] == pytest.approx(-0.2, abs=0.01)
    assert np.array_equal(scaled(x, face=0.3)[:, 6:10], x[:, 6:10])  # gaze and lids stay


def test_expressiveness_is_read_between_the_stored_levels(model: MotionModel) -> None:
    model.liveliness_at.copy_(torch.arange(20.0).reshape(5, 4))
    for level, stored in zip(EXPRESSIVENESS.tolist(), model.liveliness_at, strict=True):
        assert np.array_equal(model.numbers.liveliness(level), stored.numpy())
    assert model.numbers.liveliness(0.25).tolist() == [2.0, 3.0, 4.0, 5.0]
    assert np.array_equal(model.numbers.liveliness(3.0), model.liveliness_at[-1].numpy())


def test_a_style_takes_the_place_of_expressiveness_1(model: MotionModel) -> None:
    model.lively_mean.copy_(torch.tensor([-3.0, -4.0, -3.0, -2.0]))
    model.lively_std.fill_(0.5)
    model.liveliness_at.copy_(torch.arange(20.0).reshape(5, 4))
    style = np.array([-2.5, -4.0, -9.0, -2.0])
    assert model.numbers.liveliness(1.0, style).tolist() == [1.0, 0.0, -2.5, 0.0]  # nobody is further out than 2.5
    assert model.numbers.liveliness(1.5, style).tolist() == [5.0, 4.0, 1.5, 4.0]
