"""Where somebody speaks: silero's voice activity detector (MIT, snakers4/silero-vad) in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from vasa_core.rates import SAMPLE_RATE, SAMPLES_PER_FRAME

SPEECH_PROBABILITY = 0.5
_CHUNK, _CONTEXT = 512, 64  # samples judged at a time, and those before them that are heard again
_STATE = (2, 1, 128)


class VoiceActivity:
    """Says of each video frame whether there is speech in it."""

    def __init__(self, model: Path) -> None:
        """model: `silero_vad.onnx`."""
        from vasa_core.onnx import open_session

        self._session = open_session(model)

    def probabilities(self, waveform: Float[np.ndarray, " samples"]) -> Float32[np.ndarray, " chunks"]:
        """Probability of speech in each 512 samples (32 ms) of 16 kHz mono; the last are followed by silence."""
        count = -(-len(waveform) // _CHUNK)
        padded = np.zeros(_CONTEXT + count * _CHUNK, np.float32)
        padded[_CONTEXT : _CONTEXT + len(waveform)] = waveform
        state, rate = np.zeros(_STATE, np.float32), np.array(SAMPLE_RATE, np.int64)
        found = np.zeros(count, np.float32)
        for index in range(count):
            heard = padded[None, index * _CHUNK : (index + 1) * _CHUNK + _CONTEXT]
            outputs = self._session.run(None, {"input": heard, "state": state, "sr": rate})
            probability, state = (np.asarray(output) for output in outputs)
            found[index] = probability[0, 0]
        return found

    def __call__(self, waveform: Float[np.ndarray, " samples"], frames: int) -> Bool[np.ndarray, " frames"]:
        """Frames in whose middle there is speech; frames after the sound's end are silent.

        Each chunk is judged by SPEECH_PROBABILITY alone: silero's own time stamps are smoothed and padded by 30 ms.
        """
        probabilities = self.probabilities(waveform)
        chunk = (np.arange(frames) * SAMPLES_PER_FRAME + SAMPLES_PER_FRAME // 2) // _CHUNK  # (frames,)
        return np.append(probabilities, np.float32(0))[np.minimum(chunk, len(probabilities))] >= SPEECH_PROBABILITY
