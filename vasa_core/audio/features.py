"""Speech features: one vector per video frame, computed in fixed windows so that streamed equals offline.

VASA-1, section 3.2, conditions its motion model on features of a pretrained speech encoder, synchronised to the
video. Encoders differ (see `moonshine`, `wav2vec2`); this file is what they share: the interface, the alignment of
an encoder's steps to video frames, and the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.rates import SAMPLE_RATE, SAMPLES_PER_FRAME, exact_div, frame_count

# The encoder sees windows of WINDOW samples, one every HOP; where two overlap they are cross-faded. An encoder's
# output depends on where in its window a sound lies: cross-fading halves that, and leaves no seams.
WINDOW, HOP = 8 * SAMPLE_RATE, 4 * SAMPLE_RATE
_HOP_FRAMES = exact_div(HOP, SAMPLES_PER_FRAME)


@runtime_checkable
class SpeechEncoder(Protocol):
    """Maps a 16 kHz mono waveform in [-1, 1] to `channels` features per video frame.

    A call returns `rates.frame_count(samples)` frames; frame i is centred on its own time, (i + 0.5) / FPS seconds.
    version: the same for the same weights, for caches.
    """

    name: str
    version: str
    channels: int

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]: ...


@runtime_checkable
class LiveEncoder(SpeechEncoder, Protocol):
    """A speech encoder that looks only a little ahead, and gives features as the sound arrives."""

    def stream(
        self, chunks: Iterator[Float32[np.ndarray, " samples"]]
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]: ...


def at_frame_times(
    steps: Float[np.ndarray, "steps channels"], first_centre: float, hop: int, frames: int
) -> Float32[np.ndarray, "{frames} channels"]:
    """An encoder's steps, interpolated linearly at the centre of each video frame.

    first_centre: sample on which step 0 is centred. hop: samples from one step to the next. Frames before the
    first or after the last step take that step's value.
    """
    centres = (np.arange(frames) + 0.5) * SAMPLES_PER_FRAME  # (frames,), samples
    position = np.clip((centres - first_centre) / hop, 0, len(steps) - 1)
    before = np.minimum(position.astype(int), max(len(steps) - 2, 0))
    after = np.minimum(before + 1, len(steps) - 1)
    share = (position - before)[:, None]  # (frames, 1)
    return (steps[before] * (1 - share) + steps[after] * share).astype(np.float32)


def window_geometry(kernels: list[int], strides: list[int]) -> tuple[float, int, int]:
    """Of unpadded convolutions in a row: the sample at the centre of step 0, samples per step, samples per window."""
    window, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        window += (kernel - 1) * hop
        hop *= stride
    return (window - 1) / 2, hop, window


def stream_features(
    encoder: SpeechEncoder, chunks: Iterator[Float32[np.ndarray, " samples"]]
) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """Features of a waveform that arrives in chunks of any length, in blocks of at most HOP, in bounded memory.

    Windows start at fixed times of the waveform, so how it is cut into chunks does not change the result.
    """
    if isinstance(encoder, LiveEncoder):
        yield from encoder.stream(chunks)
        return
    held = np.zeros(0, np.float32)  # samples from the next window's start on
    late = np.zeros((0, encoder.channels), np.float32)  # the second half of the window before
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        while len(held) >= WINDOW:
            steps = encoder(held[:WINDOW])  # (200, channels)
            yield _cross_fade(late, steps[:_HOP_FRAMES])
            late, held = steps[_HOP_FRAMES:], held[HOP:]
    steps = encoder(held) if len(held) > HOP or not len(late) else late[: frame_count(len(held))]
    if len(steps):
        yield _cross_fade(late, steps[:_HOP_FRAMES])
    if len(steps) > _HOP_FRAMES:
        yield steps[_HOP_FRAMES:]


def _cross_fade(
    fading_out: Float32[np.ndarray, "before channels"], fading_in: Float32[np.ndarray, "frames channels"]
) -> Float32[np.ndarray, "frames channels"]:
    """From one window's features to the next one's over HOP; the first window has none before it."""
    if not len(fading_out):
        return fading_in
    share = np.sin(np.pi / 2 * (np.arange(len(fading_in)) + 0.5) / _HOP_FRAMES)[:, None] ** 2  # (frames, 1)
    return (fading_out[: len(fading_in)] * (1 - share) + fading_in * share).astype(np.float32)


def features(
    encoder: SpeechEncoder, waveform: Float32[np.ndarray, " samples"]
) -> Float32[np.ndarray, "frames channels"]:
    """Features of a whole waveform, exactly as `stream_features` gives them."""
    blocks = list(stream_features(encoder, iter([waveform])))
    return np.concatenate(blocks) if blocks else np.zeros((0, encoder.channels), np.float32)
