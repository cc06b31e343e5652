"""Representation: closed form in both directions, and what each option does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vasa_core.motion.representation import from_model, to_model, usual_pose
from vasa_core.types import Motion

RNG = np.random.default_rng(0)
MOTION = Motion(RNG.normal(0, 0.2, (30, 6)), RNG.normal(0, 0.5, (30, 12)))
PORTRAIT = np.array([0.1, -0.2, 0.05, 0.3, -0.1, 0.4])


def test_round_trip() -> None:
    usual = usual_pose(MOTION)
    back = from_model(to_model(MOTION, usual), usual)
    assert back.pose == pytest.approx(MOTION.pose) and back.dynamics == pytest.approx(MOTION.dynamics)


def test_gaze_is_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert x[:, 6] == pytest.approx(MOTION.pose[:, 1] + MOTION.dynamics[:, 0])  # yaw
    assert x[:, 7] == pytest.approx(MOTION.pose[:, 0] + MOTION.dynamics[:, 1])  # pitch


@pytest.mark.parametrize("distance", [1.0, 0.7, 1.5])
def test_no_head_motion_is_the_portraits_pose_at_that_distance(distance: float) -> None:
    motion = from_model(to_model(MOTION, usual_pose(MOTION)), PORTRAIT, head_motion=0.0, distance=distance)
    expected = PORTRAIT + [0, 0, 0, 0, 0, math.log(distance)]
    assert motion.pose == pytest.approx(np.tile(expected, (30, 1)))


def test_frozen_heads_keep_the_gaze_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    motion = from_model(x, PORTRAIT, head_motion=0.0)
    assert motion.dynamics[:, 0] + PORTRAIT[1] == pytest.approx(x[:, 6])
    assert motion.dynamics[:, 1] + PORTRAIT[0] == pytest.approx(x[:, 7])


def test_head_motion_scales_about_the_asked_distance() -> None:
    x = np.zeros((4, 18))
    x[:, 5] = math.log(1.3) + np.array([0.1, -0.1, 0.2, 0.0])
    motion = from_model(x, np.zeros(6), head_motion=2.0, distance=1.3)
    assert motion.pose[:, 5] == pytest.approx(math.log(1.3) + np.array([0.2, -0.2, 0.4, 0.0]))
    assert from_model(x, np.zeros(6), 1.0, 1.3).pose[:, 5] == pytest.approx(x[:, 5])


def test_lids_and_expression_are_untouched() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert from_model(x, PORTRAIT, 0.3, 1.2).dynamics[:, 2:] == pytest.approx(MOTION.dynamics[:, 2:])
