"""Speech features by any Wav2Vec2 (arXiv:2006.11477) that `transformers` can load; VASA-1's own choice."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.features import at_frame_times, window_geometry
from vasa_core.errors import MissingModelError
from vasa_core.rates import frame_count


class Wav2Vec2Encoder:
    """A `SpeechEncoder`: the last hidden state of a Wav2Vec2, whose architecture comes from its own config."""

    def __init__(self, source: str) -> None:
        """source: a folder with config.json and model.safetensors, or the name of a model on the hub.

        Raises MissingModelError if it is neither here nor reachable, or has no safetensors weights.
        """
        from transformers import Wav2Vec2Model

        try:
            model = Wav2Vec2Model.from_pretrained(source, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise MissingModelError(
                f"The Wav2Vec2 {source!r} is not here and could not be downloaded; expected a folder with config.json "
                f"and model.safetensors, as `hf download facebook/wav2vec2-base-960h --local-dir FOLDER` makes it."
            ) from error
        self._model = model.eval().requires_grad_(False)
        self.name = self.version = f"wav2vec2:{source}"
        self.channels: int = model.config.hidden_size
        self._first_centre, self._hop, self._window = window_geometry(
            list(model.config.conv_kernel), list(model.config.conv_stride)
        )

    def __call__(self, waveform: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "frames channels"]:
        """waveform: 16 kHz mono in [-1, 1]; it is given zero mean and unit variance, as Wav2Vec2 is trained with."""
        import torch

        padded = np.pad(waveform, (0, max(0, self._window - len(waveform))))
        normal = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
        with torch.inference_mode():
            values = torch.from_numpy(normal.astype(np.float32))[None]  # (1, samples)
            steps = self._model(values).last_hidden_state[0].numpy()  # (steps, channels)
        return at_frame_times(steps, self._first_centre, self._hop, frame_count(len(waveform)))
