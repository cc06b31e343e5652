"""Crops of utterances as the speech encoder is trained on them: sped up, in noise, through rooms and codecs.

The labels are those of the clean crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from scipy.signal import butter, fftconvolve, sosfilt
from torch import Tensor
from torch.utils.data import IterableDataset

from vasa_core.audio.block_wav2vec2 import FIELD, LEFT, STEP, STEPS_PER_FRAME, WINDOW
from vasa_core.audio.phones import UNKNOWN
from vasa_core.rates import SAMPLE_RATE
from vasa_core.training.speech.data import Utterance

SAMPLES = FIELD + (WINDOW - 1) * STEP  # of a crop
FRAMES = WINDOW // STEPS_PER_FRAME
_SPEED = (0.85, 1.18)  # changes pitch as well
_GAIN = (-1.2, 0.3)  # powers of ten
_MIN_PITCH, _MAX_PITCH = 70.0, 400.0  # Hz
_PITCH_WINDOW = 640  # samples
_QUIET = 1e-4  # sound below this has no loudness to speak of


@dataclass(frozen=True)
class SpeechBatch:
    """sound: as heard. phones: index per step, or UNKNOWN. teacher: per video frame. voice: loudness (log), whether
    it is voiced (0..1) and pitch (octaves over 100 Hz) of the clean sound, per step."""

    sound: Float[Tensor, "b samples"]
    phones: Int[Tensor, "b steps"]
    teacher: Float[Tensor, "b frames channels"]
    voice: Float[Tensor, "b steps 3"]


def clean_crop(
    utterance: Utterance, first: int, speed: float = 1.0
) -> tuple[Float32[np.ndarray, " samples"], np.ndarray, np.ndarray]:
    """Sound, phones and teacher of WINDOW steps from step `first` on, played `speed` times as fast.

    Outside the utterance there is silence, its phones are unknown and the teacher says what it says at the ends.
    """
    start = first * STEP  # samples
    at = start + speed * (np.arange(SAMPLES) - LEFT)
    sound = np.interp(at, np.arange(len(utterance.sound)), utterance.sound, left=0, right=0) / 32767
    middles = start + speed * (np.arange(WINDOW) + 0.5) * STEP
    step = np.floor(middles / STEP).astype(int)
    inside = (step >= 0) & (step < len(utterance.labels))
    phones = np.where(inside, utterance.labels[step.clip(0, len(utterance.labels) - 1)], UNKNOWN)
    frame = STEP * STEPS_PER_FRAME
    place = (start + speed * (np.arange(FRAMES) + 0.5) * frame) / frame - 0.5  # in teacher frames
    place = place.clip(0, len(utterance.teacher) - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(utterance.teacher) - 1)
    share = (place - before)[:, None]
    teacher = utterance.teacher[before] * (1 - share) + utterance.teacher[after] * share
    return sound.astype(np.float32), phones, teacher.astype(np.float32)


def voice_of(sound: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "steps 3"]:
    """Loudness, voicing and pitch of each step of a crop, by autocorrelation over 40 ms."""
    padded = np.pad(sound, _PITCH_WINDOW)
    centres = LEFT + STEP // 2 + STEP * np.arange(WINDOW) + _PITCH_WINDOW
    pieces = padded[centres[:, None] + np.arange(-_PITCH_WINDOW // 2, _PITCH_WINDOW // 2)]  # (steps, 640)
    pieces = (pieces - pieces.mean(1, keepdims=True)) * np.hanning(_PITCH_WINDOW)
    loudness = np.log(np.sqrt((pieces**2).mean(1)) + _QUIET)
    power = np.abs(np.fft.rfft(pieces, 2 * _PITCH_WINDOW)) ** 2
    correlation = np.fft.irfft(power)[:, :_PITCH_WINDOW]
    low, high = int(SAMPLE_RATE / _MAX_PITCH), int(SAMPLE_RATE / _MIN_PITCH)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_PITCH_WINDOW), 2 * _PITCH_WINDOW)) ** 2)[:high]
    shape = correlation[:, low:high] / np.maximum(correlation[:, :1], 1e-9) * window[0] / window[low:high]
    best = (shape >= 0.9 * shape.max(1, keepdims=True)).argmax(1)  # the first peak: later ones are whole periods more
    near = np.minimum(best[:, None] + np.arange(12), high - low - 1)  # (steps, 12)
    best += np.take_along_axis(shape, near, 1).argmax(1)
    voiced = np.clip((shape.max(1) - 0.4) / 0.4, 0, 1) * (loudness > np.log(10 * _QUIET))
    return np.stack([loudness, voiced, np.log2(SAMPLE_RATE / (best + low) / 100)], 1).astype(np.float32)


def dirty(
    sound: Float32[np.ndarray, " samples"], other: Float32[np.ndarray, " samples"], rng: np.random.Generator
) -> Float32[np.ndarray, " samples"]:
    """The sound as a bad microphone in a bad room hears it. other: somebody else, to talk in the background."""
    level = float(np.sqrt((sound**2).mean())) + 1e-6
    if rng.random() < 0.3:  # a room
        tail = int(SAMPLE_RATE * rng.uniform(0.05, 0.35))
        response = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / (tail * rng.uniform(0.5, 1)))
        response *= rng.uniform(0.1, 0.5) / np.linalg.norm(response)
        response[0] = 1
        sound = fftconvolve(sound, response)[: len(sound)]
    if rng.random() < 0.5:  # noise of any colour
        spectrum = np.fft.rfft(rng.standard_normal(len(sound)))
        spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** rng.uniform(0, 1)
        noise = np.fft.irfft(spectrum, len(sound))
        sound = sound + noise * (level * 10 ** rng.uniform(-1.5, 0) / (noise.std() + 1e-9))
    if rng.random() < 0.3:  # somebody else, or music: tones that come and go
        if rng.random() < 0.5:
            time = np.arange(len(sound)) / SAMPLE_RATE
            chord = rng.uniform(80, 1500, 5)
            beats = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 4, 5)[:, None] * time + rng.uniform(0, 6, (5, 1)))
            other = (beats * np.sin(2 * np.pi * chord[:, None] * time)).sum(0)
        sound = sound + other * (level * 10 ** rng.uniform(-1.2, -0.2) / (other.std() + 1e-6))
    if rng.random() < 0.3:  # a telephone
        edges = [rng.uniform(50, 300), rng.uniform(2500, 7500)]
        sound = np.asarray(sosfilt(butter(2, edges, "bandpass", fs=SAMPLE_RATE, output="sos"), sound))
    sound = np.asarray(sound) * 10 ** rng.uniform(*_GAIN)
    if rng.random() < 0.1:  # eight bits
        sound = np.sign(sound) * np.log1p(255 * np.abs(sound).clip(0, 1)) / np.log(256)
        sound = np.round(sound * 127) / 127
        sound = np.sign(sound) * (256 ** np.abs(sound) - 1) / 255
    return sound.clip(-1, 1).astype(np.float32)


class SpeechCrops(IterableDataset):
    """Endless batches; each step's crops come from (seed, step) alone."""

    def __init__(self, utterances: Sequence[Utterance], batch: int, seed: int, step: int = 0) -> None:
        self._utterances, self._batch, self._seed, self._step = utterances, batch, seed, step
        lengths = np.array([len(u.labels) for u in utterances], float)
        voices = [u.voice for u in utterances]
        shares = {voice: sum(n for n, v in zip(lengths, voices, strict=True) if v == voice) for voice in set(voices)}
        weights = lengths / np.sqrt([shares[voice] for voice in voices])  # one long talker does not rule
        self._chances = weights / weights.sum()

    def __iter__(self) -> Iterator[SpeechBatch]:
        step = self._step
        while True:
            yield self.batch_of(step)
            step += 1

    def batch_of(self, step: int) -> SpeechBatch:
        """The batch of one step."""
        rng = np.random.default_rng([self._seed, step])
        rows = []
        for index in rng.choice(len(self._utterances), self._batch, p=self._chances):
            utterance = self._utterances[index]
            speed = float(rng.uniform(*_SPEED)) if rng.random() < 0.5 else 1.0
            frames = max(1, len(utterance.labels) // STEPS_PER_FRAME - FRAMES + 4)
            first = STEPS_PER_FRAME * (int(rng.integers(frames)) - 2)
            clean, phones, teacher = clean_crop(utterance, first, speed)
            other = self._utterances[int(rng.integers(len(self._utterances)))]
            noise, _, _ = clean_crop(other, int(rng.integers(max(1, len(other.labels)))))
            heard = dirty(clean, noise, rng)
            if rng.random() < 0.1:  # it begins now
                heard[: int(rng.integers(len(heard) // 2))] = 0
            rows.append((heard, phones, teacher, voice_of(clean)))
        parts = [torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)]
        return SpeechBatch(parts[0], parts[1], parts[2], parts[3])
