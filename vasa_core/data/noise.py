"""Noisy copies of clean sound: rooms, noise, music, other voices, telephones, coarse quantisation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from scipy.signal import butter, fftconvolve, sosfilt

from vasa_core.rates import SAMPLE_RATE

_GAIN = (-1.2, 0.3)  # powers of ten


def dirty(
    sound: Float32[np.ndarray, " samples"], other: Float32[np.ndarray, " samples"], rng: np.random.Generator
) -> Float32[np.ndarray, " samples"]:
    """The sound as recorded by a bad microphone in a bad room. other: somebody else, to talk in the background."""
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
