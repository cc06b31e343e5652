"""Figures with known answers: injected seams, pauses, pose changes and picture errors are found as they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vasa_core.assets import resolve
from vasa_core.evaluation.metrics.geometry import (
    MOUTH,
    REST_IRIS_HEIGHT,
    gaze_in_camera,
    gaze_in_head,
    head_frame,
    region_errors,
)
from vasa_core.evaluation.metrics.identity import shape_distance
from vasa_core.evaluation.metrics.motion import (
    delta_pose,
    mouth_in_silence,
    seam_ratio,
    silent_frames,
)
from vasa_core.evaluation.metrics.picture import BackgroundMotion, box_around, psnr, sharpness, ssim
from vasa_core.evaluation.video.irises import iris_gaze, iris_radius
from vasa_core.face.measure import face_height, runs
from vasa_core.face.mesh.irises import opening_mask
from vasa_core.face.pose import rotation_matrix
from vasa_core.face.topology import EYES, canonical_mesh
from vasa_core.rates import FPS, SAMPLE_RATE

PIXELS = 150.0  # face width


@pytest.fixture(scope="module")
def canonical() -> np.ndarray:
    return canonical_mesh(resolve("face_landmarker"))[0]


def face(canonical: np.ndarray, gaze: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The canonical face with irises that look in a direction (radians), face width 1."""
    shape = np.concatenate([canonical, np.zeros((10, 3))])
    radius = 0.04
    for eye in EYES:
        middle = shape[list(eye.corners)].mean(0)
        centre = middle + [0, REST_IRIS_HEIGHT, 0]
        centre[:2] += 2 * radius * 10.5 / 11.7 * np.sin([gaze[0], -gaze[1]])
        rim = radius * np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]])
        shape[list(eye.iris)] = centre + rim
    return shape


def placed(shape: np.ndarray, angles: tuple[float, float, float] = (0, 0, 0), scale: float = PIXELS) -> np.ndarray:
    return scale * shape @ rotation_matrix(np.array(angles, float)).T + [256, 256, 0]


def test_head_pose_and_scale_are_read_back(canonical: np.ndarray) -> None:
    asked = np.array([[0.1, -0.2, 0.05], [0.0, 0.3, -0.1]])
    landmarks = np.stack([placed(face(canonical), tuple(a)) for a in asked])
    head = head_frame(landmarks, canonical)
    np.testing.assert_allclose(head.angles, asked, atol=1e-6)
    np.testing.assert_allclose(head.scale, PIXELS, rtol=1e-6)


@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.15)])
def test_gaze_is_read_back_and_the_head_adds_to_it(canonical: np.ndarray, gaze: tuple[float, float]) -> None:
    head = head_frame(placed(face(canonical, gaze), (0.1, -0.2, 0.0))[None], canonical)
    np.testing.assert_allclose(gaze_in_head(head)[0], gaze, atol=1e-6)
    np.testing.assert_allclose(gaze_in_camera(head)[0], np.add(gaze, [-0.2, 0.1]), atol=1e-6)


def test_region_errors_are_percent_of_face_height_and_stay_in_their_region(canonical: np.ndarray) -> None:
    truth = placed(face(canonical))[None]
    moved = truth.copy()
    moved[:, list(MOUTH), 0] += 0.02 * face_height(truth)
    errors = region_errors(moved, truth)
    assert errors["mouth"] == pytest.approx(2)
    assert errors["eyes"] == errors["rest"] == 0
    assert errors["all"] == pytest.approx(2 * len(MOUTH) / 478)


def test_same_face_has_no_identity_distance_and_a_wider_one_has(canonical: np.ndarray) -> None:
    mine = head_frame(placed(face(canonical), (0.1, 0.2, 0))[None], canonical)
    same = head_frame(placed(face(canonical), (-0.1, 0, 0.1), 90)[None], canonical)
    other = head_frame(placed(face(canonical) * [1.1, 1, 1])[None], canonical)
    assert shape_distance(mine, same) == pytest.approx(0, abs=1e-6)
    assert shape_distance(other, same) > 0.5


def test_delta_pose_is_the_mean_step_in_degrees() -> None:
    angles = np.radians(np.outer(np.arange(5.0), [1.0, 2.0, 0.0]))
    assert delta_pose(angles) == pytest.approx(1)
    assert delta_pose(angles[:1]) == 0


def test_injected_seam_is_found() -> None:
    t = np.arange(200)[:, None]
    smooth = np.random.default_rng(0).normal(size=(200, 4)) * 0.01 + np.sin(t / 9 + np.arange(4))
    clean = seam_ratio(smooth, 50)
    torn = seam_ratio(smooth + 0.5 * (t // 50), 50)
    assert clean is not None
    assert torn is not None
    assert clean == pytest.approx(1, abs=0.3)
    assert torn > 5
    shifted = seam_ratio(smooth + 0.5 * ((t + 25) // 50), 50)
    assert shifted is not None
    assert shifted < 1
    assert seam_ratio(smooth[:40], 50) is None
    assert seam_ratio(np.zeros((120, 2)), 50) is None


def test_pauses_are_found_and_short_gaps_are_not() -> None:
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    waveform = 0.3 * np.sin(2 * np.pi * 200 * time)
    waveform[SAMPLE_RATE : 2 * SAMPLE_RATE] = 0
    waveform[3 * SAMPLE_RATE : 3 * SAMPLE_RATE + 1600] = 0
    silent = silent_frames(waveform, 100)
    assert runs(silent) == [(25, 50)]
    assert silent_frames(np.zeros(SAMPLE_RATE), 25).all()


def test_mouth_in_silence_leaves_lips_time_to_close() -> None:
    silent = np.zeros(100, bool)
    silent[40:60] = True
    gap = np.full(100, 0.08)
    gap[43:60] = 0.005
    figures = mouth_in_silence(gap, silent)
    assert figures is not None
    assert figures["gap_in_silence"] == pytest.approx(0.005)
    assert figures["gap_in_speech"] == pytest.approx(0.08)
    assert figures["closed_share"] == 1
    assert figures["silent_seconds"] == pytest.approx(17 / FPS)
    assert mouth_in_silence(gap, np.zeros(100, bool)) is None


def picture(seed: int = 0, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def test_identical_pictures_are_perfect() -> None:
    image = picture()
    assert psnr(image, image) == float("inf")
    assert ssim(image, image) == pytest.approx(1)


def test_psnr_of_a_known_error_and_inside_a_mask() -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    brighter = image + np.uint8(10)
    assert psnr(brighter, image) == pytest.approx(20 * np.log10(255 / 10))
    half = image.copy()
    half[:16] += np.uint8(10)
    mask = np.zeros((32, 32), bool)
    mask[16:] = True
    assert psnr(half, image, mask) == float("inf")
    assert psnr(half, image, ~mask) == pytest.approx(psnr(brighter, image))


def test_ssim_of_unrelated_noise_is_low_and_of_a_slight_change_high() -> None:
    assert ssim(picture(0), picture(1)) < 0.1
    smooth = np.repeat(np.linspace(40, 200, 64)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8)
    assert ssim(smooth + np.uint8(1), smooth) > 0.98


def test_blur_lowers_sharpness() -> None:
    image = picture()
    blurred = image.reshape(16, 4, 16, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    box = (0, 0, 64, 64)
    assert sharpness(blurred, box) < 0.7 * sharpness(image, box)


def test_box_is_grown_and_kept_inside() -> None:
    points = np.array([[10, 20, 0], [30, 60, 0]], float)
    assert box_around(points, (100, 100)) == (10, 20, 30, 60)
    assert box_around(points, (100, 100), 1.0) == (0, 0, 50, 100)


def test_background_that_moves_is_told_from_one_that_stands() -> None:
    landmarks = np.zeros((10, 478, 3))
    landmarks[..., :2] = np.random.default_rng(0).uniform(110, 150, (10, 478, 2))
    still = picture(3, 256)
    standing, moving, plain = (BackgroundMotion(landmarks, (256, 256)) for _ in range(3))
    for index in range(10):
        frame = still.copy()
        frame[100:160, 100:160] = index * 20  # the head moves in both
        standing.add(frame)
        moving.add(np.roll(still, index, 1))
        plain.add(np.full((256, 256, 3), 90, np.uint8))
    assert standing.value == 0
    assert moving.value is not None
    assert moving.value > 5
    assert plain.value is None


def opened(shape: np.ndarray) -> np.ndarray:
    """The canonical face's eyes are narrow: here they are as open as photographed ones."""
    for eye in EYES:
        shape[list(eye.upper), 1] -= 0.02
        shape[list(eye.lower), 1] += 0.01
    return shape


def drawn_eyes(landmarks: np.ndarray) -> np.ndarray:
    """A picture of skin, white eyes and dark irises at the landmarks, irises clipped by the lids."""
    frame = np.full((512, 512, 3), 170, np.uint8)
    for eye in EYES:
        opening = opening_mask(landmarks, eye, (512, 512))[..., None] / 255.0
        inside = np.full_like(frame, 240)
        centre, radius = landmarks[eye.iris[0], :2], np.ptp(landmarks[list(eye.iris), 0]) / 2
        cv2.circle(
            inside, tuple(np.round(16 * centre).astype(int).tolist()), round(16 * radius), (60, 40, 30), -1, 16, 4
        )
        frame = (frame + (inside - frame.astype(float)) * opening).astype(np.uint8)
    return frame


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.1, -0.15, 0.08)])
@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.15), (0.1, -0.2)])
def test_irises_are_found_in_the_picture(
    canonical: np.ndarray, gaze: tuple[float, float], turn: tuple[float, float, float]
) -> None:
    shape, unturned = (opened(face(canonical, to)) for to in (gaze, (0.0, 0.0)))
    frame = drawn_eyes(placed(shape, turn, 200.0))
    without = placed(unturned, turn, 200.0)  # where the landmarks have the irises is not looked at
    pose = np.array([*turn, 0.0, 0.0, np.log(512 / 200)])
    found = iris_gaze(frame, without, pose, iris_radius(shape))
    assert found is not None
    np.testing.assert_allclose(np.degrees(found), np.degrees(np.add(gaze, [turn[1], turn[0]])), atol=3.0)


def test_shut_eyes_have_no_gaze(canonical: np.ndarray) -> None:
    shape = face(canonical)
    for eye in EYES:
        shape[list(eye.upper)] = shape[list(eye.lower)]
    landmarks = placed(shape, scale=200.0)
    pose = np.array([0, 0, 0, 0, 0, np.log(512 / 200)])
    assert iris_gaze(drawn_eyes(landmarks), landmarks, pose, iris_radius(shape)) is None
