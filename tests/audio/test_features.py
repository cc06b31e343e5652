"""Features come one per video frame, at the frame's own time, however the sound is cut."""

from pathlib import Path

import numpy as np
import pytest

from vasa_core.audio import SpeechEncoder, features, live_encoder, open_encoder, stream_features
from vasa_core.audio.features import LiveEncoder, at_frame_times, window_geometry
from vasa_core.audio.moonshine import LIVE_AHEAD, LIVE_BLOCK, LIVE_FIRST
from vasa_core.errors import InputError, MissingModelError
from vasa_core.io.audio import read_audio
from vasa_core.rates import SAMPLES_PER_FRAME, frame_count


class EnergyEncoder:
    """A tiny real encoder: the mean and the energy of each frame's own samples."""

    name = version = "energy"
    channels = 2

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        count = frame_count(len(waveform))
        padded = np.pad(waveform, (0, SAMPLES_PER_FRAME))[: count * SAMPLES_PER_FRAME].reshape(count, SAMPLES_PER_FRAME)
        return np.stack([padded.mean(1), (padded**2).mean(1)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def moonshine() -> SpeechEncoder:
    return open_encoder()


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    """A tiny Wav2Vec2 with random weights, saved and loaded as a real one is."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    folder = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    return open_encoder(f"wav2vec2:{folder}")


@pytest.fixture(scope="module")
def speech(portrait: Path) -> np.ndarray:
    return read_audio(portrait.parent / "speech.wav")


def test_steps_are_interpolated_at_frame_centres() -> None:
    """Steps that hold their own centre's time give each frame's centre back."""
    first, hop = 447.0, 384
    steps = (first + hop * np.arange(100))[:, None]
    found = at_frame_times(steps, first, hop, 59)[:, 0]
    wanted = (np.arange(59) + 0.5) * SAMPLES_PER_FRAME
    assert found[0] == first
    assert np.allclose(found[1:], wanted[1:])
    assert at_frame_times(steps[:1], first, hop, 3)[:, 0].tolist() == [first] * 3


def test_geometry_of_moonshine_and_wav2vec2() -> None:
    assert window_geometry([127, 7, 3], [64, 3, 2]) == (447, 384, 895)
    assert window_geometry([10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]) == (199.5, 320, 400)


@pytest.mark.parametrize("samples", [0, 319, 321, 4_000, 63_999, 64_001, 64_320, 128_000, 128_321, 200_000, 300_007])
def test_stream_is_the_same_however_it_is_cut(samples: int) -> None:
    encoder = EnergyEncoder()
    waveform = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    whole = features(encoder, waveform)
    assert whole.shape == (frame_count(samples), 2)
    np.testing.assert_allclose(whole, encoder(waveform), atol=1e-6)  # no context: windows change nothing
    for size in (1_000, 16_000, 129_001):
        chunks = (waveform[i : i + size] for i in range(0, samples, size))
        blocks = list(stream_features(encoder, chunks))
        assert np.array_equal(np.concatenate([*blocks, np.zeros((0, 2), np.float32)]), whole)
        assert all(len(block) <= 100 for block in blocks)


def test_stream_reads_no_further_than_it_must() -> None:
    read = 0

    def chunks():
        nonlocal read
        for _ in range(600):
            read += 1
            yield np.zeros(16_000, np.float32)

    stream = stream_features(EnergyEncoder(), chunks())
    next(stream)
    assert read == 8  # seconds


def test_moonshine_follows_speech_without_seams(moonshine: SpeechEncoder, speech: np.ndarray) -> None:
    waveform = np.resize(speech, 20 * 16_000)
    found = features(moonshine, waveform)
    assert found.shape == (500, 288)
    assert np.isfinite(found).all()
    steps = np.linalg.norm(np.diff(found / found.std(0), axis=0), axis=1)
    assert steps[[99, 199, 299, 399]].max() <= np.percentile(steps, 98)


@pytest.mark.parametrize("onset_frame", [30, 75, 120])
def test_moonshine_feels_a_sound_on_its_own_frames(moonshine: SpeechEncoder, onset_frame: int) -> None:
    """Half a second of sound in silence: features change from one level to another at its start and its end."""
    generator = np.random.default_rng(3)
    quiet = generator.normal(0, 1e-3, 8 * 16_000).astype(np.float32)
    start, end = onset_frame * SAMPLES_PER_FRAME, (onset_frame + 12) * SAMPLES_PER_FRAME
    loud = quiet.copy()
    loud[start:end] += generator.normal(0, 0.2, end - start).astype(np.float32)
    found = moonshine(loud)
    inside = found[onset_frame + 3 : onset_frame + 9].mean(0)
    outside = np.concatenate([found[onset_frame - 20 : onset_frame - 5], found[onset_frame + 17 :][:15]]).mean(0)
    axis = inside - outside
    share = ((found - outside) @ axis / (axis @ axis))[onset_frame - 20 : onset_frame + 32]
    middle = np.flatnonzero(share > 0.5).mean() + onset_frame - 20
    assert abs(middle - (onset_frame + 5.5)) <= 1.0


@pytest.mark.parametrize("frame", [5, 30, 60])
def test_wav2vec2_feels_a_change_on_its_own_frame(wav2vec2: SpeechEncoder, frame: int) -> None:
    generator = np.random.default_rng(3)
    before = generator.normal(0, 0.1, 75 * SAMPLES_PER_FRAME).astype(np.float32)
    after = before.copy()
    part = slice(frame * SAMPLES_PER_FRAME, (frame + 1) * SAMPLES_PER_FRAME)
    after[part] = generator.normal(0, 0.1, SAMPLES_PER_FRAME)
    change = np.linalg.norm(wav2vec2(after) - wav2vec2(before), axis=1)
    assert abs(int(change.argmax()) - frame) <= 1


@pytest.mark.parametrize("samples", [160, 333, 1_600, 4_801])
def test_short_sounds(moonshine: SpeechEncoder, wav2vec2: SpeechEncoder, samples: int) -> None:
    for encoder in (moonshine, wav2vec2):
        found = encoder(np.full(samples, 0.1, np.float32))
        assert found.shape == (frame_count(samples), encoder.channels)
        assert np.isfinite(found).all()


def test_silence_is_steady(moonshine: SpeechEncoder) -> None:
    found = features(moonshine, np.zeros(3 * 16_000, np.float32))
    assert np.isfinite(found).all()
    assert np.abs(np.diff(found[5:-5], axis=0)).max() < 0.5


def test_wav2vec2_ignores_loudness(wav2vec2: SpeechEncoder, speech: np.ndarray) -> None:
    found, quiet = (features(wav2vec2, speech[:32_000] * gain) for gain in (np.float32(1), np.float32(0.3)))
    np.testing.assert_allclose(found, quiet, atol=1e-2)


def test_names(tmp_path: Path) -> None:
    for name in ("whisper", "moonshine:large", "wav2vec2:", "wav2vec2"):
        with pytest.raises(InputError, match="speech encoder is"):
            open_encoder(name)
    with pytest.raises(MissingModelError, match="could not be downloaded"):
        open_encoder(f"wav2vec2:{tmp_path / 'nothing'}")


def test_pickled_weights_are_not_loaded(tmp_path: Path, wav2vec2: SpeechEncoder) -> None:
    import shutil

    import torch

    source = Path(wav2vec2.name.partition(":")[2])
    shutil.copy(source / "config.json", tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match="safetensors"):
        open_encoder(f"wav2vec2:{tmp_path}")


def test_live_moonshine_hears_little_ahead_and_says_almost_the_same(speech: np.ndarray) -> None:
    whole = open_encoder()
    live = live_encoder(whole)
    assert isinstance(live, LiveEncoder)
    assert not isinstance(whole, LiveEncoder)
    heard = features(live, speech)
    pieces = np.split(speech, range(777, len(speech), 777))
    assert np.array_equal(np.concatenate(list(stream_features(live, iter(pieces)))), heard)
    changed, frame = speech.copy(), LIVE_FIRST + 3 * LIVE_BLOCK  # the first of a block
    changed[(frame + LIVE_AHEAD) * SAMPLES_PER_FRAME :] = 0
    assert np.array_equal(features(live, changed)[:frame], heard[:frame])
    reference = features(whole, speech)
    assert heard.shape == reference.shape
    alike = [np.corrcoef(heard[:, k], reference[:, k])[0, 1] for k in range(heard.shape[1])]
    assert np.median(alike) > 0.8
    for samples in (1, 640, 5000, 11000):
        assert len(features(live, speech[:samples])) == frame_count(samples)
