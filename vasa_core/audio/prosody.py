"""Prosody beside phonetics: loudness, pitch, voicing and onsets of each video frame, as they are known by then.

Phonetic features say which sounds are spoken; brows, nods and blinks follow how they are spoken. Loudness and pitch are
relative to the speaker's own, which is learned causally, from the frames before: features of a stream are those of the
whole recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import tee

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.audio.features import SpeechEncoder, stream_features
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, exact_div, frame_count

NAMES = ("loudness", "pitch", "voicing", "onset", "slow loudness")
_REACH = 512  # samples on each side of a frame's middle that its features are taken from
_NEEDED = exact_div(SAMPLES_PER_FRAME, 2) + 2 * _REACH  # samples from `_REACH` before a frame on
_BANDS = ((60.0, 400.0), (400.0, 1000.0), (1000.0, 2400.0), (2400.0, 6000.0))  # Hz, whose rises make an onset
_LOWEST, _HIGHEST = 70.0, 400.0  # Hz, of voices
_LAGS = slice(round(SAMPLE_RATE / _HIGHEST), round(SAMPLE_RATE / _LOWEST) + 1)  # samples
_HANN = np.hanning(2 * _REACH)
_HANN_AUTOCORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 2 * len(_HANN))) ** 2)[: len(_HANN)] / (_HANN @ _HANN)
_AS_GOOD = 0.85  # of the highest autocorrelation: the shortest such period is the voice's
_VOICED = 0.7  # normalised autocorrelation from which a frame is voiced
_FLOOR = 1e-5  # power below which there is no sound
_HEARD = 1e-4 / SAMPLE_RATE  # keeps logarithms finite
# What is expected of a speaker before anything is heard, and for how many frames that counts.
_USUAL_LEVEL, _USUAL_SPREAD = -6.0, 1.5  # log power
_USUAL_PITCH, _PITCH_SPREAD = np.log(160.0), 0.2  # log Hz
_PRIOR_FRAMES, _MEMORY = 10.0, 10.0 * FPS
_SLOW = 0.9  # share of the slow loudness that is left after a frame


class ProsodyMeter:
    """Prosody of a waveform that arrives in pieces; what comes out does not depend on how it was cut."""

    def __init__(self) -> None:
        self._held = np.zeros(_REACH, np.float32)  # samples from `_REACH` before the next frame's own on
        self._bands = np.zeros(len(_BANDS))
        self._level = _Running(_USUAL_LEVEL, _USUAL_SPREAD)
        self._pitch = _Running(_USUAL_PITCH, _PITCH_SPREAD)
        self._slow = 0.0
        self._given = 0  # frames

    def push(self, samples: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 5"]:
        """Features of all frames whose sound is now there."""
        self._held = np.concatenate([self._held, samples])
        rows = []
        while len(self._held) >= _NEEDED:
            rows.append(self._frame())
        return _rows(rows)

    def finish(self, frames: int) -> Float32[np.ndarray, "frames 5"]:
        """Features of what is left, followed by silence, up to `frames` in all."""
        rows = []
        while self._given < frames:
            missing = max(0, _NEEDED - len(self._held))
            self._held = np.concatenate([self._held, np.zeros(missing, np.float32)])
            rows.append(self._frame())
        return _rows(rows)

    def _frame(self) -> list[float]:
        """Features of the next frame: `_REACH` samples on each side of its middle."""
        sound = self._held[_NEEDED - 2 * _REACH : _NEEDED].astype(np.float64)
        self._held = self._held[SAMPLES_PER_FRAME:]
        self._given += 1
        spectrum = np.abs(np.fft.rfft(sound * _HANN, 2 * len(_HANN))) ** 2  # (2 _REACH + 1,)
        power = float(np.mean(sound**2))
        heard = power > _FLOOR
        level = np.log(power + _FLOOR)
        loudness = float(np.clip(self._level.score(level), -3, 3))
        voicing, log_hertz = voice(spectrum)
        voiced = heard and voicing > _VOICED
        pitch = float(np.clip(self._pitch.score(log_hertz), -3, 3)) if voiced else 0.0
        bands = np.array([np.log(_band(spectrum, *band) + _HEARD) for band in _BANDS])
        onset = float(np.clip(np.maximum(bands - self._bands, 0).mean(), 0, 3)) if heard and self._given > 1 else 0.0
        self._bands = bands
        self._slow = _SLOW * self._slow + (1 - _SLOW) * loudness
        if heard:
            self._level.learn(level)
        if voiced:
            self._pitch.learn(log_hertz)
        return [loudness, pitch, voicing if heard else 0.0, onset, self._slow]


class _Running:
    """Mean and spread of a speaker's own values so far; older ones fade."""

    def __init__(self, mean: float, spread: float) -> None:
        self._mean, self._square, self._count = mean, spread**2, _PRIOR_FRAMES

    def learn(self, value: float) -> None:
        share = 1 / min(self._count + 1, _MEMORY)
        self._square += share * ((value - self._mean) ** 2 - self._square)
        self._mean += share * (value - self._mean)
        self._count += 1

    def score(self, value: float) -> float:
        return (value - self._mean) / np.sqrt(self._square + 1e-2)


class WithProsody:
    """A `LiveEncoder`: another encoder's features followed by prosody; it looks as far ahead as that one."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.phonetic = encoder
        self.name, self.version = f"{encoder.name}+prosody", f"{encoder.version}+prosody"
        self.channels = encoder.channels + len(NAMES)

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]:
        """All of the waveform heard at once."""
        return np.concatenate([self.phonetic(waveform), prosody(waveform)], 1)

    def stream(
        self, chunks: Iterator[Float32[np.ndarray, " samples"]]
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """Features as soon as the phonetic ones are there; chunks may be of any length."""
        first, second = tee(chunks)
        meter, samples = ProsodyMeter(), 0
        ready = np.zeros((0, len(NAMES)), np.float32)
        for block in stream_features(self.phonetic, first):
            while len(ready) < len(block):
                chunk = next(second, None)
                if chunk is None:
                    ready = np.concatenate([ready, meter.finish(frame_count(samples))])
                    break
                samples += len(chunk)
                ready = np.concatenate([ready, meter.push(chunk)])
            yield np.concatenate([block, ready[: len(block)]], 1)
            ready = ready[len(block) :]


def prosody(waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 5"]:
    """Prosody of a whole 16 kHz mono waveform in [-1, 1]: NAMES for each video frame.

    loudness, pitch: in standard deviations of the speaker's own so far (log power, log Hz), pitch 0 where there is no
    voice. voicing: 0 to 1. onset: mean rise of log power in four bands since the frame before.
    """
    meter = ProsodyMeter()
    return np.concatenate([meter.push(waveform), meter.finish(frame_count(len(waveform)))])


def voice(power_spectrum: Float[np.ndarray, " bins"]) -> tuple[float, float]:
    """How periodic a sound is (0 to 1), and the logarithm of its frequency in Hz, if it is a voice.

    power_spectrum: of a window padded to twice its length. The period is the shortest lag at which the
    normalised autocorrelation is as good as highest, divided by that of the window itself (Boersma 1993).
    """
    size = len(power_spectrum) - 1
    autocorrelation = np.fft.irfft(power_spectrum)[: size // 2]
    if autocorrelation[0] <= 0:
        return 0.0, float(_USUAL_PITCH)
    curve = autocorrelation / autocorrelation[0] / _HANN_AUTOCORRELATION[: size // 2]
    likely = curve[_LAGS]
    peaks = (likely[1:-1] >= likely[:-2]) & (likely[1:-1] >= likely[2:]) & (likely[1:-1] >= _AS_GOOD * likely.max())
    first = 1 + int(np.argmax(peaks)) if peaks.any() else int(likely.argmax())  # its multiples are as high
    lag = first + _LAGS.start
    return float(np.clip(curve[lag], 0, 1)), float(np.log(SAMPLE_RATE / lag))


def _band(spectrum: Float[np.ndarray, " bins"], low: float, high: float) -> float:
    hertz = SAMPLE_RATE / 2 / (len(spectrum) - 1)
    return float(spectrum[int(low / hertz) : int(high / hertz)].mean()) / SAMPLE_RATE


def _rows(rows: list[list[float]]) -> Float32[np.ndarray, "frames 5"]:
    return np.array(rows, np.float32).reshape(-1, len(NAMES))
