"""Speech features by Moonshine's encoder (tiny, English; Useful Sensors, arXiv:2410.15608) in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.features import at_frame_times, window_geometry
from vasa_core.rates import frame_count

_FIRST_CENTRE, _HOP, _WINDOW = window_geometry([127, 7, 3], [64, 3, 2])  # its convolutions: 447, 384, 895 samples


class MoonshineEncoder:
    """A `SpeechEncoder`; steps of 24 ms, 288 channels."""

    name = version = "moonshine"
    channels = 288

    def __init__(self, model: Path, threads: int = 1) -> None:
        """model: `encoder_model.ort`. threads: CPU threads of one call."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames 288"]:
        """waveform: 16 kHz mono in [-1, 1]. Shorter than one window of the encoder, it is followed by silence."""
        padded = np.pad(waveform, (0, max(0, _WINDOW - len(waveform))))[None]  # (1, samples)
        inputs = {"input_values": padded, "attention_mask": np.ones(padded.shape, np.int64)}
        steps = np.asarray(self._session.run(None, inputs)[0])[0]  # (steps, 288)
        return at_frame_times(steps, _FIRST_CENTRE, _HOP, frame_count(len(waveform)))
