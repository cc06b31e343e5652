"""Measures of a face with known answers: distances, openings and blinks."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.face.measure import (
    aperture,
    eye_gap,
    eye_opening,
    face_height,
    face_width,
    find_blinks,
    lip_gap,
    lip_gap_of_height,
    lip_gap_of_width,
    lip_gaps,
    lip_shape,
    most_closed,
    relative_opening,
    runs,
    whole_eye_opening,
)
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, CHIN, EYES, FOREHEAD, LIP_PAIRS, MOUTH_CORNERS
from vasa_core.rates import FPS


@pytest.fixture
def face() -> np.ndarray:
    """A face 200 high and 100 wide, 24 deep from cheek to cheek, lips 10 apart, eyes 20 wide and 8 open."""
    points = np.zeros((478, 3))
    points[[FOREHEAD, CHIN], 1] = -100, 100
    points[[CHEEK_LEFT, CHEEK_RIGHT]] = [-5, 0, -12], [5, 0, 12]
    points[[lower for _, lower in LIP_PAIRS], 1] = 10
    points[list(MOUTH_CORNERS), 0] = -30, 30
    points[17, 1] = 20
    for eye in EYES:
        points[list(eye.corners), 0] = -10, 10
        points[list(eye.upper), 1] = -8
    return points


def test_sizes_in_the_picture_and_in_space(face: np.ndarray) -> None:
    assert face_height(face) == 200
    assert face_width(face) == 26
    assert face_width(face, 2) == 10
    assert lip_gap(face) == 10
    assert lip_gap_of_height(face) == 0.05
    assert lip_gap_of_width(face) == pytest.approx(10 / 26)
    assert lip_gaps(face).tolist() == [10] * len(LIP_PAIRS)
    np.testing.assert_allclose(lip_shape(face[None]), [[0.05, 0.3, 0.1]])
    assert aperture(face[None]) == pytest.approx(0.05)
    face[14, 2] = 24
    assert lip_gap(face) == 10
    assert lip_gap(face, 3) == 26


def test_eyes_are_measured_at_their_middle_or_all_along(face: np.ndarray) -> None:
    assert eye_gap(face).tolist() == [8, 8]
    assert eye_opening(face[None]) == whole_eye_opening(face[None]) == 0.4
    for eye in EYES:
        face[list(eye.upper)[2:5], 1] = -4
    assert eye_gap(face).tolist() == [4, 4]
    assert eye_opening(face[None]) == 0.2
    assert whole_eye_opening(face[None]) == pytest.approx((4 * 8 + 3 * 4) / 7 / 20)


def test_a_face_is_at_rest_where_its_lips_are_most_closed() -> None:
    gap = np.arange(24.0)[::-1]
    gap[0] = gap[1] = 0  # ties: the earlier frame comes first
    assert most_closed(gap).tolist() == [0, 1, 23, 22]
    assert most_closed(gap[:12]).tolist() == [0, 1, 11]


def test_blinks_are_counted_and_closed_eyes_are_not_blinks() -> None:
    opening = np.full(10 * FPS, 0.3)
    for start in (20, 70, 130):
        opening[start : start + 5] = 0.05
    opening[180 : 180 + 2 * FPS] = 0.05
    blinks = find_blinks(relative_opening(opening))
    assert blinks.starts == (20, 70, 130)
    assert blinks.seconds == (0.2, 0.2, 0.2)
    assert blinks.longest_closed == 2


def test_runs_touching_both_ends() -> None:
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert runs(np.zeros(3, bool)) == []
