"""Figures of generated motion with known answers: closures, errors, beats, seams, gaze; and one real run of it all."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.assets import ASSETS, CHECKPOINTS, resolve
from vasa_core.audio import open_encoder
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.audio.phones import Phone, phones_of_letters
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.errors import InputError, MissingModelError
from vasa_core.evaluation.metrics.controls import angular_error
from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.metrics.liveliness import BROWS, SCORED
from vasa_core.evaluation.metrics.motion import Seams, seam_changes
from vasa_core.evaluation.motion.controls import RANGES, camera_gaze, leakage
from vasa_core.evaluation.motion.figures import (
    UPPER_FACE,
    Moves,
    against_real,
    beat_alignment,
    by_itself,
    head_beats,
    lip_vertex_error,
    onsets,
    stress_alignment,
)
from vasa_core.evaluation.motion.measure import measure_motion, measure_recording
from vasa_core.evaluation.motion.phones import Synthesiser, lips_at_phones
from vasa_core.evaluation.motion.recordings import Face, Generator, Listener, Recording, moved_sound, real_moves
from vasa_core.evaluation.motion.report import KINDS, motion_table, summarise_motion
from vasa_core.evaluation.setup import spread
from vasa_core.face.basis import LIDS
from vasa_core.face.measure import aperture
from vasa_core.face.pose import project
from vasa_core.face.topology import CHIN, FOREHEAD
from vasa_core.io.audio import read_audio
from vasa_core.options import EMOTION_CHOICES, GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from vasa_core.types import Motion

SPEECH2 = "Big pumpkins, small plums, and a bumblebee by the pond."  # what assets/speech2.wav says


@pytest.fixture(scope="module")
def face(pipeline: Pipeline) -> Face:
    return Face.usual(pipeline.face.basis)


def moves_of(face: Face, frames: int) -> Moves:
    return Moves(np.repeat(face.rest[None], frames, 0), np.zeros((frames, 6)))


def phone(name: str, frame: int, frames: int = 2) -> Phone:
    return Phone(name, frame / FPS, (frame + frames) / FPS)


# --- phones ---


def test_lips_that_close_and_open_on_time_are_counted() -> None:
    gap = np.full(100, 0.6)
    gap[20:22], gap[60:62], gap[80] = 0.0, 1.0, 1.0
    gap[[5, 6, 7, 8, 9, 90]] = 1.0  # the 95th percentile is 1
    phones = (phone("SIL", 0), phone("T", 10), phone("P", 20), phone("M", 40), phone("AA", 60))
    counts = lips_at_phones(gap, phones)
    assert (counts.closed, counts.closures, counts.opened, counts.openings) == (1, 2, 1, 1)
    assert counts.depth == pytest.approx(1.0 - 0.3)


def test_a_closing_counts_up_to_two_frames_beside_its_phone() -> None:
    gap = np.ones(100)
    gap[30] = 0.0
    for start, closed in ((31, 1), (32, 1), (33, 0), (28, 1), (27, 1), (26, 0)):
        counts = lips_at_phones(gap, (phone("T", 10), phone("B", start, 2)))
        assert counts.closed == closed, start


def test_a_mouth_that_never_moves_neither_closes_nor_gains_depth() -> None:
    counts = lips_at_phones(np.full(50, 0.02), (phone("T", 5), phone("B", 20), phone("AE", 30)))
    assert (counts.closed, counts.opened, counts.depth) == (0, 1, 0.0)


def test_a_long_first_phone_is_left_out() -> None:
    gap = np.ones(50)
    assert lips_at_phones(gap, (phone("SIL", 0), phone("P", 2, 10))).closures == 0
    assert lips_at_phones(gap, (phone("SIL", 0), phone("P", 2, 3))).closures == 1


def test_letters_become_phones_with_their_marks() -> None:
    phones = phones_of_letters(["", "b", "ˈ", "ɑ", "ː", "t", ",", ""], np.full(8, 0.1), 0.05)
    assert [p.name for p in phones] == ["SIL", "B", "AA", "T", "SIL", "SIL"]
    vowel = phones[2]
    assert (vowel.start, vowel.end) == (pytest.approx(0.15), pytest.approx(0.45))


def test_alignment_finds_the_labials_of_the_bundled_speech() -> None:
    align = Aligner()
    waveform = read_audio(ASSETS / "speech2.wav")
    phones = align(waveform, SPEECH2)
    assert phones is not None
    assert sum(p.name in ("P", "B", "M") for p in phones) == 13
    assert all(p.start < p.end for p in phones)
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(phones))
    late = align(np.concatenate([np.zeros(SAMPLE_RATE // 2, np.float32), waveform]), SPEECH2)
    assert late is not None
    shifts = [b.start - a.start for a, b in zip(phones, late, strict=True) if a.name in ("P", "B", "M")]
    assert np.median(shifts) == pytest.approx(0.5, abs=0.03)
    assert align(waveform, "qwrtzp") is None


@pytest.mark.parametrize(("part", "module"), [(Aligner, "pocketsphinx"), (Synthesiser, "hibari")])
def test_a_missing_package_is_named_with_how_to_get_it(
    part: type, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(MissingModelError, match=f"needs {module}, `pip install"):
        part()


# --- figures ---


def test_lip_vertex_error_of_a_known_shift(face: Face) -> None:
    real = moves_of(face, 4)
    height = np.linalg.norm(face.rest[FOREHEAD, :2] - face.rest[CHIN, :2])
    shapes = real.shapes.copy()
    shapes[:, MOUTH[0], 0] += 0.01 * height
    shapes[2:, MOUTH[1], 1] += 0.03 * height
    moved = Moves(shapes, real.pose)
    assert lip_vertex_error(moved, real) == pytest.approx((1 + 1 + 3 + 3) / 4)
    assert lip_vertex_error(moved, real, centred=True) == pytest.approx(1.5)
    assert lip_vertex_error(real, real) == 0


def test_upper_face_deviation_of_a_known_swing(face: Face) -> None:
    still = moves_of(face, 10)
    height = np.linalg.norm(face.rest[FOREHEAD, :2] - face.rest[CHIN, :2])
    shapes = still.shapes.copy()
    shapes[::2, list(UPPER_FACE), 1] += 0.02 * height
    swinging = Moves(shapes, still.pose)
    assert by_itself(swinging, 50)["upper_dynamics"] == pytest.approx(1.0)
    assert against_real(swinging, still)["fdd"] == pytest.approx(1.0, rel=1e-6)
    assert against_real(still, still)["fdd"] == 0


def test_upper_face_deviation_is_the_mean_difference_of_spreads(face: Face) -> None:
    random = np.random.default_rng(0)
    mine, theirs = (moves_of(face, 5).shapes + size * random.normal(size=(5, 478, 3)) for size in (0.002, 0.005))
    off = []
    for point in UPPER_FACE:
        spreads = []
        for shapes in (mine, theirs):
            mean = shapes[:, point, :2].sum(0) / 5
            squares = [(x - mean[0]) ** 2 + (y - mean[1]) ** 2 for x, y in shapes[:, point, :2]]
            spreads.append((sum(squares) / 5) ** 0.5)
        off.append(spreads[0] - spreads[1])
    height = np.mean([np.hypot(*(shape[FOREHEAD, :2] - shape[CHIN, :2])) for shape in theirs])
    pose = np.zeros((5, 6))
    fdd = against_real(Moves(mine, pose), Moves(theirs, pose))["fdd"]
    assert fdd == pytest.approx(100 * abs(sum(off) / len(off)) / height)


def test_lips_that_come_late_show_their_lag(face: Face, pipeline: Pipeline) -> None:
    time = np.arange(80)
    wave = 1.2 + np.sin(time / 3) + np.sin(time / 7)
    opening = next(k for k in range(8) if _opens(pipeline, face, k))
    dynamics = np.repeat(face.motion.dynamics, 83, 0)
    dynamics[3:, 4 + opening] = wave
    dynamics[:3, 4 + opening] = wave[0]
    made = face.moved(pipeline.face.basis, Motion(np.zeros((83, 6)), dynamics))
    real = Moves(made.shapes[3:], made.pose[3:])
    late = Moves(made.shapes[:80], made.pose[:80])
    figures = against_real(late, real)
    assert figures["lip_lag"] == 3
    assert figures["lip_correlation_best"] == pytest.approx(1, abs=0.01)
    assert figures["lip_correlation"] < 0.9
    assert against_real(real, real)["lip_lag"] == 0


def _opens(pipeline: Pipeline, face: Face, component: int) -> bool:
    dynamics = np.repeat(face.motion.dynamics, 2, 0)
    dynamics[1, 4 + component] = 2.0
    gap = aperture(face.moved(pipeline.face.basis, Motion(np.zeros((2, 6)), dynamics)).shapes)
    return bool(gap[1] > gap[0] + 0.01)


def test_beats_on_and_off_the_sound() -> None:
    sound = np.array([10.0, 30.0, 50.0])
    assert beat_alignment(sound, sound) == 1
    assert beat_alignment(sound + 3, sound, sigma=3.0) == pytest.approx(np.exp(-0.5))
    assert beat_alignment(sound + 10, sound) == pytest.approx(0, abs=0.01)
    assert beat_alignment(np.zeros(0), sound) is None


def test_who_moves_with_loud_words_is_in_step_and_who_moves_between_them_is_not(face: Face) -> None:
    loud = np.repeat(np.arange(10) % 2, 20).astype(float)  # 0.8 s of each
    waveform = np.repeat(loud, 640) * np.random.default_rng(0).normal(0, 0.1, 200 * 640)

    def moved(much: np.ndarray) -> Moves:
        shapes, pose = np.repeat(face.rest[None], 200, 0), np.zeros((200, 6))
        pose[:, 0] = 0.05 * np.cumsum(much * np.resize([1, 1, -1, -1], 200))
        brows = [point for side in BROWS for point in side]
        shapes[:, brows, 1] += pose[:, :1]
        return Moves(shapes, pose)

    assert stress_alignment(moved(loud), waveform) == pytest.approx(0.95, abs=0.05)
    assert stress_alignment(moved(1 - loud), waveform) == pytest.approx(-0.95, abs=0.05)
    assert stress_alignment(moved(0 * loud), waveform) is None


def test_a_nodding_head_beats_where_it_turns_back() -> None:
    time = np.arange(100)
    pose = np.zeros((100, 6))
    pose[:, 0] = 0.1 * np.cos(np.pi * time / 20)  # rests at 20, 40, ...
    beats = head_beats(pose)
    assert len(beats) == 4
    np.testing.assert_allclose(beats, [20, 40, 60, 80], atol=0.6)
    assert len(head_beats(np.zeros((100, 6)))) == 0


def test_onsets_are_found_where_tones_begin() -> None:
    waveform = np.zeros(3 * SAMPLE_RATE, np.float32)
    starts = (0.5, 1.2, 2.0)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE // 5) / SAMPLE_RATE)
    for start in starts:
        at = round(start * SAMPLE_RATE)
        waveform[at : at + len(tone)] = tone
    found = onsets(waveform) + 0.5  # frame centres -> seconds * FPS
    for start in starts:
        assert np.abs(found - start * FPS).min() < 1.0, start
    assert len(onsets(np.zeros(100, np.float32))) == 0


def test_a_jump_at_the_seams_is_seen() -> None:
    def ratio(track: np.ndarray) -> float | None:
        seams = seam_changes(track, 50, 1)
        return seams and seams.ratio

    track = np.linspace(0, 1, 200)[:, None].repeat(2, 1)
    assert ratio(track) == pytest.approx(1)
    jumping = track + 0.1 * (np.arange(200) // 50)[:, None]
    assert ratio(jumping) == pytest.approx(1 + 0.1 * 199)
    assert seam_changes(track[:50], 50, 1) is None


def test_seams_of_all_recordings_count_alike() -> None:
    rows = [
        {"group": "g", "kind": "generated", "frames": 100, "blinks": 0, "seam_jerk_pose": seams}
        for seams in (Seams(6.0, 2, 10.0, 10), Seams(2.0, 2, 30.0, 10), None)
    ]
    made = summarise_motion(rows)["g"]["generated"]
    assert made["seam_jerk_pose"] == pytest.approx((8 / 4) / (40 / 20))


def test_blinks_and_head_of_made_motion(face: Face, pipeline: Pipeline) -> None:
    frames = 10 * FPS
    dynamics = np.repeat(face.motion.dynamics, frames, 0)
    for start, length in ((50, 5), (120, 6), (200, 1)):
        dynamics[start : start + length, LIDS] = 0.0
    pose = np.zeros((frames, 6))
    pose[:, 1] = np.radians(0.3) * np.arange(frames)
    figures = by_itself(face.moved(pipeline.face.basis, Motion(pose, dynamics)), 50)
    assert (figures["blinks"], figures["usual_blinks"]) == (3, 2)
    assert figures["blink_seconds"] == pytest.approx(12 / 3 / FPS)
    assert figures["head_speed"] == pytest.approx(0.1)


# --- recordings ---


def test_sound_is_moved_to_where_the_lips_are(face: Face) -> None:
    waveform = np.repeat(np.arange(1, 11, dtype=np.float32), SAMPLES_PER_FRAME)
    features = np.arange(10, dtype=np.float32)[:, None]
    take = Recording("a", "g", waveform, features, features.astype(float), None, face)
    late = moved_sound(take, 3)
    assert late.features[:, 0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert late.waveform[::SAMPLES_PER_FRAME].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    early = moved_sound(take, -2)
    assert early.waveform[::SAMPLES_PER_FRAME].tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 0, 0]


def test_spread_takes_from_end_to_end() -> None:
    assert spread(list(range(10)), 3) == [0, 4, 9]
    assert spread([1, 2], 3) == [1, 2]


def test_a_real_face_fitted_by_the_model_moves_as_it_does(face: Face, pipeline: Pipeline) -> None:
    time = np.arange(60)
    dynamics = np.repeat(face.motion.dynamics, 60, 0)
    dynamics[:, 4] = np.sin(time / 4)
    pose = np.zeros((60, 6))
    pose[:, 1], pose[:, 5] = 0.1 * np.sin(time / 9), np.log(2.5)
    landmarks = project(face.moved(pipeline.face.basis, Motion(pose, dynamics)).shapes, pose, (256, 256))
    real, fitted, own = real_moves(pipeline.face, landmarks, (256, 256))
    assert lip_vertex_error(fitted, real) < 0.3
    assert np.degrees(np.abs(real.pose[:, 1] - pose[:, 1])).max() < 0.5
    assert own.rest.shape == (478, 3)


# --- controls ---


def test_angular_error_of_known_directions() -> None:
    gaze = np.array([[10.0, 0.0], [0.0, -20.0], [0.0, 0.0]])
    np.testing.assert_allclose(angular_error(gaze, np.zeros(2)), [10, 20, 0], atol=1e-6)


def test_gaze_asked_is_gaze_made_and_leaves_the_rest_alone(face: Face, pipeline: Pipeline) -> None:
    generate = Generator(pipeline.motion_model, pipeline.face.basis)
    features = (
        np.random.default_rng(0).normal(size=(60, pipeline.motion_model.config.audio_channels)).astype(np.float32)
    )
    motion = generate(features, face.motion, GenerationOptions(gaze_yaw=15.0, steps=2))
    assert np.median(camera_gaze(motion)[:, 0]) == pytest.approx(15, abs=4)
    leaks = leakage(generate, features, face)
    assert set(leaks) == set(RANGES)
    assert leaks["gaze_yaw"]["gaze_pitch"] < 10
    assert leaks["head_motion"]["lip_opening"] == 0
    assert not set(leaks[EMOTION_CHOICES[0]]) & set(EMOTION_CHOICES)


# --- report ---


def row(kind: str, **figures: float) -> dict[str, Any]:
    counts = {"frames": 750, "blinks": 0, "usual_blinks": 0, "not_filmed": 1}
    return {"recording": "t", "group": "g", "kind": kind, **counts, **dict.fromkeys(SCORED, 1.0), **figures}


def test_summary_pools_cases_and_minutes() -> None:
    rows = [
        row("generated", closed=1, closures=1, opened=1, openings=2, head_speed=0.2, lip_lag=0) | {"blinks": 10},
        row("generated", closed=0, closures=3, opened=1, openings=2, head_speed=0.4, lip_lag=5) | {"usual_blinks": 5},
        row("real", head_speed=0.6),
    ]
    made = summarise_motion(rows)["g"]["generated"]
    assert made["closed_share"] == 25
    assert made["opened_share"] == 50
    assert made["both_shares"] == 37.5
    assert made["blinks_per_minute"] == 10
    assert made["usual_blink_share"] == 50
    assert made["head_speed_ratio"] == pytest.approx(0.5)


def test_summary_sets_motion_beside_all_real_clips_and_their_lively_half() -> None:
    lively = dict.fromkeys(SCORED, 3.0)
    rows = [row("generated"), row("real"), row("real", **lively), row("generated") | {"group": "voices"}]
    groups = summarise_motion(rows)
    assert groups["g"]["real"]["smile_std"] == 2
    assert groups["g"]["real"]["recordings"] == 2
    assert groups["g"]["lively"]["smile_std"] == 3
    assert groups["g"]["lively"]["recordings"] == 1
    for group in ("g", "voices"):  # voices have no real clips: they are set beside all there are
        assert groups[group]["generated"]["liveness"] == pytest.approx(1 / 2)
        assert groups[group]["generated"]["liveness_lively"] == pytest.approx(1 / 3)
    assert groups["g"]["real"]["liveness"] == 1
    assert "lively" not in groups["voices"]


def test_lips_follow_their_own_voice_and_no_other(pipeline: Pipeline, face: Face) -> None:
    judge = SyncJudge.load(CHECKPOINTS / "sync_judge")
    listen = Listener(pipeline.speech, judge, open_encoder(judge.config.encoder))
    takes = [listen(name, "g", read_audio(ASSETS / name), None, face) for name in ("speech.wav", "speech2.wav")]
    generate = Generator(pipeline.motion_model, pipeline.face.basis)
    rows = measure_recording(generate, takes[0], takes[1], 50)
    figures = {row["kind"]: row for row in rows}
    assert figures["generated"]["confidence"] > figures["shuffled"]["confidence"] + 0.1
    assert figures["still"]["head_speed"] == 0
    assert figures["still"]["confidence"] == 0
    assert all("loudness_distance" not in row for row in rows)  # nothing told speech from pauses
    rows = measure_recording(generate, takes[0], takes[1], 50, voice=VoiceActivity(resolve("voice_activity")))
    heard = {row["kind"]: row for row in rows}
    assert heard["generated"]["loudness_distance"] < heard["still"]["loudness_distance"]
    assert heard["generated"]["lip_dynamics"] > 10 * heard["still"]["lip_dynamics"]


@pytest.mark.slow
def test_the_whole_run_on_the_bundled_speech(pipeline: Pipeline, tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "speech2.wav").write_bytes((ASSETS / "speech2.wav").read_bytes())
    (folder / "transcripts.csv").write_text(f'file,text\nspeech2.wav,"{SPEECH2}"\n')
    steps: list[tuple[int, int]] = []
    result = measure_motion(pipeline, [], [folder], tmp_path / "out", 1, progress=lambda *step: steps.append(step))
    assert json.loads((tmp_path / "out" / "motion.json").read_text())["groups"].keys() == result["groups"].keys()
    assert set(result["groups"]["voices"]) == {"generated", "shuffled", "still"} <= set(KINDS)
    assert result["controls"]["gaze"]["slope_yaw"] == pytest.approx(1, abs=0.05)
    assert steps[-1][0] == steps[-1][1]
    text = motion_table(result)
    assert "lip-sync, confidence" in text
    assert "-- voices: 1 recordings" in text


def test_nothing_to_measure_is_said(pipeline: Pipeline, tmp_path: Path, face: Face) -> None:
    with pytest.raises(InputError, match="clips is 0"):
        measure_motion(pipeline, [], [], tmp_path, 0)
    with pytest.raises(InputError, match="nowhere is not a folder"):
        measure_motion(pipeline, [], [tmp_path / "nowhere"], tmp_path, 1)
    take = Recording(
        "a",
        "g",
        np.zeros(60 * SAMPLES_PER_FRAME, np.float32),
        np.zeros((60, pipeline.motion_model.config.audio_channels), np.float32),
        np.zeros((60, 3)),
        None,
        face,
    )
    rows = measure_recording(Generator(pipeline.motion_model, pipeline.face.basis), take, take, 50)
    assert [r["kind"] for r in rows] == ["generated", "shuffled", "still"]
    assert all("lve" not in r for r in rows)
