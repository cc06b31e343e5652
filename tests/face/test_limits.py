"""Smooth limits of motion."""

import numpy as np
import pytest

from vasa_core.face.limits import TURN_LIMITS, eased_lids, freedom_within, limited, soft_limit
from vasa_core.face.pose import YAW
from vasa_core.types import Motion


def test_small_values_pass_and_large_ones_approach_the_limit() -> None:
    values = np.linspace(-5, 5, 2001)
    kept = soft_limit(values, 1.0)
    np.testing.assert_array_equal(kept[np.abs(values) <= 0.7], values[np.abs(values) <= 0.7])
    assert np.abs(kept).max() <= 1
    assert (np.diff(kept) >= 0).all()
    assert np.abs(np.diff(kept, 2)).max() < 1e-3  # no kink


def test_turns_are_limited_from_the_photo_s_own_pose() -> None:
    own = Motion(np.full((1, 6), 0.2), np.zeros((1, 8)))
    far = Motion(np.full((3, 6), 2.0), np.full((3, 8), 2.0))
    kept = limited(far, own)
    assert (kept.pose[:, YAW] <= 0.2 + TURN_LIMITS[YAW]).all()
    assert np.array_equal(kept.dynamics[:, 4:], far.dynamics[:, 4:])
    same = limited(own, own)
    np.testing.assert_allclose(same.pose, own.pose)


def test_eyes_open_up_to_where_white_would_show_and_close_as_they_like() -> None:
    lids = np.array([[0.0, 0.0], [1.0, 0.9], [1.05, 0.95], [3.0, 3.0]])
    kept = eased_lids(lids, np.array([1.0, 0.9]), np.array([1.2, 0.9]))
    np.testing.assert_allclose(kept[:2], lids[:2])
    assert 1.0 < kept[2, 0] < 1.05
    np.testing.assert_allclose(kept[3], [1.2, 0.9], atol=1e-4)


def test_a_face_at_the_border_moves_less_and_keeps_its_gaze_in_the_camera() -> None:
    landmarks = np.zeros((478, 3))
    landmarks[:, 0] = np.linspace(100, 200, 478)
    landmarks[:, 1] = np.linspace(100, 240, 478)
    landmarks[10], landmarks[152] = (150, 100, 0), (150, 240, 0)
    assert freedom_within(landmarks, None) == 1
    assert freedom_within(landmarks, (0.0, 0.0, 400.0, 400.0)) == 1
    near = freedom_within(landmarks, (0.0, 80.0, 400.0, 400.0))
    assert near == pytest.approx(20 / 140 / 0.3)
    assert freedom_within(landmarks, (99.0, 0.0, 400.0, 400.0)) == 0.25
    own = Motion(np.zeros((1, 6)), np.zeros((1, 8)))
    turned = Motion(np.array([[0.05, 0.2, 0, 0, 0, 0]]), np.zeros((1, 8)))
    kept = limited(turned, own, 0.5)
    assert np.allclose(kept.pose[0, :2], [0.025, 0.1])
    assert np.allclose(kept.dynamics[0, :2] + kept.pose[0, [1, 0]], [0.2, 0.05])
