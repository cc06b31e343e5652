"""The face basis of the bundled checkpoint: closed-form round trips, exact lids, gaze by exact angle."""

from pathlib import Path

import numpy as np
import pytest

from vasa_core.face.basis import CLOSED_LIPS, EXPRESSION, GAZE, IRIS_TRAVEL, LIDS, LOWER_LID_TRAVEL, SHUT, FaceBasis
from vasa_core.face.measure import eye_gap, lip_gap, lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.face.pose import project
from vasa_core.face.topology import EYES, LIP_PAIRS, STABLE
from vasa_core.types import Motion

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def basis(checkpoints: Path) -> FaceBasis:
    return load_basis(checkpoints / "mesh")[0]


@pytest.fixture(scope="module")
def person(basis: FaceBasis) -> np.ndarray:
    return basis.mean + np.tensordot(RNG.normal(size=len(basis.identity)) * 0.7, basis.identity, 1)


def _still(basis: FaceBasis, frames: int = 1) -> np.ndarray:
    dynamics = np.zeros((frames, basis.dimensions))
    dynamics[:, LIDS] = 1
    return dynamics


def test_dynamics_survive_decode_and_encode_on_another_face(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis, 20)
    dynamics[:, EXPRESSION] = RNG.normal(size=(20, len(basis.dynamics))) * 0.5
    dynamics[:, GAZE] = RNG.uniform(-0.2, 0.2, (20, 2))
    shapes = basis.decode(dynamics, person, _still(basis)[0])
    found = basis.encode(shapes, person, eye_gap(person))
    sine = np.sin(found[:, GAZE]) * basis.iris_gain / IRIS_TRAVEL  # what the landmarker would read of it
    np.testing.assert_allclose(
        sine - sine.mean(0), np.sin(dynamics[:, GAZE]) - np.sin(dynamics[:, GAZE]).mean(0), atol=0.03
    )
    error = np.abs(found[:, EXPRESSION] - dynamics[:, EXPRESSION])
    assert error[:, :8].mean() < 0.1  # standard deviations


def test_the_photo_s_own_dynamics_give_the_photo_s_own_shape(basis: FaceBasis, person: np.ndarray) -> None:
    own = _still(basis)
    own[0, EXPRESSION] = RNG.normal(size=len(basis.dynamics))
    shape = basis.decode(own, person, own[0])[0]
    np.testing.assert_allclose(shape[:, :2], person[:, :2], atol=1e-9)


def test_lids_close_to_nothing_and_open_by_degrees(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis, 6)
    dynamics[:, LIDS] = np.array([0, SHUT, 0.4, 0.7, 1, 1.3])[:, None]
    gaps = eye_gap(basis.decode(dynamics, person, _still(basis)[0]))
    np.testing.assert_allclose(gaps[:2], 0, atol=1e-9)
    assert (np.diff(gaps[1:], axis=0) > 0).all()
    np.testing.assert_allclose(gaps[4], eye_gap(person))


def test_one_eye_winks_alone(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis)
    dynamics[0, LIDS] = [0, 1]
    left, right = eye_gap(basis.decode(dynamics, person, _still(basis)[0]))[0]
    assert left < 1e-9
    assert right == pytest.approx(eye_gap(person)[1])


def test_lids_follow_the_eyes_down(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis, 2)
    dynamics[1, 1] = -0.3
    level, down = eye_gap(basis.decode(dynamics, person, _still(basis)[0]))
    assert (down < 0.9 * level).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_gaze_turns_the_iris_by_the_angle_asked_for(basis: FaceBasis, person: np.ndarray, axis: int) -> None:
    dynamics = _still(basis, 5)
    dynamics[:, axis] = np.radians([-20, -10, 0, 10, 20])
    irises = basis.decode(dynamics, person, _still(basis)[0])[:, [eye.iris[0] for eye in EYES], axis]
    travel = (irises - irises[2]) / (IRIS_TRAVEL[axis] * basis.eyeball_radius) * (1 if axis == 0 else -1)
    np.testing.assert_allclose(travel, np.sin(dynamics[:, [axis]]) * np.ones(2), atol=1e-9)


def test_a_smiling_face_has_a_neutral_with_closed_lips(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis)
    dynamics[0, EXPRESSION.start : EXPRESSION.start + 2] = [-1.5, 3]
    smiling = basis.decode(dynamics, person, _still(basis)[0])
    assert lip_gaps(smiling)[0].max() > 2 * CLOSED_LIPS
    np.testing.assert_allclose(lip_gaps(basis.neutral(smiling)), lip_gaps(basis.mean), atol=0.002)


def test_lips_part_at_rest_and_little_else_moves(basis: FaceBasis, person: np.ndarray) -> None:
    parted = basis.parted(basis.neutral(person[None]), 0.03)
    np.testing.assert_allclose(lip_gaps(parted), lip_gaps(basis.mean) + 0.03, atol=0.005)
    moved = np.linalg.norm(parted - basis.neutral(person[None]), axis=1)
    assert moved[[*STABLE]].max() < 0.02
    assert moved.max() < 0.06


def test_lips_never_cross_and_small_gaps_close(basis: FaceBasis, person: np.ndarray) -> None:
    dynamics = _still(basis, 200)
    dynamics[:, EXPRESSION] = RNG.normal(size=(200, len(basis.dynamics))) * 1.5
    shapes = basis.decode(dynamics, person, _still(basis)[0])
    upper, lower = (shapes[:, [pair[side] for pair in LIP_PAIRS], 1] for side in (0, 1))
    rest = min(0.0, float((person[[p[1] for p in LIP_PAIRS], 1] - person[[p[0] for p in LIP_PAIRS], 1]).min()))
    assert (lower - upper).min() >= rest - 1e-9
    assert (lip_gap(shapes, 3) > 3 * CLOSED_LIPS).any()


def test_neutral_of_talking_faces_is_nearer_to_rest_than_the_faces(basis: FaceBasis) -> None:
    lips = [p for pair in LIP_PAIRS for p in pair]
    dynamics = _still(basis)
    dynamics[0, EXPRESSION.start] = 2.0
    before, after = [], []
    for _ in range(10):
        person = basis.mean + np.tensordot(RNG.normal(size=len(basis.identity)) * 0.7, basis.identity, 1)
        talking = basis.decode(dynamics, person, _still(basis)[0])
        before.append(np.linalg.norm((talking[0] - person)[lips]))
        after.append(np.linalg.norm((basis.neutral(talking) - person)[lips]))
    assert np.mean(after) < 0.6 * np.mean(before)


def test_mirror_is_an_involution_and_swaps_the_eyes(basis: FaceBasis) -> None:
    motion = Motion(
        RNG.normal(size=(4, 6)) * 0.2,
        np.concatenate([_still(basis, 4)[:, :4], RNG.normal(size=(4, len(basis.dynamics)))], 1),
    )
    twice = basis.mirror(basis.mirror(motion))
    np.testing.assert_allclose(twice.pose, motion.pose)
    np.testing.assert_allclose(twice.dynamics, motion.dynamics, atol=0.1)


def test_mirrored_motion_is_the_mirror_image_of_the_motion(basis: FaceBasis) -> None:
    symmetric = (basis.mean + basis.mean[basis.mirror_index] * [-1, 1, 1]) / 2
    dynamics = _still(basis)
    dynamics[0, EXPRESSION] = RNG.normal(size=len(basis.dynamics)) * 0.5
    dynamics[0, LIDS] = [0.3, 0.9]
    motion = Motion(np.array([[0.1, 0.2, -0.1, 0.05, 0.02, 0.8]]), dynamics)
    size = (512, 512)

    def drawn(m: Motion) -> np.ndarray:
        return project(basis.decode(m.dynamics, symmetric, _still(basis)[0]), m.pose, size)[0, :468, :2]

    mirrored = drawn(basis.mirror(motion))
    expected = drawn(motion)[basis.mirror_index[:468]] * [-1, 1] + [512, 0]
    np.testing.assert_allclose(mirrored, expected, atol=1.5)


def test_eye_landmarks_pair_up() -> None:
    for eye in EYES:
        assert len(eye.upper) == len(eye.lower) == 7
        assert len(set(eye.contour)) == 16


@pytest.mark.parametrize("pitch", [-20.0, 0.0, 15.0])
def test_lids_go_up_and_down_with_the_eye(basis: FaceBasis, person: np.ndarray, pitch: float) -> None:
    """The lower lid a quarter of the iris's way, the upper one by the opening that follows the gaze."""
    dynamics = _still(basis)
    dynamics[0, GAZE.start + 1] = np.radians(pitch)
    shape = basis.decode(dynamics, person, _still(basis)[0])[0]
    sine = np.sin(np.radians(pitch))
    for eye, gap in zip(EYES, eye_gap(person), strict=True):
        middle = slice(2, 5)
        lower = (shape - person)[list(eye.lower[middle]), 1].mean()
        assert -lower == pytest.approx(LOWER_LID_TRAVEL * basis.eyeball_radius * sine, abs=0.002)
        upper = (shape - person)[list(eye.upper[middle]), 1].mean()
        assert lower - upper == pytest.approx(basis.lid_follow * sine * gap, abs=0.004)
        assert np.array_equal(shape[list(eye.corners)], person[list(eye.corners)])


def test_an_eye_as_wide_as_it_may_be_has_its_lid_at_the_top_of_the_iris(basis: FaceBasis, person: np.ndarray) -> None:
    own = _still(basis)[0]
    widest = basis.widest_lids(person, own)
    assert (widest >= 1 - 1e-6).all()
    dynamics = _still(basis)
    dynamics[:, LIDS] = np.maximum(widest, 1.1)  # an eye that shows white already would stay as it is
    shape = basis.decode(dynamics, person, own)[0]
    for eye, room in zip(EYES, widest, strict=True):
        iris = shape[list(eye.iris), 1]
        above = shape[list(eye.upper)[2:5], 1].mean() - iris.min()  # the lid's edge below the iris's top
        if room > 1.1:
            assert abs(above) < 0.08 * np.ptp(iris)
