"""What the volume face model is judged by: figures with known answers, and one small measurement end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.data.frames import FaceFrames
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.controls import correlation
from vasa_core.evaluation.metrics.geometry import landmark_distance
from vasa_core.evaluation.setup import distinct_first
from vasa_core.evaluation.video.tracks import open_tracker
from vasa_core.evaluation.volume.figures import (
    Faces,
    cosine,
    gain,
    joined,
    nearest_rest,
    pick_pairs,
    read_faces,
    spread_frames,
    swap_scores,
)
from vasa_core.evaluation.volume.measure import measure_volume, strangers
from vasa_core.evaluation.volume.rendering import (
    FaceReader,
    MeshRenderer,
    Renderer,
    enlarged,
    mixed,
    prepare_subject,
)
from vasa_core.evaluation.volume.report import summarise_identity, summarise_reenactment, volume_table
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.topology import CHIN, EYES, FOREHEAD, canonical_mesh
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks
from vasa_core.io.image import read_image
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.preprocess.person import PersonMatte

N = 40


def made_up(seed: int) -> Faces:
    """Faces of many poses and openings, far more different than the landmarker's noise."""
    rng = np.random.default_rng(seed)
    angles, lips, eyes = rng.normal(0, 20, (N, 2)), rng.uniform(0, 25, N), rng.uniform(0, 12, N)
    return Faces(rng.normal(size=(N, 478, 3)), angles, lips, eyes)


def test_a_face_with_each_motion_from_where_it_should_be_scores_all() -> None:
    posed, moving = made_up(0), made_up(1)
    scores = swap_scores(replace(moving, angles=posed.angles), posed, moving)
    assert scores["pose_kept"] == scores["lips_kept"] == scores["eyes_kept"] == scores["found"] == 1
    for name in ("yaw", "pitch", "lips", "eyes"):
        assert scores[f"{name}_follows"] == pytest.approx(1)
        leaks = scores[f"{name}_leaks"]
        assert leaks is not None
        assert abs(leaks) < 0.5


def test_a_face_that_follows_the_wrong_frame_scores_nothing() -> None:
    posed, moving = made_up(0), made_up(1)
    scores = swap_scores(replace(posed, angles=moving.angles), posed, moving)
    assert scores["pose_kept"] == scores["lips_kept"] == scores["eyes_kept"] == 0
    assert scores["yaw_leaks"] == pytest.approx(1)
    assert scores["lips_leaks"] == pytest.approx(1)


def test_frames_alike_do_not_count_and_lost_faces_count_against() -> None:
    posed, moving = made_up(0), made_up(1)
    near = replace(moving, angles=posed.angles + [3.9, 0], lips=posed.lips + 2.4, eyes=posed.eyes - 2.6)
    scores = swap_scores(posed, posed, near)
    assert (scores["pose_pairs"], scores["lips_pairs"], scores["eyes_pairs"]) == (0, 0, N)
    assert scores["pose_kept"] is None
    assert scores["eyes_kept"] == 0
    lost = replace(moving, angles=posed.angles.copy(), lips=moving.lips.copy())
    lost.angles[: N // 2] = lost.lips[: N // 2] = np.nan
    assert swap_scores(lost, posed, moving)["found"] == 0.5
    far = np.linalg.norm(posed.angles - moving.angles, axis=1) > 4
    assert swap_scores(lost, posed, moving)["pose_kept"] == pytest.approx(far[N // 2 :].sum() / far.sum())


def test_pairs_differ_in_both_widest_first_and_no_frame_is_in_many() -> None:
    faces = made_up(2)
    pairs = pick_pairs(faces, faces, 12)
    wide = [
        min(np.linalg.norm(faces.angles[a] - faces.angles[b]) / 4, abs(faces.lips[a] - faces.lips[b]) / 2.5)
        for a, b in pairs
    ]
    assert len(pairs) == 12
    assert wide == sorted(wide, reverse=True)
    assert wide[-1] > 1
    assert max(np.bincount([a for a, _ in pairs]).max(), np.bincount([b for _, b in pairs]).max()) <= 2
    assert pick_pairs(faces, replace(faces, angles=np.zeros((N, 2)), lips=faces.lips), 3) != []
    still = replace(faces, lips=np.full(N, 1.0))
    assert pick_pairs(still, still, 12) == []
    blind = replace(faces, lips=np.full(N, np.nan))
    assert pick_pairs(blind, faces, 12) == []


def test_the_gain_is_that_of_the_frames_that_moved() -> None:
    psnr, copied = np.array([20.0, 25.0, 30.0, 18.0]), np.array([30.0, 20.0, 29.0, 20.0])
    moved = np.array([0.5, 2.1, 5.0, 2.5]) > 2.0
    assert gain(psnr, copied, moved) == {"frames": 3, "gain": pytest.approx((5 + 1 - 2) / 3), "better": 2}
    assert gain(psnr, copied, np.zeros(4, bool)) == {"frames": 0, "gain": None, "better": 0}


def test_means_are_of_all_frames_and_of_those_that_moved() -> None:
    def clip(copied: list[float], drawn: list[float], far: list[float]) -> dict[str, dict[str, np.ndarray]]:
        return {
            "copy": {"psnr": np.array(copied)},
            "render": {"psnr": np.array(drawn), "distance": np.array(far)},
            "truth": {"landmarks": np.array(far)},
        }

    clips = [clip([40.0, 20.0], [30.0, 24.0], [1.0, float("nan")]), clip([10.0], [12.0], [3.0])]
    summary = summarise_reenactment(clips, [np.array([0.0, 2.5]), np.array([9.0])])
    assert summary["frames"] == 3
    assert summary["all"]["render"] == {"psnr": pytest.approx(22), "distance": 2}
    assert summary["moved"]["copy"]["psnr"] == 15
    assert summary["moved"]["render"] == {"psnr": 18, "distance": 3}
    assert summary["gain_when_moved"] == {"render": {"frames": 2, "gain": 3, "better": 2}}


def test_distances_are_shares_of_the_face_height() -> None:
    truth = np.zeros((2, 478, 3))
    truth[:, CHIN, 1] = 50
    moved = truth + [3.0, 4.0, 100.0]  # depth does not count
    moved[1] = np.nan
    away = landmark_distance(moved, truth)
    assert away[0] == pytest.approx(10)
    assert np.isnan(away[1])
    assert landmark_distance(truth + [0.5, 0, 0], truth, [CHIN, FOREHEAD])[1] == pytest.approx(1)


def test_openings_are_read_and_lost_faces_stay_empty() -> None:
    canonical = canonical_mesh(resolve("face_landmarker"))[0]
    face = np.concatenate([canonical, np.zeros((10, 3))]) * 200
    height = float(np.linalg.norm(face[FOREHEAD, :2] - face[CHIN, :2]))
    face[13, :2], face[14, :2] = [0, 50], [0, 50 + 0.1 * height]
    for eye in EYES:
        for upper, lower in zip(eye.upper, eye.lower, strict=True):
            face[lower, :2] = face[upper, :2] + [0, 0.05 * height]
    faces = read_faces(np.stack([face, np.full((478, 3), np.nan)]), canonical)
    assert faces.found.tolist() == [True, False]
    assert faces.lips[0] == pytest.approx(10)
    assert faces.eyes[0] == pytest.approx(5)
    assert faces.angles[0] == pytest.approx([0, 0], abs=1)
    assert np.isnan(faces.angles[1]).all()
    assert len(joined([faces, faces])) == 4
    assert joined([faces, faces]).found.tolist() == [True, False] * 2


def test_the_source_is_at_rest_and_driving_frames_spread_over_how_far_they_moved() -> None:
    pose, dynamics = np.zeros((4, 6)), np.zeros((4, 36))
    dynamics[:, 2:4] = 1
    dynamics[0, 2:4] = 0  # shut eyes
    pose[1, 1] = 0.5  # turned away
    assert nearest_rest(pose, dynamics) == 2
    moved = np.array([9.0, 0.0, 3.0, 1.0, 7.0, 5.0])
    assert spread_frames(moved, 1, 10).tolist() == [3, 2, 5, 4, 0]
    assert spread_frames(moved, 1, 3).tolist() == [3, 5, 0]


def test_correlation_and_cosine() -> None:
    a = np.array([1.0, 2.0, 4.0, np.nan])
    assert correlation(a, -2 * a) == pytest.approx(-1)
    assert correlation(a[:2], a[:2]) is None
    assert correlation(a, np.ones(4)) is None
    assert cosine(np.array([3.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.5**0.5)
    summary = summarise_identity({"same": [(0.2, 0.9), (0.4, 0.8), (0.9, 0.1)]})
    assert summary == {"same": {"distance": 0.4, "cosine": 0.8, "pictures": 3}}


def test_a_mixed_motion_has_pose_and_dynamics_of_its_pair() -> None:
    posed = MotionCode(torch.arange(18.0).reshape(3, 6), torch.zeros(3, 2))
    moving = MotionCode(torch.zeros(3, 6), torch.arange(6.0).reshape(3, 2))
    motion = mixed(posed, moving, [(2, 0), (1, 2)])
    assert motion.pose.tolist() == posed.pose[[2, 1]].tolist()
    assert motion.dynamics.tolist() == moving.dynamics[[0, 2]].tolist()


@pytest.fixture(scope="module")
def filmed(portrait: Path) -> list[FaceFrames]:
    """The bundled portrait and its mirror image as two people, three frames each, squeezed to be different."""
    photo = cv2.resize(read_image(portrait), (512, 512), interpolation=cv2.INTER_AREA)
    matte, faces = PersonMatte(resolve("person_mask")), []
    with Landmarker(resolve("face_landmarker")) as landmarker:
        for identity, picture in (("a", photo), ("b", np.ascontiguousarray(photo[:, ::-1]))):
            frames, mattes, points = [], [], []
            for wide in (1.0, 0.95, 0.85):
                affine = np.array([[wide, 0, 256 * (1 - wide)], [0, 1, 0]])
                frame = cv2.warpAffine(picture, affine, (512, 512), borderMode=cv2.BORDER_REPLICATE)
                found = landmarker(frame)
                assert found
                frames.append(cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA))
                mattes.append(cv2.resize(matte(frame, found[0]), (128, 128), interpolation=cv2.INTER_AREA))
                points.append(found[0] / 4)
            landmarks = np.stack(points)
            still = np.zeros((478, 3), np.float32), np.zeros((3, 478, 3), np.float32)
            _, motion = bundled_mesh().encode_landmarks(landmarks, (128, 128))
            pose, dynamics = motion.pose.astype(np.float32), motion.dynamics.astype(np.float32)
            faces.append(
                FaceFrames(
                    identity, "val", np.stack(frames), np.stack(mattes), landmarks, pose, dynamics, dynamics, *still
                )
            )
    return faces


def bundled_mesh() -> MeshFaceModel:
    return MeshFaceModel.load(CHECKPOINTS)


def test_people_come_in_turn_and_strangers_are_somebody_else(filmed: list[FaceFrames]) -> None:
    a, b = filmed
    again = replace(a, pose=a.pose + 1)
    assert distinct_first([a, again, b], lambda face: face.speaker) == [a, b, again]
    torch.manual_seed(0)
    renderer = Renderer(VolumeNetworks(PRESETS["tiny-128"]))
    with open_tracker() as tracker:
        reader = FaceReader(tracker)
        subjects = [prepare_subject(face, 2, renderer, reader) for face in filmed]
        with pytest.raises(InputError, match="no face"):
            prepare_subject(replace(a, mattes=np.zeros_like(a.mattes)), 2, renderer, reader)
    assert strangers(subjects, 0) == subjects[::-1]
    assert strangers(subjects[:1], 0) == [None]
    first = subjects[0]
    assert len(first) == 3
    assert first.moved[0] == 0
    assert first.moved[2] > first.moved[1] > 0
    assert landmark_distance(first.real.landmarks, first.landmarks * 4.0).max() < 3  # both in px of 512
    corner = first.pictures[0][:4, :4][first.mattes[0][:4, :4] == 0]
    assert np.all(np.abs(corner.astype(int) - 128) <= 1)
    assert enlarged(first.pictures[0]).shape == (512, 512, 3)
    mesh = MeshRenderer(bundled_mesh())
    portrait = mesh.appear(first)
    again, swapped = mesh.render_mixed(portrait, first, first, [(1, 1), (1, 2)])
    np.testing.assert_array_equal(again, mesh.render(portrait, first, [1])[0])
    assert (swapped != again).any()


def test_a_measurement_end_to_end(filmed: list[FaceFrames], tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = VolumeNetworks(PRESETS["tiny-128"])
    result = measure_volume(networks, bundled_mesh(), filmed, tmp_path, progress=lambda done, total: None)
    everything = result["reenactment"]["all"]
    assert result["people"] == 2
    assert result["reenactment"]["frames"] == 4
    assert everything["truth"]["landmarks"] < 3
    assert everything["mesh"]["psnr"] > everything["copy"]["psnr"] > everything["render"]["psnr"]
    assert everything["mesh"]["landmarks"] < everything["copy"]["landmarks"]
    stored = json.loads((tmp_path / "volume.json").read_text())
    assert stored["clips"][1]["identity"] == "b"
    assert "perceptual" in stored["not_measured"][0]
    assert read_image(tmp_path / "sheet.png").shape[1] > 7 * 256
    assert "PSNR" in volume_table(result)
    with pytest.raises(InputError, match="clips is 0"):
        measure_volume(networks, bundled_mesh(), filmed, tmp_path, most=0)
