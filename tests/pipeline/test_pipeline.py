"""The whole path on the bundled portrait and speech: lengths, determinism, controls, silence, stopping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import ASSETS, resolve
from vasa_core.errors import Cancelled, InputError
from vasa_core.io.audio import AudioFile, read_audio
from vasa_core.io.image import read_image
from vasa_core.io.video import read_frames
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.provenance.mark import MARKED_FROM, mark_score
from vasa_core.rates import SAMPLE_RATE

SPEECH = ASSETS / "speech.wav"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(SPEECH)


@pytest.fixture(scope="module")
def landmarker() -> Iterator[Landmarker]:
    with Landmarker(resolve("face_landmarker")) as found:
        yield found


@pytest.fixture(scope="module")
def driving(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A second of the portrait itself speaking."""
    out = tmp_path_factory.mktemp("driving") / "driving.mp4"
    pipeline.animate(prepared, speech[:SAMPLE_RATE], steps=4).save(out)
    return out


def _frames(pipeline: Pipeline, prepared: Prepared, waveform: np.ndarray, **options: object) -> np.ndarray:
    return np.stack(list(pipeline.stream(prepared, waveform, GenerationOptions(steps=4, **options))))  # pyright: ignore


def _tracked(landmarker: Landmarker, frames: np.ndarray) -> np.ndarray:
    found = [landmarker(frame) for frame in frames]
    return np.stack([f[0] for f in found if f is not None])


def _head_size(landmarks: np.ndarray) -> float:
    return float(np.linalg.norm(landmarks[:, 10, :2] - landmarks[:, 152, :2], axis=1).mean())


@pytest.mark.parametrize("samples", [1601, 12_345, 6_400 + 319])
def test_as_many_frames_as_the_sound_is_long(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray, samples: int
) -> None:
    assert len(_frames(pipeline, prepared, speech[:samples], size=256)) == round(samples / 16_000 * 25)


def test_same_seed_same_frames_and_another_seed_others(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray
) -> None:
    one, again, other = (_frames(pipeline, prepared, speech[:4_800], size=256, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_streamed_and_written_video_show_the_same(
    pipeline: Pipeline, prepared: Prepared, brief_speech: Path, tmp_path: Path
) -> None:
    options = GenerationOptions(size=256, steps=4)
    seen: list[tuple[int, int]] = []
    made = pipeline.generate(
        prepared, brief_speech, tmp_path / "out.mp4", options, progress=lambda done, total: seen.append((done, total))
    )
    streamed = np.stack(list(pipeline.stream(prepared, brief_speech, options)))
    written = np.stack(list(read_frames(tmp_path / "out.mp4")))
    assert written.shape == streamed.shape
    assert made.frames == len(streamed) == 15
    assert seen == [(i + 1, 15) for i in range(15)]
    assert np.abs(written.astype(int) - streamed).mean() < 4  # H.264
    assert AudioFile.open(tmp_path / "out.mp4").seconds == pytest.approx(0.6, abs=0.03)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_every_frame_is_marked(pipeline: Pipeline, prepared: Prepared, speech: np.ndarray) -> None:
    assert mark_score(list(_frames(pipeline, prepared, speech[:8000]))) > MARKED_FROM
    assert mark_score([prepared.crop.tracked.image]) < MARKED_FROM


def test_head_motion_0_keeps_the_head_still(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray, landmarker: Landmarker
) -> None:
    spread = {}
    for amount in (0.0, 1.0):
        points = _tracked(
            landmarker, _frames(pipeline, prepared, speech[:32_000], head_motion=amount, expressiveness=0.0)[::4]
        )
        spread[amount] = points[:, [10, 168, 6, 197], :2].std(0).mean()  # a smile moves the cheeks
    assert spread[0.0] < 0.6  # px: what the landmarker jitters
    assert spread[1.0] > 2 * spread[0.0]


def test_mouth_stays_closed_in_silence_and_opens_in_speech(
    pipeline: Pipeline, prepared: Prepared, speech: np.ndarray, landmarker: Landmarker
) -> None:
    silent = _tracked(landmarker, _frames(pipeline, prepared, np.zeros(24_000, np.float32))[10::6])
    spoken = _tracked(landmarker, _frames(pipeline, prepared, speech[:24_000])[10::3])
    gap = {
        name: np.linalg.norm(points[:, 13, :2] - points[:, 14, :2], axis=1) / _head_size(points)
        for name, points in (("silent", silent), ("spoken", spoken))
    }
    assert np.median(gap["silent"]) < 0.02
    assert np.percentile(gap["spoken"], 90) > 2 * np.median(gap["silent"])


def test_distance_changes_the_size_of_the_face(
    pipeline: Pipeline, portrait: Path, speech: np.ndarray, landmarker: Landmarker
) -> None:
    room = (200, 200, 200, 200)  # px around the photo, to be seen from farther away
    far = pipeline.prepare(cv2.copyMakeBorder(read_image(portrait), *room, cv2.BORDER_REPLICATE))
    sizes = {
        distance: _head_size(
            _tracked(landmarker, _frames(pipeline, far, speech[:3_200], distance=distance, head_motion=0.0))
        )
        for distance in (0.8, 1.0, 1.3)
    }
    assert sizes[0.8] / sizes[1.0] == pytest.approx(1 / 0.8, rel=0.05)
    assert sizes[1.3] / sizes[1.0] == pytest.approx(1 / 1.3, rel=0.05)


def test_stopping_half_way_leaves_nothing(
    pipeline: Pipeline, prepared: Prepared, short_speech: Path, tmp_path: Path
) -> None:
    done = 0

    def count(frames: int, _: int) -> None:
        nonlocal done
        done = frames

    with pytest.raises(Cancelled):
        pipeline.generate(prepared, short_speech, tmp_path / "out.mp4", cancelled=lambda: done >= 10, progress=count)
    assert not list(tmp_path.iterdir())


def test_second_run_into_the_same_output_replaces_it(
    pipeline: Pipeline, prepared: Prepared, brief_speech: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    pipeline.generate(prepared, brief_speech, target, GenerationOptions(size=256, steps=1))
    assert len(list(read_frames(target))) == 15


def test_reenacting_a_face_by_its_own_video_gives_its_own_landmarks(
    pipeline: Pipeline, driving: Path, tmp_path: Path, landmarker: Landmarker
) -> None:
    out = tmp_path / "out.mp4"
    first = next(iter(read_frames(driving)))
    pipeline.reenact(first, driving, out)
    source = pipeline.prepare(first)
    scale, shift = source.crop.matrix[:, :2], source.crop.matrix[:, 2]
    truth = _tracked(landmarker, np.stack(list(read_frames(driving)))[::5])[..., :2] @ scale.T + shift
    found = _tracked(landmarker, np.stack(list(read_frames(out)))[::5])
    error = np.linalg.norm(found[..., :2] - truth, axis=-1).mean() / _head_size(found)
    assert error < 0.015


@pytest.mark.parametrize(("use", "moves"), [("pose", False), ("dynamics", True)])
def test_reenacting_only_pose_or_only_dynamics(
    pipeline: Pipeline, prepared: Prepared, driving: Path, tmp_path: Path, use: str, moves: bool
) -> None:
    out = tmp_path / "out.mp4"
    assert pipeline.reenact(prepared, driving, out, use).frames == 25
    lips = pipeline.encode(out)["dynamics"][:, 4].std()
    assert (lips > 0.2) == moves


def test_pasting_back_gives_the_whole_photo_marked_with_the_head_in_its_place(
    pipeline: Pipeline, prepared: Prepared, short_speech: Path, brief_speech: Path, tmp_path: Path
) -> None:
    options = GenerationOptions(steps=1, framing="photo")
    photo = prepared.original
    made = pipeline.generate(prepared, brief_speech, tmp_path / "out.mp4", options)
    assert (made.height, made.width) == (photo.shape[0] // 2 * 2, photo.shape[1] // 2 * 2)
    frames = list(pipeline.stream(prepared, short_speech, options))[::10]
    assert mark_score(frames, 10) > MARKED_FROM
    frame = frames[-1].astype(int)
    assert frame.shape == (made.height, made.width, 3)
    corner = np.abs(frame[:40, :40] - photo[:40, :40])  # far from the head: the photo, but for the mark
    assert corner.max() <= 4
    written = next(iter(read_frames(tmp_path / "out.mp4")))
    assert written.shape == frame.shape


def test_encode_reads_photos_and_videos(pipeline: Pipeline, portrait: Path) -> None:
    arrays = pipeline.encode(portrait)
    assert arrays["pose"].shape == (1, 6)
    assert arrays["dynamics"].shape == (1, pipeline.face.basis.dimensions)
    assert arrays["landmarks"].shape == (1, 478, 3)
    with pytest.raises(InputError):
        pipeline.encode(SPEECH)


def test_bad_device_and_bad_use_are_named(pipeline: Pipeline, prepared: Prepared, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'cuda:99'"):
        Pipeline.load("cuda:99")
    with pytest.raises(InputError, match="'lips'"):
        pipeline.reenact(prepared, SPEECH, tmp_path / "out.mp4", use="lips")
    with pytest.raises(InputError, match="empty"):
        list(pipeline.stream(prepared, np.zeros(0, np.float32)))
