"""Speech features by Moonshine's encoder (tiny, English; Useful Sensors, arXiv:2410.15608) in onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.features import at_frame_times, window_geometry
from vasa_core.rates import SAMPLES_PER_FRAME, frame_count

_FIRST_CENTRE, _HOP, _WINDOW = window_geometry([127, 7, 3], [64, 3, 2])  # its convolutions: 447, 384, 895 samples

LIVE_HISTORY, LIVE_AHEAD = 75, 2  # video frames heard before and after a block
LIVE_FIRST, LIVE_BLOCK = 7, 5  # frames of the first block and of the next: as live motion asks for them


class MoonshineEncoder:
    """A `SpeechEncoder`; steps of 24 ms, 288 channels."""

    name = version = "moonshine"
    channels = 288

    def __init__(self, model: Path, threads: int = 1, device: str = "cpu") -> None:
        """model: `encoder_model.ort`. threads: CPU threads of one call. device: as `open_session`."""
        from vasa_core.onnx import open_session

        self._session = open_session(model, device, threads)

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 288"]:
        """waveform: 16 kHz mono in [-1, 1]. Shorter than one window of the encoder, it is followed by silence."""
        padded = np.pad(waveform, (0, max(0, _WINDOW - len(waveform))))[None]  # (1, samples)
        inputs = {"input_values": padded, "attention_mask": np.ones(padded.shape, np.int64)}
        steps = np.asarray(self._session.run(None, inputs)[0])[0]  # (steps, 288)
        return at_frame_times(steps, _FIRST_CENTRE, _HOP, frame_count(len(waveform)))


class LiveMoonshine:
    """A `LiveEncoder` on an opened Moonshine, which hears LIVE_HISTORY back and LIVE_AHEAD on, in blocks of frames.

    Blocks lie at fixed places of the sound, so how it is cut does not change the features. Near the end of what it
    hears the encoder is less sure than in the midst of 8 s.
    """

    def __init__(self, encoder: MoonshineEncoder) -> None:
        self._encoder = encoder
        self.name, self.version, self.channels = encoder.name, encoder.version, encoder.channels

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 288"]:
        """All of the waveform heard at once."""
        return self._encoder(waveform)

    def stream(
        self, chunks: Iterator[Float32[np.ndarray, " samples"]]
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """Features as soon as the sound that they need is there; chunks may be of any length."""
        held = np.zeros(0, np.float32)  # from frame `first` on
        first = done = 0  # frames: where `held` begins; given so far
        block = LIVE_FIRST
        for chunk in chunks:
            held = np.concatenate([held, chunk])
            while len(held) >= (needed := (done - first + block + LIVE_AHEAD) * SAMPLES_PER_FRAME):
                yield self(held[:needed])[done - first : done - first + block]
                done, block = done + block, LIVE_BLOCK
                passed = max(0, done - LIVE_HISTORY - first)
                first, held = first + passed, held[passed * SAMPLES_PER_FRAME :]
        rest = self(held)[done - first :]
        if len(rest):
            yield rest
