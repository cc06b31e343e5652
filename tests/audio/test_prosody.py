"""Prosody: known voices, causality, and streams that equal whole recordings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.audio import live_encoder, open_encoder, stream_features
from vasa_core.audio.features import features
from vasa_core.audio.prosody import NAMES, ProsodyMeter, WithProsody, prosody, voice
from vasa_core.io.audio import read_audio
from vasa_core.rates import SAMPLE_RATE, SAMPLES_PER_FRAME

LOUDNESS, PITCH, VOICING, ONSET, SLOW = range(len(NAMES))


def buzz(hertz: float, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    """A voice-like tone: ten harmonics."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = np.arange(1, 11)[:, None]
    return (level * np.sin(2 * np.pi * hertz * harmonics * time) / harmonics).sum(0).astype(np.float32)


def hiss(seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).normal(size=round(seconds * SAMPLE_RATE))).astype(np.float32)


def spectrum(sound: np.ndarray) -> np.ndarray:
    part = sound[:1024].astype(float)
    return np.abs(np.fft.rfft(part * np.hanning(1024), 2048)) ** 2


@pytest.mark.parametrize("hertz", [90.0, 130.0, 220.0, 350.0])
def test_a_voice_has_its_frequency_and_noise_has_none(hertz: float) -> None:
    voicing, log_hertz = voice(spectrum(buzz(hertz)))
    assert voicing > 0.95
    assert np.exp(log_hertz) == pytest.approx(hertz, rel=0.03)
    assert voice(spectrum(hiss()))[0] < 0.5
    assert voice(np.zeros(1025))[0] == 0


def test_a_rising_voice_rises_and_a_louder_one_is_louder() -> None:
    found = prosody(np.concatenate([buzz(140), buzz(180), buzz(180, level=0.4)]))
    assert found[30:45, PITCH].mean() > found[10:20, PITCH].mean() + 0.5
    assert found[55:70, LOUDNESS].mean() > found[35:45, LOUDNESS].mean() + 0.5
    assert not prosody(hiss())[5:, PITCH].any()


def test_an_onset_is_where_sound_sets_in() -> None:
    found = prosody(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), buzz(150)]))
    assert abs(int(found[:, ONSET].argmax()) - 25) <= 1
    assert found[:23, ONSET].max() == 0
    assert found[30:48, ONSET].max() < 0.1


def test_silence_is_finite_and_has_no_voice() -> None:
    found = prosody(np.zeros(SAMPLE_RATE, np.float32))
    assert np.isfinite(found).all()
    assert not found[:, [PITCH, VOICING, ONSET]].any()


def test_what_comes_later_changes_nothing_before() -> None:
    sound = read_audio(ASSETS / "speech.wav")
    cut = 100 * SAMPLES_PER_FRAME
    assert np.array_equal(prosody(sound)[:98], prosody(sound[:cut])[:98])
    louder = np.concatenate([sound[:cut], 10 * sound[cut:]])
    assert np.array_equal(prosody(sound)[:98], prosody(louder)[:98])


@pytest.mark.parametrize("size", [37, 640, 5000])
def test_pieces_of_any_size_give_the_same(size: int) -> None:
    sound = read_audio(ASSETS / "speech.wav")[: 3 * SAMPLE_RATE + 100]
    meter = ProsodyMeter()
    parts = [meter.push(sound[i : i + size]) for i in range(0, len(sound), size)]
    whole = prosody(sound)
    assert np.array_equal(np.concatenate([*parts, meter.finish(len(whole))]), whole)


def test_it_stands_beside_the_phonetic_features_offline_and_live() -> None:
    encoder = open_encoder("moonshine+prosody")
    assert isinstance(encoder, WithProsody)
    assert encoder.name == "moonshine+prosody"
    sound = read_audio(ASSETS / "speech.wav")

    def pieces() -> Iterator[np.ndarray]:
        yield from np.array_split(sound, 37)

    whole = features(encoder, sound)
    assert whole.shape == (246, encoder.phonetic.channels + len(NAMES))
    assert np.array_equal(whole[:, : encoder.phonetic.channels], features(encoder.phonetic, sound))
    assert np.array_equal(whole[:, encoder.phonetic.channels :], prosody(sound))
    assert np.array_equal(np.concatenate(list(stream_features(encoder, pieces()))), whole)
    live = np.concatenate(list(stream_features(live_encoder(encoder), pieces())))
    assert np.array_equal(live[:, encoder.phonetic.channels :], prosody(sound))
