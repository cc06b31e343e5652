"""Representation: closed form in both directions, and what each option does."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.motion.representation import (
    from_model,
    to_model,
    usual_pose,
    with_emotion,
)
from vasa_core.types import Motion

RNG = np.random.default_rng(0)
MOTION = Motion(RNG.normal(0, 0.2, (30, 6)), RNG.normal(0, 0.5, (30, 12)))
PORTRAIT = np.array([0.1, -0.2, 0.05, 0.3, -0.1, 0.4])


def test_round_trip() -> None:
    usual = usual_pose(MOTION)
    gaze = np.array([0.2, -0.1])
    back = from_model(to_model(MOTION, usual, gaze), usual, gaze)
    assert back.pose == pytest.approx(MOTION.pose)
    assert back.dynamics == pytest.approx(MOTION.dynamics)


def test_gaze_is_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert x[:, 6] == pytest.approx(MOTION.pose[:, 1] + MOTION.dynamics[:, 0])  # yaw
    assert x[:, 7] == pytest.approx(MOTION.pose[:, 0] + MOTION.dynamics[:, 1])  # pitch


def test_no_head_motion_is_the_portraits_pose() -> None:
    motion = from_model(to_model(MOTION, usual_pose(MOTION)), PORTRAIT, head_motion=0.0)
    assert motion.pose == pytest.approx(np.tile(PORTRAIT, (30, 1)))


def test_frozen_heads_keep_the_gaze_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    motion = from_model(x, PORTRAIT, head_motion=0.0)
    assert motion.dynamics[:, 0] + PORTRAIT[1] == pytest.approx(x[:, 6])
    assert motion.dynamics[:, 1] + PORTRAIT[0] == pytest.approx(x[:, 7])


def test_head_motion_scales_about_the_usual_pose() -> None:
    x = np.zeros((4, 18))
    x[:, 5] = [0.1, -0.1, 0.2, 0.0]
    motion = from_model(x, PORTRAIT, head_motion=2.0)
    assert motion.pose[:, 5] == pytest.approx(PORTRAIT[5] + 2 * x[:, 5])


def test_gaze_adds_exactly() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    plain = from_model(x, PORTRAIT)
    moved = from_model(x, PORTRAIT, gaze=np.array([0.3, -0.2]))
    assert moved.dynamics[:, :2] == pytest.approx(plain.dynamics[:, :2] + [0.3, -0.2])
    assert moved.pose == pytest.approx(plain.pose)


def test_lids_and_expression_are_untouched() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert from_model(x, PORTRAIT, np.array([0.3, 0.1]), 0.5).dynamics[:, 2:] == pytest.approx(MOTION.dynamics[:, 2:])


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_an_emotion_adds_expression_and_widens_lids_but_leaves_shut_ones_shut(strength: float) -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    x[0, 8:10] = 0
    rest = np.array([0.2, -0.1, *np.arange(8.0)])
    felt = with_emotion(x, rest, strength)
    assert felt[:, :8] == pytest.approx(x[:, :8])
    assert felt[:, 8:10] == pytest.approx(x[:, 8:10] * [1 + 0.2 * strength, 1 - 0.1 * strength])
    assert felt[:, 10:] == pytest.approx(x[:, 10:] + strength * np.arange(8.0))
    assert not felt[0, 8:10].any()
