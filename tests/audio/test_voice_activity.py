"""Speech is told from silence, frame by frame, on the bundled speech."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.assets import ASSETS, resolve
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.io.audio import read_audio
from vasa_core.rates import FPS, SAMPLE_RATE

SPEECH = ASSETS / "speech.wav"


@pytest.fixture(scope="module")
def voice() -> VoiceActivity:
    return VoiceActivity(resolve("voice_activity"))


def test_two_seconds_of_silence_before_and_after_speech_are_found(voice: VoiceActivity) -> None:
    spoken = read_audio(SPEECH)[: 3 * SAMPLE_RATE]
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    frames = voice(np.concatenate([pause, spoken, pause]), 7 * FPS)
    assert not frames[: 2 * FPS - 2].any()
    assert frames[2 * FPS : 5 * FPS].mean() > 0.7
    assert not frames[5 * FPS + 10 :].any()


def test_noise_and_tones_are_not_speech(voice: VoiceActivity) -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=2 * SAMPLE_RATE)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    assert voice(noise, 2 * FPS).mean() < 0.1
    assert voice(tone, 2 * FPS).mean() < 0.1


def test_each_sound_is_heard_afresh(voice: VoiceActivity) -> None:
    spoken = read_audio(SPEECH)[: 2 * SAMPLE_RATE]
    first = voice.probabilities(spoken)
    assert len(first) == 63  # 62.5 chunks of 32 ms
    np.testing.assert_array_equal(voice.probabilities(spoken), first)


def test_frames_after_the_sound_are_silent(voice: VoiceActivity) -> None:
    spoken = read_audio(SPEECH)[:SAMPLE_RATE]
    assert not voice(spoken, 3 * FPS)[FPS + 2 :].any()
    assert not voice(np.zeros(0, np.float32), 5).any()
