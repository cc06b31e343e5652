"""The block encoder: what it may hear, that streaming changes nothing, and that every frame is there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.audio import features, open_encoder, stream_features
from vasa_core.audio.block_wav2vec2 import ARCHITECTURE, FIELD, LOOK_AHEAD, STEP, BlockWav2Vec2, build_network
from vasa_core.audio.features import LiveEncoder, SpeechEncoder, window_geometry
from vasa_core.checkpoint import save_checkpoint
from vasa_core.errors import InputError
from vasa_core.rates import SAMPLE_RATE, SAMPLES_PER_FRAME, frame_count


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder as a checkpoint."""
    torch.manual_seed(0)
    target = tmp_path_factory.mktemp("speech")
    save_checkpoint(target, dict(ARCHITECTURE), dict(build_network(ARCHITECTURE).state_dict()))
    return target


@pytest.fixture(scope="module")
def encoder(folder: Path) -> BlockWav2Vec2:
    return BlockWav2Vec2(folder)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def test_geometry_is_that_of_the_convolutions() -> None:
    centre, hop, field = window_geometry(ARCHITECTURE["conv_kernel"], ARCHITECTURE["conv_stride"])
    assert (hop, field) == (STEP, FIELD) and centre == (FIELD - 1) / 2
    assert LOOK_AHEAD <= 0.16 * SAMPLE_RATE


@pytest.mark.parametrize("samples", [1, 320, 640, 961, 5000, 16000, 40123])
def test_one_vector_per_video_frame(encoder: BlockWav2Vec2, samples: int) -> None:
    assert encoder(noise(3)[:samples]).shape == (frame_count(samples), 192)


def test_nothing_to_hear_gives_nothing(encoder: BlockWav2Vec2) -> None:
    assert encoder(np.zeros(0, np.float32)).shape == (0, 192)


def test_streamed_in_any_pieces_equals_offline(encoder: BlockWav2Vec2) -> None:
    assert isinstance(encoder, SpeechEncoder) and isinstance(encoder, LiveEncoder)
    waveform = noise(3.21)
    whole = features(encoder, waveform)
    cuts = np.cumsum(np.random.default_rng(1).integers(0, 3000, 60))
    pieces = np.split(waveform, cuts[cuts < len(waveform)])
    assert np.array_equal(np.concatenate(list(stream_features(encoder, iter(pieces)))), whole)


def test_what_comes_later_than_the_look_ahead_is_not_heard(encoder: BlockWav2Vec2) -> None:
    waveform, frame = noise(3), 40
    heard = encoder(waveform)
    end = round((frame + 0.5) * SAMPLES_PER_FRAME) + LOOK_AHEAD
    changed = waveform.copy()
    changed[end:] = noise(3, seed=1)[end:]
    assert np.array_equal(encoder(changed)[: frame + 1], heard[: frame + 1])
    changed[round((frame + 0.5) * SAMPLES_PER_FRAME) :] = 0
    assert not np.array_equal(encoder(changed)[frame], heard[frame])


def test_features_come_as_soon_as_they_may(encoder: BlockWav2Vec2) -> None:
    sent = 0

    def arriving():
        nonlocal sent
        for piece in np.split(noise(2), np.arange(320, 32000, 320)):
            sent += len(piece)
            yield piece

    done = 0
    for block in stream_features(encoder, arriving()):
        waited = sent - (done + 0.5) * SAMPLES_PER_FRAME  # samples after the middle of the block's first frame
        assert waited <= LOOK_AHEAD + 320 or sent == 32000
        done += len(block)
    assert done == 50


def test_loudness_hardly_matters(encoder: BlockWav2Vec2) -> None:
    waveform = noise(2)
    assert np.allclose(encoder(0.2 * waveform), encoder(waveform), atol=0.1)


def test_opened_by_name(folder: Path, tmp_path: Path) -> None:
    assert open_encoder(f"block:{folder}").name == "block"
    with pytest.raises(InputError):
        open_encoder(f"block:{tmp_path}")
