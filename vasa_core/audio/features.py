"""Speech features: one vector per video frame, computed in fixed blocks so that streamed equals offline.

VASA-1, section 3.2, conditions its motion model on features of a pretrained speech encoder, synchronised to the
video. Encoders differ (see `moonshine`, `wav2vec2`); this file is what they share: the interface, the alignment of
an encoder's steps to video frames, and the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, exact_div, frame_count

# A block is BLOCK seconds of output; the encoder sees LEFT seconds before and RIGHT seconds after it as well.
BLOCK, LEFT, RIGHT = 8 * SAMPLE_RATE, 2 * SAMPLE_RATE, 1 * SAMPLE_RATE  # samples
_BLOCK_FRAMES = exact_div(BLOCK, SAMPLES_PER_FRAME)
_LEFT_FRAMES = exact_div(LEFT, SAMPLES_PER_FRAME)


class SpeechEncoder(Protocol):
    """Maps a 16 kHz mono waveform in [-1, 1] to `channels` features per video frame.

    A call returns `rates.frame_count(samples)` frames; frame i is centred on its own time, (i + 0.5) / FPS seconds.
    """

    name: str
    channels: int

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]: ...


def at_frame_times(
    steps: Float[np.ndarray, "steps channels"], first_centre: float, hop: float, frames: int
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
    """Of a stack of unpadded convolutions: (sample on which step 0 is centred, samples per step, samples per window)."""
    window, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        window += (kernel - 1) * hop
        hop *= stride
    return (window - 1) / 2, hop, window


def stream_features(
    encoder: SpeechEncoder, chunks: Iterator[Float32[np.ndarray, " samples"]]
) -> Iterator[Float32[np.ndarray, "frames channels"]]:
    """Features of a waveform that arrives in chunks of any length, in blocks of at most 8 s, in bounded memory.

    Blocks start at fixed times of the waveform, so how it is cut into chunks does not change the result.
    """
    held = np.zeros(0, np.float32)  # samples from `held_start` on
    held_start, block_start = 0, 0
    for chunk in chunks:
        held = np.concatenate([held, chunk])
        while held_start + len(held) >= block_start + BLOCK + RIGHT:
            yield _block(encoder, held[: block_start + BLOCK + RIGHT - held_start], _BLOCK_FRAMES, block_start > 0)
            block_start += BLOCK
            held = held[block_start - LEFT - held_start :]
            held_start = block_start - LEFT
    remaining = frame_count(held_start + len(held)) - block_start // SAMPLES_PER_FRAME
    while remaining > 0:
        frames = min(remaining, _BLOCK_FRAMES)
        yield _block(encoder, held[: block_start + BLOCK + RIGHT - held_start], frames, block_start > 0)
        remaining -= frames
        block_start += BLOCK
        held = held[block_start - LEFT - held_start :]
        held_start = block_start - LEFT


def features(
    encoder: SpeechEncoder, waveform: Float32[np.ndarray, " samples"]
) -> Float32[np.ndarray, "frames channels"]:
    """Features of a whole waveform, exactly as `stream_features` gives them."""
    blocks = list(stream_features(encoder, iter([waveform])))
    return np.concatenate(blocks) if blocks else np.zeros((0, encoder.channels), np.float32)


def _block(
    encoder: SpeechEncoder, samples: Float32[np.ndarray, " samples"], frames: int, has_left: bool
) -> Float32[np.ndarray, "{frames} channels"]:
    start = _LEFT_FRAMES if has_left else 0
    return encoder(samples)[start : start + frames]
