"""Head pose: signs, round trips and the fit."""

import numpy as np
import pytest

from vasa_core.face.pose import (
    LOG_DISTANCE,
    fit_similarity,
    from_pose,
    project,
    rotation_angles,
    rotation_matrix,
    to_pose,
    unproject,
)

SIZE = (512, 512)
RNG = np.random.default_rng(0)


def test_angles_survive_the_matrix() -> None:
    angles = RNG.uniform(-1, 1, (50, 3))
    rotation = rotation_matrix(angles)
    np.testing.assert_allclose(rotation_angles(rotation), angles, atol=1e-9)
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, -1, -2), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


@pytest.mark.parametrize(
    ("angles", "direction"),
    [((0, 0.3, 0), (np.sin(0.3), 0, -np.cos(0.3))), ((0.3, 0, 0), (0, -np.sin(0.3), -np.cos(0.3)))],
    ids=["yaw to the viewer's right", "pitch up"],
)
def test_signs_of_the_facing_direction(angles: tuple[float, ...], direction: tuple[float, ...]) -> None:
    facing = rotation_matrix(np.array(angles)) @ np.array([0, 0, -1])
    np.testing.assert_allclose(facing, direction, atol=1e-12)


def test_positive_roll_is_clockwise_as_seen() -> None:
    top = rotation_matrix(np.array([0, 0, 0.2])) @ np.array([0, -1, 0])
    assert top[0] > 0.1


def test_similarity_fit_recovers_known_pose() -> None:
    shape = RNG.normal(size=(19, 3))
    pose = np.concatenate([RNG.uniform(-0.5, 0.5, (7, 5)), RNG.uniform(0.3, 1.2, (7, 1))], 1)
    points = project(np.repeat(shape[None], 7, 0), pose, SIZE)
    found = to_pose(*fit_similarity(shape, points), SIZE)
    np.testing.assert_allclose(found, pose, atol=1e-9)


def test_unproject_inverts_project() -> None:
    shape = RNG.normal(size=(3, 10, 3))
    pose = RNG.uniform(-0.4, 0.4, (3, 6))
    np.testing.assert_allclose(unproject(project(shape, pose, SIZE), *from_pose(pose, SIZE)), shape, atol=1e-9)


def test_twice_the_distance_is_half_the_size() -> None:
    pose = np.zeros((2, 6))
    pose[1, LOG_DISTANCE] = np.log(2)
    near, far = project(np.repeat(RNG.normal(size=(1, 5, 3)), 2, 0), pose, SIZE)
    np.testing.assert_allclose(np.ptp(far[:, :2], 0), np.ptp(near[:, :2], 0) / 2)
