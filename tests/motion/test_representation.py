"""Representation: closed form in both directions, and what each option does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vasa_core.motion.representation import (
    LIDS,
    awake_at_first,
    closed_further,
    from_model,
    not_startled,
    to_model,
    usual_pose,
    wide_awake,
    with_emotion,
)
from vasa_core.types import Motion

RNG = np.random.default_rng(0)
MOTION = Motion(RNG.normal(0, 0.2, (30, 6)), RNG.normal(0, 0.5, (30, 12)))
PORTRAIT = np.array([0.1, -0.2, 0.05, 0.3, -0.1, 0.4])


def test_round_trip() -> None:
    usual = usual_pose(MOTION)
    gaze = np.array([0.2, -0.1])
    back = from_model(to_model(MOTION, usual, gaze, 0.1), usual, gaze, 0.1)
    assert back.pose == pytest.approx(MOTION.pose) and back.dynamics == pytest.approx(MOTION.dynamics)


def test_gaze_is_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert x[:, 6] == pytest.approx(MOTION.pose[:, 1] + MOTION.dynamics[:, 0])  # yaw
    assert x[:, 7] == pytest.approx(MOTION.pose[:, 0] + MOTION.dynamics[:, 1])  # pitch


@pytest.mark.parametrize("distance", [1.0, 0.7, 1.5])
def test_no_head_motion_is_the_portraits_pose_at_that_distance(distance: float) -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    motion = from_model(x, PORTRAIT, log_distance=math.log(distance), head_motion=0.0)
    expected = PORTRAIT + [0, 0, 0, 0, 0, math.log(distance)]
    assert motion.pose == pytest.approx(np.tile(expected, (30, 1)))


def test_frozen_heads_keep_the_gaze_in_the_camera() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    motion = from_model(x, PORTRAIT, head_motion=0.0)
    assert motion.dynamics[:, 0] + PORTRAIT[1] == pytest.approx(x[:, 6])
    assert motion.dynamics[:, 1] + PORTRAIT[0] == pytest.approx(x[:, 7])


def test_head_motion_scales_about_the_asked_distance() -> None:
    x = np.zeros((4, 18))
    x[:, 5] = [0.1, -0.1, 0.2, 0.0]
    motion = from_model(x, np.zeros(6), log_distance=0.3, head_motion=2.0)
    assert motion.pose[:, 5] == pytest.approx(0.3 + 2 * x[:, 5])


def test_controls_add_exactly() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    plain = from_model(x, PORTRAIT)
    moved = from_model(x, PORTRAIT, gaze=np.array([0.3, -0.2]), log_distance=0.25)
    assert moved.dynamics[:, :2] == pytest.approx(plain.dynamics[:, :2] + [0.3, -0.2])
    assert moved.pose == pytest.approx(plain.pose + [0, 0, 0, 0, 0, 0.25])


def test_lids_and_expression_are_untouched() -> None:
    x = to_model(MOTION, usual_pose(MOTION))
    assert from_model(x, PORTRAIT, np.array([0.3, 0.1]), 0.2, 0.5).dynamics[:, 2:] == pytest.approx(
        MOTION.dynamics[:, 2:]
    )


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


def test_lids_on_their_way_to_closed_go_farther_and_longer_and_nothing_else_moves() -> None:
    x = np.zeros((6, 14))
    x[:, LIDS] = np.array([1.0, 0.75, 0.5, 0.25, 0.9, 1.0])[:, None]
    closed = closed_further(x)
    np.testing.assert_allclose(closed[:, LIDS.start], [1.0, 0.75, 0.4, -0.1, 0.55, 1.0])
    parts = [closed_further(x[:4]), closed_further(x[4:], x[3, LIDS])]
    np.testing.assert_array_equal(np.concatenate(parts), closed)
    closed[:, LIDS] = x[:, LIDS]
    np.testing.assert_array_equal(closed, x)


def test_a_video_begins_with_open_eyes_however_it_is_cut() -> None:
    x = RNG.normal(size=(30, 14))
    whole = awake_at_first(x, 0)
    parts = [awake_at_first(x[:5], 0), awake_at_first(x[5:7], 5), awake_at_first(x[7:], 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole)
    np.testing.assert_array_equal(whole[0, LIDS], 1)
    np.testing.assert_allclose(whole[12:], x[12:])
    whole[:, LIDS] = x[:, LIDS]
    np.testing.assert_array_equal(whole, x)


def test_lids_are_open_or_in_a_blink_and_both_do_the_same() -> None:
    x = np.zeros((5, 14))
    x[:, LIDS] = np.array([[1.0, 1.0], [0.8, 0.8], [0.3, 0.3], [0.0, 0.0], [0.9, 0.1]])
    lids = wide_awake(x)[:, LIDS]
    assert np.array_equal(lids[[0, 2, 3]], x[[0, 2, 3]][:, LIDS])  # open eyes and deep blinks stay
    assert lids[1].tolist() == pytest.approx([1 - 0.2 * 0.2 / 0.7] * 2)  # drooping ones open
    assert abs(lids[4, 0] - lids[4, 1]) < 0.5 * 0.8  # a wink becomes half of a blink


def test_startled_lids_are_limited_and_others_are_not() -> None:
    x = np.zeros((4, 14))
    x[:, LIDS] = np.array([0.0, 0.7, 1.0, 2.0])[:, None]
    lids = not_startled(x)[:, LIDS]
    assert np.array_equal(lids[:3], x[:3, LIDS])
    assert lids[3].tolist() == pytest.approx([1.08, 1.08], abs=1e-3)
