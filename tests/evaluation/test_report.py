"""Summary, table and JSON of a result; and a video compared with itself, which must have no error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import ASSETS, resolve
from vasa_core.audio import features, open_encoder
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.controls import control_leakage, slope, swept
from vasa_core.evaluation.metrics.liveliness import SCORED
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.setup import optional
from vasa_core.evaluation.video.controls import followed_distance, gaze_of_irises
from vasa_core.evaluation.video.measure import evaluate, shortened
from vasa_core.evaluation.video.report import score_liveness, summarise, video_table
from vasa_core.evaluation.video.sweep import Reading
from vasa_core.evaluation.video.tracks import (
    Sound,
    Track,
    Tracker,
    cropped,
    describe,
    describe_speech,
    kept_to_end,
    open_tracker,
    video,
    visible_box,
)
from vasa_core.evaluation.video.truth import compare
from vasa_core.io.audio import read_audio
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.pipeline import Pipeline

ROOT = ASSETS.parent
SIDE, FRAMES = 256, 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled portrait drifting slowly to the right, as a video."""
    path = tmp_path_factory.mktemp("clip") / "drift.mp4"
    photo = read_image(ROOT / "assets" / "portrait.jpg")
    side = min(photo.shape[:2])
    photo = cv2.resize(photo[:side, :side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, (SIDE, SIDE)) as writer:
        for index in range(FRAMES):
            shift = np.array([[1, 0, index], [0, 1, 0]], np.float64)
            writer.write(cv2.warpAffine(photo, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE))
    return path


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    with open_tracker() as found:
        yield found


@pytest.fixture(scope="module")
def track(clip: Path, tracker: Tracker) -> Track:
    found = tracker(video(clip))
    assert found is not None
    return found


def test_tracker_follows_the_drift(track: Track) -> None:
    assert track.found == 1
    assert track.size == (SIDE, SIDE)
    step = np.diff(track.landmarks[:, :468, 0].mean(1)).mean()
    assert step == pytest.approx(1, abs=0.1)


def test_a_video_without_a_face_has_no_track(tracker: Tracker) -> None:
    assert tracker(lambda: iter([np.zeros((64, 64, 3), np.uint8)] * 2)) is None


def test_a_video_compared_with_itself_has_no_error(clip: Path, track: Track) -> None:
    figures = compare(video(clip), track, video(clip), track, (0, 0, SIDE, SIDE), None)
    for name in ("landmarks_all", "landmarks_mouth", "shape_eyes", "gaze_error", "distance_error", "identity_shape"):
        assert figures[name] == pytest.approx(0, abs=1e-9), name
    assert figures["mouth_gain"] == pytest.approx(1)
    assert figures["psnr"] == 100
    assert figures["ssim"] == pytest.approx(1)
    assert figures["sharpness_mouth"] == pytest.approx(1)
    still = figures["still_all"]
    assert still is not None
    assert still > 1


def test_description_of_a_drifting_photo(clip: Path, track: Track) -> None:
    figures = describe(video(clip), track, 5)
    assert figures["blinks"] == 0
    assert figures["frames"] == FRAMES
    delta = figures["delta_pose"]
    assert delta is not None
    assert delta < 0.5
    assert figures["sharpness_kept"] == pytest.approx(1, abs=0.1)
    width, drift = figures["lip_dynamics_256"], np.arange(FRAMES).std()
    assert width is not None
    assert width < 1
    assert figures["head_dynamics_256"] == pytest.approx(np.sqrt(drift**2 / 2), rel=0.1)  # 1 px a frame to one side


def test_speech_figures_of_lips_that_do_what_the_judge_expects(track: Track) -> None:
    judge = SyncJudge.load(ROOT / "checkpoints" / "sync_judge")
    waveform = read_audio(ROOT / "assets" / "speech.wav")
    sound = Sound(waveform, features(open_encoder(judge.config.encoder), waveform))
    expected = judge(sound.features)
    landmarks = np.repeat(track.landmarks[:1].astype(np.float64), len(expected), 0)
    height = np.linalg.norm(landmarks[0, 10, :2] - landmarks[0, 152, :2])
    opening = height * (expected[:, 0] - expected[:, 0].min())
    for lower in (14, 87, 317, 17):
        landmarks[:, lower, 1] += opening
    figures = describe_speech(Track(landmarks, 1.0, track.size, track.head), sound, judge)
    assert figures["lag"] == 0
    confidence, shuffled = figures["confidence"], figures["confidence_shuffled"]
    assert confidence is not None
    assert shuffled is not None
    assert confidence > 0.4 > shuffled
    assert figures["lag_change_when_delayed"] == -5


def test_a_cropped_video_and_its_visible_part(clip: Path) -> None:
    matrix = np.array([[2.0, 0, 20], [0, 2.0, -100]])
    frame = next(cropped(clip, matrix, 512)())
    assert frame.shape == (512, 512, 3)
    assert visible_box(matrix, (SIDE, SIDE), 512) == (21, 0, 512, 411)


def test_short_clips_stay_and_long_ones_are_cut(clip: Path, tmp_path: Path) -> None:
    assert shortened(clip, tmp_path / "a.mp4") == clip
    cut = shortened(clip, tmp_path / "b.mp4", seconds=0.2)
    assert sum(1 for _ in read_frames(cut)) == 5


def test_summary_is_the_median_and_blinks_are_pooled() -> None:
    videos = [
        {"part": "real", "clip": "a", "frames": 1500, "blinks": 20, "lag": 0, "psnr": None, "blinks_per_minute": 20.0},
        {"part": "real", "clip": "b", "frames": 750, "blinks": 1, "lag": 2, "blinks_per_minute": 2.0},
    ]
    summary = summarise(videos, ("real", "generated"))
    assert summary["real"]["videos"] == 2
    assert summary["real"]["lag"] == 1
    assert summary["real"]["blinks_per_minute"] == pytest.approx(14)
    assert "psnr" not in summary["real"]
    assert summary["generated"] == {"videos": 0}


def test_parts_are_scored_beside_the_real_clips() -> None:
    summary = {"real": dict.fromkeys(SCORED, 2.0), "lively": dict.fromkeys(SCORED, 4.0)}
    summary |= {"generated": dict.fromkeys(SCORED, 1.0), "reenacted": {"videos": 0}}
    score_liveness(summary)
    assert summary["generated"]["liveness"] == 0.5
    assert summary["generated"]["liveness_lively"] == 0.25
    assert summary["real"]["liveness"] == 1
    assert summary["reenacted"] == {"videos": 0}


def test_table_and_json_show_every_part(tmp_path: Path) -> None:
    result = {
        "summary": {"real": {"videos": 1, "lag": 0.0}, "generated": {"videos": 1, "lag": 1.0, "psnr": float("inf")}},
        "controls": {"gaze_yaw": {"asked": [-1.0, 1.0], "slope": 0.9, "monotone": True}},
        "rendering": {"lids": {"asked": [1.0, 0.0], "measured": None}},
        "not_measured": ["identity by descriptor: needs dlib"],
        "videos": [],
    }
    text = video_table(result)
    assert "lag" in text
    assert "gaze yaw: asked [-1 1], slope 0.9, monotone yes" in text
    assert "lids: asked [1 0], measured -" in text
    assert "not measured: identity by descriptor: needs dlib" in text
    write_report(tmp_path / "evaluation.json", result)
    stored = json.loads((tmp_path / "evaluation.json").read_text())
    assert stored["summary"]["generated"] == {"videos": 1, "lag": 1.0, "psnr": None}
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_what_is_kept_is_the_end_over_the_start() -> None:
    assert kept_to_end(np.r_[np.full(300, 4.0), np.full(500, 9.0), np.full(250, 2.0)]) == pytest.approx(0.5)
    assert kept_to_end(np.array([4.0, 4.0, 3.0, 3.0])) == pytest.approx(0.75)  # shorter: its halves
    assert kept_to_end(np.array([3.0])) == 1.0


def test_sweep_lines() -> None:
    asked = np.array([-20.0, 0.0, 20.0])
    assert slope(asked, 0.7 * asked + 3) == pytest.approx(0.7)
    assert swept((0.0, 1.0, 2.0), [1.0, 3.0, 2.5])["monotone"] is False
    line = swept((-20.0, 0.0, 20.0), [-15.0, None, 13.0])
    assert line["slope"] == pytest.approx(0.7)
    assert line["monotone"] is True
    assert swept((0.0, 1.0), [None, 1.0])["slope"] is None
    assert followed_distance([None, None, None, None], None) == {}


def test_irises_that_turn_half_as_far_as_asked() -> None:
    asked = [(yaw, pitch) for yaw in (-20.0, 0.0, 20.0) for pitch in (-10.0, 10.0)]
    readings = {
        (yaw, pitch): Reading(
            (0.0, 0.0),
            np.tile([yaw, pitch / 2], (3, 1)),
            (0.0, 0.0, 0.0),
            *(1.0, 0.0, 0.0),
            (),
            *(0.0, 1.0),
            np.zeros((5, 2)),
        )
        for yaw, pitch in asked
    }
    figures = gaze_of_irises(readings)
    assert figures["slope_yaw"] == pytest.approx(1)
    assert figures["slope_pitch"] == pytest.approx(0.5)
    assert figures["error_of_main_gaze"] == pytest.approx(5) == figures["error_per_frame"]
    assert gaze_of_irises({**readings, (0.0, 0.0): None}) == {"targets": 6}


def test_leakage_is_in_percent_of_what_a_measure_s_own_control_moves_it() -> None:
    """A face of two points: happiness moves the one, fear the other, and a little of the first."""
    still = {"yaw": 0.0, "lip_opening": 0.1, "happiness": 0.0, "fear": 0.0}
    ends = {
        "yaw": (still, still | {"yaw": -40.0, "happiness": 0.2}),
        "happiness": (still, still | {"yaw": 2.0, "happiness": 4.0, "lip_opening": 0.15}),
        "fear": (still, still | {"fear": 1.0}),
    }
    leaks = control_leakage(
        ends,
        lambda seen: {name: seen[name] for name in ("yaw", "lip_opening")},
        lambda seen: np.array([seen["happiness"], seen["fear"]]),
        lip_range=0.5,
    )
    assert leaks["yaw"] == pytest.approx({"happiness": 5, "fear": 0, "lip_opening": 0})
    assert leaks["happiness"] == pytest.approx({"yaw": 5, "lip_opening": 10})


def test_a_voice_detector_that_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("VASA_MODELS", tmp_path), ("PIP_NO_INDEX", 1), ("PIP_FIND_LINKS", tmp_path)):
        monkeypatch.setenv(name, str(value))
    missing: list[str] = []
    assert optional(lambda: VoiceActivity(resolve("voice_activity")), missing, "pauses") is None
    assert len(missing) == 1
    assert missing[0].startswith("pauses: ")
    assert "silero-vad==6.2.0" in missing[0]
    assert "\n" not in missing[0]


@pytest.mark.slow
def test_evaluation_of_the_bundled_models_on_the_bundled_files(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    pipeline = Pipeline.load("cpu")
    result = evaluate(pipeline, [], tmp_path, progress=lambda a, b: done.append((a, b)))
    assert done[-1] == (3, 3)
    assert abs(result["summary"]["generated"]["lag"]) <= 1
    assert (tmp_path / "evaluation.json").is_file()
    with pytest.raises(InputError, match="clips"):
        evaluate(pipeline, [], tmp_path, -1)
