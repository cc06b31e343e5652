"""The mesh face model on the bundled portrait: what is drawn is what was asked for."""

import numpy as np
import pytest

from vasa_core.assets import resolve
from vasa_core.face.basis import GAZE, LIDS
from vasa_core.face.measure import eye_gap
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.pose import LOG_DISTANCE, PITCH, ROLL, YAW
from vasa_core.face.topology import EYES
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.types import Motion, TrackedImage


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return Landmarker(resolve("face_landmarker"))


def _moved(portrait: Portrait, pose: dict[int, float] | None = None, **dynamics: float) -> Motion:
    """The portrait's own motion with some entries changed: pose by adding, gaze in camera (deg) and lids by setting."""
    own = portrait.motion
    changed_pose, changed = own.pose.copy(), own.dynamics.copy()
    for axis, value in (pose or {}).items():
        changed_pose[:, axis] += value
    for name, value in dynamics.items():
        if name == "lids":
            changed[:, LIDS] = value
        else:
            axis, head = (0, YAW) if name == "gaze_yaw" else (1, PITCH)
            changed[:, axis] = np.radians(value) - changed_pose[:, head]
    return Motion(changed_pose, changed)


def _drawn(model: MeshFaceModel, portrait: Portrait, motion: Motion, zoom: float = 1.0) -> np.ndarray:
    return next(model.decode(portrait, motion, zoom))


def test_the_photo_s_own_motion_gives_the_photo_back(
    model: MeshFaceModel, ready: Portrait, tracked: TrackedImage
) -> None:
    frame = _drawn(model, ready, ready.motion).astype(float)
    assert np.abs(frame - tracked.image).mean() < 1.5  # grey levels; the mouth is repainted


def test_decoded_landmarks_of_the_photo_s_own_motion_are_the_photo_s(model: MeshFaceModel, ready: Portrait) -> None:
    np.testing.assert_allclose(model.landmarks(ready, ready.motion)[0, :468, :2], ready.landmarks[:468, :2], atol=0.7)


@pytest.mark.parametrize(("axis", "degrees"), [(YAW, 12), (YAW, -12), (PITCH, 8), (PITCH, -8), (ROLL, 10)])
def test_a_turned_head_is_tracked_as_turned(
    model: MeshFaceModel, ready: Portrait, landmarker: Landmarker, axis: int, degrees: float
) -> None:
    frame = _drawn(model, ready, _moved(ready, {axis: np.radians(degrees)}))
    found = landmarker(frame)
    assert found is not None
    _, motion = model.encode_landmarks(found[0][None], frame.shape[:2], ready.identity)
    turned = np.degrees(motion.pose[0, axis] - ready.motion.pose[0, axis])
    assert turned == pytest.approx(degrees, abs=0.35 * abs(degrees))


def test_background_stands_still_when_the_head_turns(model: MeshFaceModel, ready: Portrait) -> None:
    frame = _drawn(model, ready, _moved(ready, {YAW: 0.2})).astype(int)
    border = np.ones(frame.shape[:2], bool)
    border[24:, 24:-24] = False
    assert np.abs(frame - ready.photo)[border].mean() < 1.0


def test_lids_close_over_the_eyes(model: MeshFaceModel, ready: Portrait, landmarker: Landmarker) -> None:
    opened, closed = (landmarker(_drawn(model, ready, _moved(ready, lids=value))) for value in (1.0, 0.0))
    assert opened is not None
    assert closed is not None
    assert (eye_gap(closed[0]) < 0.45 * eye_gap(opened[0])).all()


def test_gaze_moves_the_tracked_irises(model: MeshFaceModel, ready: Portrait, landmarker: Landmarker) -> None:
    measured = []
    for yaw in (-20, 0, 20):
        frame = _drawn(model, ready, _moved(ready, gaze_yaw=yaw))
        found = landmarker(frame)
        assert found is not None
        _, motion = model.encode_landmarks(found[0][None], frame.shape[:2], ready.identity)
        measured.append(np.degrees(motion.dynamics[0, GAZE][0] + motion.pose[0, YAW]))
    assert measured[0] < measured[1] < measured[2]
    assert (measured[2] - measured[0]) / 40 >= 0.5


def test_irises_go_back_to_the_photo_s_gaze_as_if_the_face_were_decoded_so(
    model: MeshFaceModel, ready: Portrait
) -> None:
    motion = _moved(ready, {YAW: 0.2, PITCH: -0.1, ROLL: 0.15}, gaze_yaw=25, lids=0.6)
    still = motion.dynamics.copy()
    still[:, GAZE] = ready.motion.dynamics[0, GAZE]
    expected = model.landmarks(ready, Motion(motion.pose, still))
    points = model.landmarks(ready, motion)
    centres = [eye.iris[0] for eye in EYES]
    found = model.unturned(ready, motion, points, ready.photo.shape[:2])
    assert np.abs(points - expected)[:, centres, :2].max() > 1
    np.testing.assert_allclose(found[:, centres, :2], expected[:, centres, :2], atol=1e-9)


@pytest.mark.parametrize("distance", [0.8, 1.3])
def test_zoom_scales_the_face(model: MeshFaceModel, ready: Portrait, landmarker: Landmarker, distance: float) -> None:
    found = landmarker(_drawn(model, ready, ready.motion, 1 / distance))
    assert found is not None
    height = np.linalg.norm(found[0][10] - found[0][152]) / np.linalg.norm(ready.landmarks[10] - ready.landmarks[152])
    assert height == pytest.approx(1 / distance, rel=0.05)


def test_the_same_motion_moves_another_identity_alike(model: MeshFaceModel, ready: Portrait) -> None:
    shifted = ready.motion.dynamics + np.eye(model.basis.dimensions)[4] * 1.5
    here = model.landmarks(ready, Motion(ready.motion.pose, shifted)) - model.landmarks(ready, ready.motion)
    smaller = ready.motion.pose + np.eye(6)[LOG_DISTANCE] * np.log(2)
    there = model.landmarks(ready, Motion(smaller, shifted)) - model.landmarks(
        ready, Motion(smaller, ready.motion.dynamics)
    )
    np.testing.assert_allclose(there, here / 2, atol=1e-6)


def test_motion_far_beyond_the_limits_still_draws_a_face(
    model: MeshFaceModel, ready: Portrait, landmarker: Landmarker
) -> None:
    wild = _moved(ready, {YAW: 2.0, PITCH: -1.5, LOG_DISTANCE: 1.0}, gaze_yaw=80)
    assert landmarker(_drawn(model, ready, wild)) is not None


def test_encode_portrait_reads_the_photo_s_eyes_as_open(ready: Portrait) -> None:
    np.testing.assert_allclose(ready.motion.dynamics[0, LIDS], 1, atol=0.25)
    assert all(radius > 2 for radius in ready.irises.radii)
    for eye, disc in zip(EYES, ready.irises.discs, strict=True):
        x, y = ready.landmarks[eye.iris[0], :2].round().astype(int)
        centre = disc[disc.shape[0] // 2, disc.shape[1] // 2, :3]
        assert np.abs(centre - ready.photo[y, x]).mean() < 30  # the disc is the photo's iris


def test_decoding_is_deterministic(model: MeshFaceModel, ready: Portrait) -> None:
    motion = _moved(ready, {YAW: 0.1}, gaze_yaw=10, lids=0.4)
    assert np.array_equal(_drawn(model, ready, motion), _drawn(model, ready, motion))
