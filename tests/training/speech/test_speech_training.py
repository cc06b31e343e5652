"""Training of the speech encoder: crops with known answers, losses, resuming, and learning of what can be learned."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.audio.alignment import Aligner
from vasa_core.audio.block_wav2vec2 import LEFT, STEP, STEPS_PER_FRAME, WINDOW, BlockWav2Vec2
from vasa_core.audio.phones import PHONES, UNKNOWN
from vasa_core.data.noise import FRAMES, SAMPLES, SpeechCrops, clean_crop, dirty, voice_of
from vasa_core.errors import InputError
from vasa_core.training.speech.data import Utterance, read_speech
from vasa_core.training.speech.train import SpeechRun, SpeechTrainingConfig, phone_scores, train_speech, voice_loss

CONFIG = SpeechTrainingConfig(batch=4, steps=4, warmup=1, half=False, seed=1)


def utterance(seed: int, split: str = "train", seconds: float = 2.0) -> Utterance:
    """A tone that steps between two pitches every 200 ms; its phones and its teacher say which."""
    steps = round(seconds / 0.02)
    high = (np.arange(steps) // 10 + seed) % 2
    pitch = np.repeat(np.where(high, 300.0, 120.0), STEP)
    sound = 0.3 * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / 16000))
    labels = np.where(high, PHONES.index("IY"), PHONES.index("AA"))
    teacher = np.stack([high[::2], 1 - high[::2], np.zeros(steps // 2)], 1).astype(np.float16)
    return Utterance((sound * 32767).astype(np.int16), labels, teacher, f"voice{seed}", "read", split)


def utterances() -> list[Utterance]:
    return [*(utterance(k) for k in range(3)), utterance(3, "val")]


def test_a_crop_lies_where_it_says() -> None:
    one = utterance(0)
    sound, phones, teacher = clean_crop(one, 10)
    start = 10 * STEP - LEFT
    assert np.allclose(sound, one.sound[start : start + SAMPLES] / 32767, atol=1e-4)
    assert np.array_equal(phones, one.labels[10 : 10 + WINDOW])
    assert np.allclose(teacher, one.teacher[5 : 5 + FRAMES])


def test_outside_an_utterance_there_is_silence_without_labels() -> None:
    sound, phones, teacher = clean_crop(utterance(0), -20)
    assert not sound[: 20 * STEP].any() and (phones[:20] == UNKNOWN).all() and phones[20] != UNKNOWN
    assert teacher.shape == (FRAMES, 3)


def test_played_faster_labels_come_sooner_and_pitch_rises() -> None:
    one = utterance(0)
    slow, fast = clean_crop(one, 0), clean_crop(one, 0, 1.25)
    assert np.flatnonzero(np.diff(slow[1]))[:2].tolist() == [9, 19]
    assert np.flatnonzero(np.diff(fast[1]))[:2].tolist() == [7, 15]
    assert voice_of(fast[0])[12, 2] - voice_of(slow[0])[15, 2] == pytest.approx(np.log2(1.25), abs=0.05)


def test_voice_of_known_tones() -> None:
    voice = voice_of(clean_crop(utterance(0), 0)[0])
    middle = voice[[5, 15, 25, 35]]
    assert middle[:, 2] == pytest.approx(np.log2([1.2, 3.0, 1.2, 3.0]), abs=0.05)
    assert (middle[:, 1] > 0.9).all() and middle[:, 0] == pytest.approx(np.log(0.3 * np.sqrt(0.375)), abs=0.1)
    noise = np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32)
    assert voice_of(noise)[:, 1].mean() < 0.2
    assert voice_of(np.zeros(SAMPLES, np.float32))[:, 1].max() == 0


def test_dirty_sound_is_different_every_time_and_never_out_of_range() -> None:
    sound = clean_crop(utterance(0), 0)[0]
    made = [dirty(sound, sound[::-1].copy(), np.random.default_rng(k)) for k in range(40)]
    assert all(m.shape == sound.shape and m.dtype == np.float32 and np.abs(m).max() <= 1 for m in made)
    assert np.isfinite(made).all() and len({m.tobytes() for m in made}) == 40
    correlations = [np.corrcoef(m, sound)[0, 1] for m in made if m.std() > 0]
    assert np.median(correlations) > 0.4  # the speech is still there
    again = dirty(sound, sound[::-1].copy(), np.random.default_rng(7))
    assert np.array_equal(again, made[7])


def test_batches_come_from_seed_and_step_alone() -> None:
    crops = SpeechCrops(utterances()[:3], 4, seed=5)
    assert torch.equal(crops.batch_of(3).sound, SpeechCrops(utterances()[:3], 4, seed=5, step=3).batch_of(3).sound)
    assert torch.equal(next(iter(SpeechCrops(utterances()[:3], 4, 5, 3))).sound, crops.batch_of(3).sound)
    assert not torch.equal(crops.batch_of(4).sound, crops.batch_of(3).sound)


@pytest.mark.parametrize("name", ["phones", "teacher", "voice"])
def test_each_loss_trains_encoder_and_its_own_head(name: str, tmp_path: Path) -> None:
    run = SpeechRun(CONFIG, utterances(), tmp_path)
    run.losses(SpeechCrops(run.train, 4, 0).batch_of(0))[name].backward()
    trained = {
        part for part, module in run.heads.named_children() if any(p.grad is not None for p in module.parameters())
    }
    assert trained == {name}
    unused = {n for n, p in run.network.named_parameters() if p.grad is None or not p.grad.any()}
    assert unused <= {"masked_spec_embed"}


def test_pitch_counts_only_where_there_is_a_voice() -> None:
    found = torch.zeros(1, 2, 3)
    truth = torch.tensor([[[0.0, 1.0, 2.0], [0.0, 0.0, 9.0]]])
    assert voice_loss(found, truth).item() == pytest.approx(4 + np.log(2), rel=1e-5)


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    whole, first = SpeechRun(CONFIG, utterances(), tmp_path / "a"), SpeechRun(CONFIG, utterances(), tmp_path / "b")
    crops = SpeechCrops(whole.train, 4, CONFIG.seed)
    for run, steps in ((whole, 4), (first, 2)):
        run.folder.mkdir()
        for step in range(steps):
            run.train_step(crops.batch_of(step), step / 4)
    first.save(tmp_path / "out")
    second = SpeechRun(CONFIG, utterances(), tmp_path / "b")
    second.resume()
    for step in range(second.step, 4):
        second.train_step(crops.batch_of(step), step / 4)
    assert second.step == 4
    assert all(torch.equal(value, second.average[name]) for name, value in whole.average.items())


def test_the_command_learns_tones_and_writes_an_encoder(tmp_path: Path) -> None:
    config = SpeechTrainingConfig(batch=8, steps=40, warmup=5, half=False, average_decay=0.9)
    scores = train_speech(utterances(), config, tmp_path / "out", tmp_path / "run")
    assert scores["phones_read"] > 0.8
    assert scores["teacher_explained"] > 0.2
    encoder = BlockWav2Vec2(tmp_path / "out")
    assert encoder(np.zeros(16000, np.float32)).shape == (25, 192)
    assert (tmp_path / "run" / "scores.jsonl").read_text().count("phones_read") == 1


def test_scores_are_of_voices_never_trained_on(tmp_path: Path) -> None:
    silent = SpeechRun(CONFIG, utterances()[:3], tmp_path)
    assert phone_scores(silent) == {"teacher_explained": 0.0}
    with pytest.raises(InputError, match="no speech to train on"):
        SpeechRun(CONFIG, [utterance(0, "val")], tmp_path)


def test_a_folder_without_transcripts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="transcripts.csv"):
        next(read_speech(tmp_path, Aligner()))
    assert STEPS_PER_FRAME * FRAMES == WINDOW
