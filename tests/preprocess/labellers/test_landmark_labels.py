"""Gaze and distance of the landmarks: signs, and that the head's turning is not the eyes'."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.preprocess.labellers.landmarks import LandmarkDistance, LandmarkGaze
from vasa_core.types import Motion, TrackedImage

SIZE = (512, 512)
IRISES = slice(468, 478)


@pytest.fixture(scope="module")
def ready(face: MeshFaceModel, tracked: TrackedImage) -> Portrait:
    return face.encode_portrait(tracked)


def turned(face: MeshFaceModel, ready: Portrait, head: tuple[float, float], eyes: tuple[float, float]) -> np.ndarray:
    """Landmarks of the portrait with head and eyes (yaw, pitch) turned to these degrees."""
    motion = Motion(ready.motion.pose.copy(), ready.motion.dynamics.copy())
    motion.pose[:, [1, 0]] = np.radians(head)
    motion.dynamics[:, :2] = np.radians(eyes)
    return face.landmarks(ready, motion)


@pytest.mark.parametrize(("shift", "axis"), [([3.0, 0.0, 0.0], 0), ([0.0, -2.0, 0.0], 1)])
def test_irises_moved_right_or_up_look_right_or_up(
    face: MeshFaceModel, tracked: TrackedImage, shift: list[float], axis: int
) -> None:
    both = np.stack([tracked.landmarks, tracked.landmarks]).astype(np.float64)
    both[1, IRISES] += shift
    rest, moved = LandmarkGaze(face)((), both, SIZE)
    assert moved[axis] - rest[axis] > 4
    assert abs(moved[1 - axis] - rest[1 - axis]) < 2


def test_the_head_s_turning_adds_to_the_gaze_and_is_not_all_of_it(face: MeshFaceModel, ready: Portrait) -> None:
    heads, eyes = [(0, 0), (15, 0), (0, -10)], [(0, 0), (10, 0), (0, 8)]
    clip = np.concatenate([turned(face, ready, head, look) for head in heads for look in eyes])
    gaze = LandmarkGaze(face)((), clip, SIZE).reshape(3, 3, 2)  # head, eyes, (yaw, pitch)
    assert gaze[1] - gaze[0] == pytest.approx(np.array([[15, 0]] * 3), abs=1.5)
    assert gaze[2] - gaze[0] == pytest.approx(np.array([[0, -10]] * 3), abs=1.5)
    assert (gaze[:, 1] - gaze[:, 0])[:, 0].min() > 8
    assert (gaze[:, 2] - gaze[:, 0])[:, 1].min() > 6


def test_a_face_half_as_large_is_twice_as_far(face: MeshFaceModel, tracked: TrackedImage) -> None:
    clip = np.stack([tracked.landmarks, tracked.landmarks / 2, tracked.landmarks / 2 + [99, 9, 0]]).astype(np.float64)
    distance = LandmarkDistance(face)((), clip, SIZE)[:, 0]
    assert distance[1:] / distance[0] == pytest.approx([2, 2], rel=1e-3)


def test_turning_the_head_does_not_change_its_distance(face: MeshFaceModel, ready: Portrait) -> None:
    clip = np.concatenate([turned(face, ready, (yaw, 0), (0, 0)) for yaw in (0, 20, -20)])
    distance = LandmarkDistance(face)((), clip, SIZE)[:, 0]
    assert distance[1:] / distance[0] == pytest.approx([1, 1], rel=0.02)
