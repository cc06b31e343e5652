"""Training data of the motion model: trust in sound, rest, windows and their labels."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_clips import CONFIG, make_clip, make_clips

from vasa_core.data.clips import Clip
from vasa_core.data.sync import SyncScore, lag_correlation, sync_scores
from vasa_core.data.tracking import cache_file
from vasa_core.motion.conditions import main_gaze
from vasa_core.motion.config import DenoiserConfig
from vasa_core.training.motion.data import MotionClip, rested, with_trusted_sound
from vasa_core.training.motion.windows import BORROWED_WEIGHT, Augmentation, WindowSampler, between, statistics

ARCHITECTURE = DenoiserConfig("tiny", CONFIG["channels"], CONFIG["audio"])


def sampler(clips: list[MotionClip], seed: int = 0, augmentation: Augmentation | None = None) -> WindowSampler:
    return WindowSampler(clips, ARCHITECTURE, statistics(clips, ARCHITECTURE.window), seed, augmentation)


def test_lag_correlation_finds_the_lag() -> None:
    signal = np.random.default_rng(0).normal(size=200)
    late = np.roll(signal, 3)  # the second comes 3 frames after the first
    assert lag_correlation(signal, late).argmax() - 6 == 3
    assert lag_correlation(signal, np.zeros(200)).tolist() == [0.0] * 13


@pytest.mark.parametrize("people", [1, 9])
def test_sync_scores_tell_own_sound_and_its_lag_from_other_sound(people: int) -> None:
    rng = np.random.default_rng(0)
    clips = {}
    for i in range(24):
        audio = rng.normal(size=(150, 6)).astype(np.float32)
        lips = np.tanh(audio[:, 0]) + 0.2 * rng.normal(size=150)
        if i == 3:
            lips = np.roll(lips, 2)
        if i == 4:
            lips = rng.normal(size=150)
        clips[f"c{i}"] = (audio, lips, f"p{i % people}")
    scores = sync_scores(clips)
    assert scores["c0"].correlation > 0.8
    assert scores["c0"].lag == 0
    assert scores["c3"].correlation > 0.8
    assert scores["c3"].lag == (2 if people > 1 else 0)
    assert scores["c4"].correlation < 0.4


@pytest.mark.parametrize(
    ("score", "synced", "moved"),
    [
        (None, False, 0),
        (SyncScore(0.1, 0), False, 0),
        (SyncScore(0.3, 1), True, 0),
        (SyncScore(0.3, 4), False, 0),
        (SyncScore(0.7, 4), True, 4),
        (SyncScore(0.7, 1), True, 0),
        (SyncScore(0.7, -2), True, -2),
        (SyncScore(0.7, 6), False, 0),
    ],
)
def test_sound_is_trusted_by_score_and_moved_where_clear(score: SyncScore | None, synced: bool, moved: int) -> None:
    clip = make_clip(0)
    result = with_trusted_sound(clip, score)
    assert result.synced == synced
    assert np.array_equal(result.audio[20:40], clip.audio[20 - moved : 40 - moved])


def test_rest_keeps_what_emotion_explains_and_drops_the_person() -> None:
    rng = np.random.default_rng(0)
    effect = np.array([0.0, 0.0, 2.0, 0.0])
    clips = []
    for i in range(60):
        clip = make_clip(i)
        happy = i % 2
        x = clip.x.copy()
        x[:, 10:] = 0.1 * x[:, 10:] + happy * effect + rng.normal(size=4)  # the last: the person's own face
        clips.append(replace(clip, x=x, emotion=np.eye(7, dtype=np.float32)[3 if happy else 4], identity=f"p{i}"))
    result = rested(clips)
    rests = np.stack([c.x[np.argsort(c.lips)[:10], 10:].mean(0) for c in result])
    happy, neutral = rests[1::2], rests[::2]
    assert happy.std(0).max() < 0.15
    assert neutral.std(0).max() < 0.15
    assert (happy.mean(0) - neutral.mean(0))[2] == pytest.approx(2.0, abs=0.8)


def test_statistics_ignore_heads_that_sit_still() -> None:
    clips = [make_clip(i) for i in range(4)]
    still = [replace(clip, x=clip.x * np.r_[np.full(6, 1e-3), np.ones(8)].astype(np.float32)) for clip in clips]
    assert all(clip.still for clip in still)
    assert not any(clip.still for clip in clips)
    both = statistics(clips + still, 50)
    assert both.motion_std[:6].numpy() == pytest.approx(statistics(clips, 50).motion_std[:6].numpy())
    assert (both.motion_mean[:8] == 0).all()


def test_same_step_same_windows() -> None:
    clips = make_clips()
    first, again, other = (sampler(clips, seed).batch(3, 4) for seed in (0, 0, 1))
    assert np.array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
    assert not np.array_equal(first.x, sampler(clips).batch(4, 4).x)


def test_motion_is_about_its_main_gaze_and_distance() -> None:
    clips = make_clips()
    windows = sampler(clips)
    stats = statistics(clips, ARCHITECTURE.window)
    batch = windows.batch(0, 32)
    x = (batch.x * stats.motion_std + stats.motion_mean).numpy()
    middles = np.array([main_gaze(item[:, 6:8]) for item in x])
    assert np.abs(middles).max() < np.deg2rad(5)
    assert np.abs(np.median(x[:, :, 5], axis=1)).max() < 1e-5
    # labels reach far beyond the data
    assert np.abs(batch.conditions.gaze.numpy()).max() > np.deg2rad(15)
    assert np.abs(batch.conditions.distance.numpy()).max() > 0.2


def test_conditions_come_from_labels_where_a_clip_has_them() -> None:
    plain = [make_clip(seed, frames=150) for seed in range(4)]
    aside, nearer = np.radians([8.0, -5.0]), 0.3
    labelled = [replace(c, gaze=c.x[:, 6:8] + aside, log_distance=c.x[:, 5] + nearer) for c in plain]
    stats = statistics(plain, ARCHITECTURE.window)
    seen, told = (WindowSampler(clips, ARCHITECTURE, stats, 0).batch(0, 64) for clips in (plain, labelled))
    gaze = (told.conditions.gaze - seen.conditions.gaze).numpy()
    assert np.abs(gaze[:, 0]) == pytest.approx(np.full(64, aside[0]), abs=0.02)
    assert {-1, 1} == set(np.sign(gaze[:, 0]).tolist())  # some windows are seen in a mirror
    assert gaze[:, 1] == pytest.approx(np.full(64, aside[1]), abs=0.02)
    assert (told.conditions.distance - seen.conditions.distance).numpy() == pytest.approx(np.full((64, 1), nearer))
    # Motion is relative to the label, so that what is added to it later is the label's own direction.
    moved = ((seen.x - told.x) * stats.motion_std).numpy()
    assert moved[..., 6:8] == pytest.approx(np.repeat(gaze[:, None], ARCHITECTURE.window, 1), abs=1e-5)
    assert moved[..., 5] == pytest.approx(np.full(moved.shape[:2], nearer), abs=1e-5)
    assert np.abs(np.delete(moved, [5, 6, 7], 2)).max() == 0


def test_a_borrowed_head_brings_its_own_labels() -> None:
    lively = [replace(c, gaze=c.x[:, 6:8] + np.radians([0.0, 30.0])) for c in (make_clip(1), make_clip(2))]
    x = make_clip(0).x.copy()
    x[:, :6] = 0
    still = replace(make_clip(0), x=x, mirrored=None, name="still")
    windows = sampler([still, *lively])
    batches = [windows.batch(step, 1) for step in range(60)]
    borrowed = [b for b in batches if (b.weight[0, :, 0] == BORROWED_WEIGHT).all()]
    pitches = np.rad2deg([b.conditions.gaze[0, 1] for b in borrowed])
    own = np.rad2deg([main_gaze(c.gaze)[1] for c in lively if c.gaze is not None])
    near = np.abs(pitches[:, None] - own).min(1) < 6
    assert len(borrowed) > 5
    assert near.mean() > 0.3


def test_frames_outside_a_clip_do_not_count() -> None:
    names = ("x", "audio", "valid", "lips")
    short = [replace(clip, mirrored=None, **{n: getattr(clip, n)[:35] for n in names}) for clip in make_clips()]
    batch = sampler(short).batch(0, 8)
    assert (batch.weight[:, 35:] == 0).all()
    assert (batch.weight[:, :35] > 0).all()
    assert not batch.conditions.has_audio[:, 10 + 35 :].any()
    assert not batch.conditions.has_previous.any()


def test_frames_without_a_face_do_not_count() -> None:
    clips = [replace(clip, valid=np.zeros(len(clip), bool)) for clip in make_clips()]
    assert (sampler(clips).batch(0, 8).weight == 0).all()


def test_still_heads_borrow_a_lively_one() -> None:
    clips = [make_clip(i) for i in range(3)]
    x = clips[0].x.copy()
    x[:, :6] = 0
    still = replace(clips[0], x=x, mirrored=None, name="still")
    windows = sampler([still, *clips[1:]])
    weights = [windows.batch(step, 1) for step in range(40)]
    borrowed = [b for b in weights if (b.weight[0, :, 0] == BORROWED_WEIGHT).all()]
    assert 5 < len(borrowed) < 30
    for batch in borrowed:
        assert (batch.weight[0, :, 10:] == 1).all()
        assert batch.x[0, :, :6].std(0).max() > 0.1


def test_between_two_rows() -> None:
    values = np.array([[0.0, 5.0], [10.0, 5.0], [30.0, 6.0]])
    assert between(values, np.array([0.0, 0.25, 1.5, 2.0])).tolist() == [[0, 5], [2.5, 5], [20, 5.5], [30, 6]]
    assert between(values[:1], np.zeros(2)).tolist() == [[0, 5], [0, 5]]


def test_a_stretched_window_keeps_sound_and_motion_in_step() -> None:
    clip = replace(make_clip(0, frames=300), mirrored=None)
    time = np.arange(300, dtype=np.float32)
    clip.x[:, 10], clip.audio[:, 0] = time, time
    windows, stats = sampler([clip], augmentation=Augmentation(stretch=0.2)), statistics([clip], ARCHITECTURE.window)
    batch = windows.batch(0, 32)
    seen = batch.x[..., 10] * stats.motion_std[10] + stats.motion_mean[10]
    heard = (batch.conditions.audio[..., 0] * stats.audio_std[0] + stats.audio_mean[0])[:, ARCHITECTURE.context :]
    assert (batch.weight > 0).all()
    assert np.abs(seen - heard).max() < 1e-3
    speeds = np.diff(seen, axis=1)
    assert np.ptp(speeds, axis=1).max() < 1e-3  # each window has one speed
    assert np.exp(-0.2) - 1e-3 < speeds.min() < 0.9
    assert 1.1 < speeds.max() < np.exp(0.2) + 1e-3


def test_sound_changes_and_motion_does_not() -> None:
    clips = make_clips()
    plain = sampler(clips).batch(0, 64)

    def change(augmentation: Augmentation) -> np.ndarray:
        other = sampler(clips, augmentation=augmentation).batch(0, 64)
        assert np.array_equal(plain.x, other.x)
        return (other.conditions.audio - plain.conditions.audio).numpy()

    shift, noise = change(Augmentation(audio_shift=0.5)), change(Augmentation(audio_noise=0.5))
    assert np.ptp(shift, axis=1).max() < 1e-5
    assert shift[:, 0].std() == pytest.approx(0.5, rel=0.15)
    assert noise.std() == pytest.approx(0.5, rel=0.05)
    assert np.abs(noise.mean(1)).max() < 0.3
    kept = change(Augmentation(audio_drop=0.5)) + plain.conditions.audio.numpy()
    lost = (kept == 0).all(1)  # (batch, channels)
    assert 0.4 < lost.mean() < 0.6
    twice = np.isclose(kept, 2 * plain.conditions.audio.numpy(), atol=1e-5).all(1)
    assert (twice | lost).all()


def test_untrusted_sound_is_null() -> None:
    batch = sampler([replace(clip, synced=False) for clip in make_clips()]).batch(0, 8)
    assert not batch.conditions.has_audio.any()


def test_a_copied_clip_keeps_its_cached_tracking_and_a_changed_one_does_not(tmp_path: Path) -> None:
    first, copy = tmp_path / "clip.mp4", tmp_path / "elsewhere" / "clip.mp4"
    first.write_bytes(b"frames")
    copy.parent.mkdir()
    shutil.copyfile(first, copy)
    os.utime(copy, (0, 0))
    before = cache_file(Clip(first, "one", "train"), tmp_path)
    assert cache_file(Clip(copy, "one", "train"), tmp_path) == before
    first.write_bytes(b"other")
    assert cache_file(Clip(first, "one", "train"), tmp_path) != before
