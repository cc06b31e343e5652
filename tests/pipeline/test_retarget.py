"""Motion from elsewhere on a portrait: whose rest it is relative to, lips that close, and the portrait's own shape."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.face.basis import CLOSED_LIPS, EXPRESSION, LIDS, FaceBasis, move_lips
from vasa_core.face.measure import lip_gap, lip_gaps
from vasa_core.face.pose import PITCH, YAW, project
from vasa_core.face.topology import STABLE
from vasa_core.io.image import read_image
from vasa_core.io.video import read_frames
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.driving import track_driving
from vasa_core.pipeline.retarget import WIDEST_LIPS, taken_over
from vasa_core.types import Motion

SIZE = (512, 512)
FRAMES = 120
REST = np.array([0.0, 0.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def prepared(pipeline: Pipeline, portrait: Path) -> Prepared:
    """The bundled portrait, which smiles with an open mouth."""
    found = pipeline.prepare(portrait)
    assert lip_gap(found.portrait.rest[None], 3)[0] > 5 * CLOSED_LIPS
    return found


def opening(basis: FaceBasis, width: float) -> np.ndarray:
    """The expression that opens the lips most, so far that their middle is open by `width`."""
    moves = lip_gaps(basis.dynamics)
    expression = np.linalg.svd(moves)[0][:, 0]
    return width / (expression @ moves)[moves.shape[1] // 2] * expression


def speech_like(basis: FaceBasis, widest: float = 0.08) -> np.ndarray:
    """z_dyn: lips that close every 20 frames, blinks, and a face that changes slowly."""
    time = np.arange(FRAMES)
    lips = np.maximum(np.sin(2 * np.pi * time / 20), 0)[:, None] * opening(basis, widest)
    rng = np.random.default_rng(0)
    slow = np.sin(2 * np.pi * time / 60)[:, None] * rng.normal(size=lips.shape[1])
    closed = np.linalg.norm(lips, axis=1) == 0
    lids = np.ones((FRAMES, 2))
    lids[[30, 31, 32, 90, 91, 92]] = 0
    gaze = 0.1 * np.sin(2 * np.pi * time / 50)[:, None] * [1.0, 0.0]
    return np.concatenate([gaze, lids, lips + np.where(closed[:, None], 0, slow)], 1)


def filmed(basis: FaceBasis, person: int, dynamics: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Landmarks of a person of the basis who moves so, head turning about `usual`."""
    coefficients = 0.7 * np.random.default_rng(person).normal(size=len(basis.identity))
    face = basis.mean + np.tensordot(coefficients, basis.identity, 1)
    face = move_lips(face[None], basis.dynamics, lip_gaps(basis.mean))[0]
    rest = np.concatenate([REST, np.zeros(len(basis.dynamics))])
    time = np.arange(len(dynamics))
    turns = np.zeros((len(dynamics), 6))
    turns[:, YAW], turns[:, PITCH] = 0.12 * np.sin(time / 9), 0.06 * np.sin(time / 7)
    points = project(basis.decode(dynamics, face, rest), usual + turns, SIZE)
    return points.astype(np.float32)


def shown(pipeline: Pipeline, prepared: Prepared, motion: Motion) -> np.ndarray:
    """Canonical shapes of the portrait as they are drawn."""
    return pipeline.face.basis.decode(motion.dynamics, prepared.portrait.rest, prepared.portrait.motion.dynamics[0])


def test_it_does_not_matter_which_frame_comes_first(pipeline: Pipeline, prepared: Prepared) -> None:
    basis, usual = pipeline.face.basis, prepared.portrait.motion.pose
    landmarks = filmed(basis, 1, speech_like(basis), usual)
    whole = taken_over(pipeline.face, prepared.portrait, landmarks, SIZE)
    for first in (25, 31, 70):  # in mid-word, in a blink, anywhere
        rolled = taken_over(pipeline.face, prepared.portrait, np.roll(landmarks, -first, 0), SIZE)
        np.testing.assert_allclose(np.roll(rolled.pose, first, 0), whole.pose, atol=1e-6)
        np.testing.assert_allclose(np.roll(rolled.dynamics, first, 0), whole.dynamics, atol=1e-3)


def test_a_video_that_starts_in_mid_word_gives_back_what_was_done(pipeline: Pipeline, prepared: Prepared) -> None:
    basis, portrait = pipeline.face.basis, prepared.portrait
    truth = np.roll(speech_like(basis), -25, 0)
    found = taken_over(pipeline.face, portrait, filmed(basis, 2, truth, portrait.motion.pose), SIZE)
    blinks = truth[:, LIDS.start] == 0
    assert found.dynamics[blinks, LIDS].max() < 0.3
    assert found.dynamics[~blinks, LIDS].min() > 0.8
    error = found.dynamics[:, EXPRESSION] - truth[:, EXPRESSION]
    assert np.linalg.norm(error, axis=1).mean() < 0.4 * np.linalg.norm(truth[:, EXPRESSION], axis=1).mean()
    turned = found.pose - portrait.motion.pose
    assert np.abs(np.median(turned, 0)).max() < 1e-9
    assert turned[:, YAW].max() == pytest.approx(0.12, abs=0.03)


def test_closed_lips_close_an_open_mouthed_photo_and_open_ones_open_as_far(
    pipeline: Pipeline, prepared: Prepared
) -> None:
    basis = pipeline.face.basis
    landmarks = filmed(basis, 3, speech_like(basis), prepared.portrait.motion.pose)
    driving = lip_gaps(basis.align(landmarks, SIZE)[0])[:, 4]
    drawn = lip_gaps(shown(pipeline, prepared, taken_over(pipeline.face, prepared.portrait, landmarks, SIZE)))[:, 4]
    closed = driving < 0.5 * CLOSED_LIPS
    assert closed.sum() > 20
    assert drawn[closed].max() < CLOSED_LIPS
    assert np.corrcoef(drawn, driving)[0, 1] > 0.99
    assert drawn.max() == pytest.approx(driving.max(), rel=0.15)


def test_lips_open_no_further_than_a_photo_can_be_opened(pipeline: Pipeline, prepared: Prepared) -> None:
    basis = pipeline.face.basis
    landmarks = filmed(basis, 4, speech_like(basis, widest=0.35), prepared.portrait.motion.pose)
    assert lip_gap(basis.align(landmarks, SIZE)[0], 3).max() > 1.3 * WIDEST_LIPS
    drawn = lip_gap(shown(pipeline, prepared, taken_over(pipeline.face, prepared.portrait, landmarks, SIZE)), 3)
    assert 0.7 * WIDEST_LIPS < drawn.max() < 1.1 * WIDEST_LIPS


def test_whose_face_drives_hardly_matters(pipeline: Pipeline, prepared: Prepared) -> None:
    basis, portrait = pipeline.face.basis, prepared.portrait
    truth = speech_like(basis)
    faces = [filmed(basis, person, truth, portrait.motion.pose) for person in (5, 6)]
    apart = np.linalg.norm(basis.align(faces[0], SIZE)[0] - basis.align(faces[1], SIZE)[0], axis=-1).mean()
    motions = [taken_over(pipeline.face, portrait, face, SIZE) for face in faces]
    first, second = (shown(pipeline, prepared, motion) for motion in motions)
    assert np.linalg.norm(first - second, axis=-1).mean() < 0.15 * apart
    points = project(first, motions[0].pose, SIZE)
    drawn = basis.align(points, SIZE, portrait.identity.neutral)[0]
    stable = list(STABLE)
    assert np.linalg.norm((drawn.mean(0) - portrait.rest)[stable], axis=-1).mean() < 0.3 * apart


def test_a_photo_that_is_the_first_frame_stays_that_frame(pipeline: Pipeline, prepared: Prepared) -> None:
    """Driven by itself a portrait shows itself, whatever it does in the photo."""
    basis, portrait = pipeline.face.basis, prepared.portrait
    dynamics = portrait.motion.dynamics + speech_like(basis) * ([0.0] * 4 + [1.0] * len(basis.dynamics))
    shapes = basis.decode(dynamics, portrait.rest, portrait.motion.dynamics[0])
    landmarks = project(shapes, np.repeat(portrait.motion.pose, FRAMES, 0), SIZE)
    landmarks[0] = portrait.landmarks
    motion = taken_over(pipeline.face, portrait, landmarks, SIZE)
    np.testing.assert_allclose(shown(pipeline, prepared, motion)[0, :468], portrait.rest[:468], atol=1e-3)


def test_a_moment_of_video_is_relative_to_its_first_frame(pipeline: Pipeline, prepared: Prepared) -> None:
    basis, portrait = pipeline.face.basis, prepared.portrait
    landmarks = filmed(basis, 7, speech_like(basis), portrait.motion.pose)[:20]
    motion = taken_over(pipeline.face, portrait, landmarks, SIZE)
    np.testing.assert_allclose(motion.pose[0], portrait.motion.pose[0])


@pytest.mark.slow
def test_a_rendered_reenactment_is_read_back_as_its_driver(pipeline: Pipeline, tmp_path: Path) -> None:
    """The bundled portrait speaks; its mirror image is moved by that video, which starts in mid-word."""
    photo = read_image(ASSETS / "portrait.jpg")
    driving, out = tmp_path / "driving.mp4", tmp_path / "out.mp4"
    pipeline.generate(photo, ASSETS / "speech.wav", driving, GenerationOptions())
    prepared = pipeline.prepare(np.ascontiguousarray(photo[:, ::-1]))
    pipeline.reenact(prepared, driving, out)
    basis, preprocessor = pipeline.face.basis, pipeline.preprocessor
    driver = lip_gap(basis.align(*track_driving(driving, preprocessor))[0], 3)
    landmarks = np.stack([preprocessor.track(frame).landmarks for frame in read_frames(out)])  # pyright: ignore
    shapes, pose = basis.align(landmarks, SIZE, prepared.portrait.identity.neutral)
    drawn = lip_gap(shapes, 3)
    assert np.corrcoef(driver, drawn)[0, 1] > 0.8
    closed = driver < CLOSED_LIPS
    assert closed.sum() > 10
    assert np.mean(drawn[closed] < 1.5 * CLOSED_LIPS) > 0.9
    stable = list(STABLE)
    # The landmarker moves nose and eye corners a little with the irises, so that this is not exact.
    assert np.linalg.norm(shapes[:, stable].mean(0) - prepared.portrait.rest[stable], axis=-1).mean() < 0.012
    wanted = pipeline.reenacted_motion(prepared.portrait, driving, driving).pose
    assert np.degrees(np.abs(pose - wanted)[:, :3]).mean() < 2


def test_head_of_one_video_and_face_of_another(
    pipeline: Pipeline, prepared: Prepared, brief_speech: Path, tmp_path: Path
) -> None:
    one, other, out = (tmp_path / f"{name}.mp4" for name in ("one", "other", "out"))
    options = GenerationOptions(steps=2, size=256)
    pipeline.generate(prepared, brief_speech, one, options)
    mirrored = cv2.flip(prepared.original, 1)
    pipeline.generate(mirrored, brief_speech, other, GenerationOptions(steps=2, size=256, seed=5))
    portrait = prepared.portrait
    head, face = (pipeline.reenacted_motion(portrait, video, video) for video in (one, other))
    mix = pipeline.reenacted_motion(portrait, one, other)
    np.testing.assert_array_equal(mix.pose, head.pose)
    np.testing.assert_array_equal(mix.dynamics[:, 2:], face.dynamics[:, 2:])
    mixed, filmed_eyes = (m.dynamics[:, :2] + m.pose[:, [YAW, PITCH]] for m in (mix, face))
    np.testing.assert_allclose(mixed, filmed_eyes)
    assert not np.allclose(head.dynamics, face.dynamics)
    made = pipeline.reenact(prepared, None, out, pose_from=one, dynamics_from=other, options=options)
    assert made.frames == len(mix) == 15
    still = pipeline.reenacted_motion(portrait, None, other)
    np.testing.assert_array_equal(still.pose, np.repeat(portrait.motion.pose, 15, 0))
    frozen = pipeline.reenacted_motion(portrait, one, None)
    np.testing.assert_array_equal(frozen.dynamics, np.repeat(portrait.motion.dynamics, 15, 0))
