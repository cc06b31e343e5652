"""Read speech as training clips: lips that meet at /p b m/, voices held out, the same sound heard twice."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_clips import CONFIG, make_clip, make_clips

from vasa_core.assets import ASSETS, CHECKPOINTS
from vasa_core.audio import open_encoder
from vasa_core.audio.phones import Phone
from vasa_core.data.clips import split_by_hash
from vasa_core.errors import InputError
from vasa_core.face.basis import FaceBasis
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.liveliness import liveliness
from vasa_core.rates import FPS
from vasa_core.training.motion.speech import closed_at_phones, spoken_clips
from vasa_core.training.motion.windows import BORROWED_WEIGHT, Augmentation, WindowSampler, statistics

ARCHITECTURE = DenoiserConfig("tiny", CONFIG["channels"], CONFIG["audio"])


@pytest.fixture(scope="module")
def basis() -> FaceBasis:
    return load_basis(CHECKPOINTS / "mesh")[0]


def gaps(expression: np.ndarray, basis: FaceBasis) -> np.ndarray:
    return lip_gaps(basis.mean) + expression @ lip_gaps(basis.dynamics)


def test_lips_meet_at_p_b_m_that_was_found_and_nowhere_else(basis: FaceBasis) -> None:
    rng = np.random.default_rng(0)
    opening = np.linalg.lstsq(lip_gaps(basis.dynamics).T, np.full(9, 0.06), rcond=None)[0]
    expression = opening + 0.05 * rng.standard_normal((50, len(opening)))
    phones = (Phone("AA", 0.2, 0.8), Phone("M", 0.8, 0.9), Phone("T", 1.2, 1.3), Phone("B", 1.4, 1.43))
    closed = closed_at_phones(expression, phones, basis)
    middle = round(0.85 * FPS - 0.5)
    before, after = gaps(expression, basis), gaps(closed, basis)
    assert before.min() > 0.02
    assert np.abs(after[middle]).max() < 0.15 * before[middle].max()
    away = np.abs((np.arange(50) + 0.5) / FPS - 0.85) > 0.05 + 2 / FPS
    assert np.array_equal(closed[away], expression[away])
    assert away.sum() > 40
    assert 0.1 < after[middle - 1].mean() / before[middle - 1].mean() < 1.0 or (after[middle - 1] < 0.01).all()


def test_lips_that_are_closed_already_stay_as_they_are(basis: FaceBasis) -> None:
    shut = np.linalg.lstsq(lip_gaps(basis.dynamics).T, np.full(9, -0.02), rcond=None)[0]
    expression = np.tile(shut, (30, 1))
    assert np.array_equal(closed_at_phones(expression, [Phone("P", 0.4, 0.5)], basis), expression)


def test_a_tenth_of_the_voices_is_held_out() -> None:
    held = [split_by_hash(f"folder/{number}") == "val" for number in range(2000)]
    assert 0.07 < np.mean(held) < 0.14


def test_recordings_become_clips_of_voices_that_are_not_held_out(tmp_path: Path, basis: FaceBasis) -> None:
    folder = tmp_path / "read"
    folder.mkdir()
    talkers = [str(number) for number in range(40)]
    held = next(t for t in talkers if split_by_hash(f"read/{t}") == "val")
    heard = next(t for t in talkers if split_by_hash(f"read/{t}") == "train")
    speech = ASSETS / "speech.wav"
    text = (
        "My name is maple and I am pleased to meet you. A moment before I was only a photo now my lips open my brows "
        "move and people hear me speak"
    )
    with (folder / "transcripts.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "speaker", "text"])
        for name, talker, words in (("a.wav", heard, text), ("b.wav", held, text), ("c.wav", heard, "qwrtzk")):
            shutil.copy(speech, folder / name)
            rows.writerow([name, talker, words])
    encoder = open_encoder("moonshine+prosody")
    (clip,) = spoken_clips([folder], CHECKPOINTS / "motion", encoder, basis, tmp_path / "cache")
    assert (clip.name, clip.identity, clip.split, clip.made, clip.synced) == (
        "a.wav",
        f"read/{heard}",
        "train",
        True,
        True,
    )
    assert clip.dirty is not None
    assert clip.dirty.shape == clip.audio.shape == (len(clip), 293)
    assert not np.array_equal(clip.dirty, clip.audio)
    assert clip.lively == pytest.approx(liveliness(clip.x, basis.readings()))
    (again,) = spoken_clips([folder], CHECKPOINTS / "motion", encoder, basis, tmp_path / "cache")
    assert again.dirty is not None
    assert np.array_equal(again.x, clip.x)
    assert np.array_equal(again.dirty, clip.dirty)
    with pytest.raises(InputError, match="transcripts"):
        spoken_clips([tmp_path], CHECKPOINTS / "motion", encoder, basis, tmp_path / "cache")


def test_a_teacher_must_hear_as_the_pupil_does(tmp_path: Path, basis: FaceBasis) -> None:
    with pytest.raises(InputError, match="hears by moonshine"):
        spoken_clips([], CHECKPOINTS / "motion", open_encoder("moonshine"), basis, tmp_path)


def test_made_motion_lends_lips_alone_and_counts_in_no_statistics() -> None:
    filmed = make_clips()
    made = [replace(make_clip(9), x=100 * make_clip(9).x, mirrored=None, made=True)]
    stats = statistics(filmed + made, ARCHITECTURE.window)
    assert np.array_equal(stats.motion_std, statistics(filmed, ARCHITECTURE.window).motion_std)
    windows = WindowSampler(filmed + made, ARCHITECTURE, stats, 0)
    batches = [windows.batch(step, 1) for step in range(60)]
    lent = [batch for batch in batches if batch.x[..., 10:].abs().max() > 20]
    assert 10 < len(lent) < 40
    for batch in lent:
        assert (batch.weight[..., :10] == BORROWED_WEIGHT).all()
        assert (batch.weight[..., 10:] == 1).all()
        assert batch.x[..., :6].abs().max() < 20


def test_sound_in_noise_takes_the_place_of_clean_sound_in_its_share_of_windows() -> None:
    clips = [replace(clip, dirty=clip.audio + 1000) for clip in make_clips()]
    stats = statistics(clips, ARCHITECTURE.window)

    def noisy(share: float) -> float:
        batch = WindowSampler(clips, ARCHITECTURE, stats, 0, Augmentation(dirty=share)).batch(0, 200)
        return float((batch.conditions.audio.mean((1, 2)) > 100).float().mean())

    assert noisy(0.0) == 0
    assert 0.2 < noisy(0.3) < 0.4
