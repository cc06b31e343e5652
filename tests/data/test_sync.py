"""The sync judge's arithmetic: a shifted signal reports its shift, an unrelated one no confidence; and its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.audio import features, open_encoder
from vasa_core.audio.lip_sync import (
    MAX_LAG,
    JudgeConfig,
    SyncJudge,
    lag_curve,
    read_sync,
    with_context,
)
from vasa_core.data.clips import Clip
from vasa_core.errors import InputError
from vasa_core.face.measure import lip_shape
from vasa_core.io.audio import read_audio
from vasa_core.training.sync_judge.fit import Recording, fit, fit_believed, train_judge

ROOT = ASSETS.parent


def smooth_noise(frames: int, channels: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(frames + 8, channels))
    return np.stack([np.convolve(column, np.ones(4) / 2, "same")[4:-4] for column in noise.T], 1)


def recording(seed: int, lag: int = 0, in_step: bool = True, frames: int = 200) -> Recording:
    """Lips are a fixed linear function of the speech features, `lag` frames late."""
    speech = smooth_noise(frames, 6, seed)
    mixing = np.random.default_rng(99).normal(size=(6, 3))
    source = speech if in_step else smooth_noise(frames, 6, seed + 1000)
    clip = Clip(Path(f"{seed}.mp4"), str(seed), "train")
    return Recording(clip, speech, np.roll(source @ mixing, lag, 0))


@pytest.mark.parametrize("lag", [-7, -1, 0, 1, 12])
def test_a_shifted_signal_reports_its_shift(lag: int) -> None:
    signal = smooth_noise(300, 3, 0)
    reading = read_sync(signal, np.roll(signal, lag, 0))
    assert reading.lag == lag
    assert reading.peak == pytest.approx(1, abs=0.02)
    assert reading.confidence > 0.8


def test_unrelated_signals_give_little_confidence() -> None:
    readings = [read_sync(smooth_noise(300, 3, s), smooth_noise(300, 3, s + 50)) for s in range(8)]
    assert np.mean([reading.confidence for reading in readings]) < 0.2


def test_scale_and_offset_change_nothing_and_a_still_mouth_reads_zero() -> None:
    signal = smooth_noise(120, 3, 1)
    assert read_sync(signal, 5 + 0.01 * signal).confidence == pytest.approx(read_sync(signal, signal).confidence)
    assert read_sync(signal, np.ones_like(signal)).confidence == 0


def test_too_short_to_correlate_is_an_error() -> None:
    short = smooth_noise(2 * MAX_LAG - 1, 3, 0)
    with pytest.raises(ValueError, match="29 frames"):
        lag_curve(short, short)


def test_context_puts_neighbours_beside_each_frame() -> None:
    stacked = with_context(np.arange(4.0)[:, None], 1)
    np.testing.assert_array_equal(stacked, [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]])


def test_lip_shape_does_not_depend_on_size_or_roll() -> None:
    points = np.random.default_rng(0).normal(size=(2, 478, 3))
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    np.testing.assert_allclose(lip_shape(points), lip_shape(3 * points @ turn.T + 40), rtol=1e-9)


def test_fit_believes_only_recordings_in_step() -> None:
    good = [recording(seed) for seed in range(10)]
    late = [recording(seed, lag=6) for seed in range(20, 22)]
    foreign = [recording(seed, in_step=False) for seed in range(30, 33)]
    judge, believed = fit_believed([*good, *late, *foreign], "moonshine")
    assert {r.clip.identity for r in believed} == {r.clip.identity for r in good}
    unseen = recording(77, lag=4)
    reading = read_sync(judge(unseen.features), unseen.lips)
    assert reading.lag == 4
    assert reading.confidence > 0.5


def test_judge_survives_its_checkpoint(tmp_path: Path) -> None:
    judge = fit([recording(seed) for seed in range(4)], "moonshine")
    judge.save(tmp_path)
    loaded = SyncJudge.load(tmp_path)
    assert loaded.config == JudgeConfig("moonshine", 6)
    speech = smooth_noise(60, 6, 5)
    np.testing.assert_allclose(loaded(speech), judge(speech), atol=0.02)


def test_bundled_judge_loads_and_fits_its_encoder() -> None:
    judge = SyncJudge.load(ROOT / "checkpoints" / "sync_judge")
    speech = features(open_encoder(judge.config.encoder), read_audio(ROOT / "assets" / "speech.wav"))
    expected = judge(speech)
    assert expected.shape == (len(speech), 3)
    gap, width, outer = expected.std(0)
    assert 0.005 < gap < 0.1
    assert 0.001 < width < 0.1
    assert 0.005 < outer < 0.1


def test_training_without_speech_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video"):
        train_judge([tmp_path], tmp_path / "out", tmp_path / "cache")
