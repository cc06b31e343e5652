"""Motion from speech features, window by window (VASA-1, section 3.2): the same object for streaming and offline."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.config import EMOTIONS, GenerationOptions
from vasa_core.motion.conditions import Conditions, emotion_code
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import EXPRESSION, from_model
from vasa_core.types import Motion


class MotionStream:
    """Push features as they come, get motion back; what comes out does not depend on how they were cut.

    Windows lie at fixed places of the stream, each with noise of its own from the seed and its number, and take the
    last frames of the window before as context. Memory is bounded by one window.
    """

    def __init__(self, model: MotionModel, portrait_pose: Float[np.ndarray, " 6"], options: GenerationOptions) -> None:
        """portrait_pose: the usual pose of the head to be animated."""
        config = model.config
        self._model = model
        self._usual = portrait_pose
        self._options = options
        self._gaze = np.deg2rad([options.gaze_yaw, options.gaze_pitch])
        self._log_distance = math.log(options.distance)
        self._scales = {
            "audio": options.guidance_audio,
            "gaze": options.guidance_gaze,
            "emotion": options.guidance_emotion,
        }
        self._pending = np.zeros((0, config.audio_channels), np.float32)
        self._context_audio = torch.zeros(1, config.context, config.audio_channels)
        self._previous = torch.zeros(1, config.context, config.motion_channels)
        self._windows = 0

    def push(self, features: Float[np.ndarray, "frames audio"]) -> Motion:
        """Motion of all windows that these features complete; often none (0 frames) or several windows."""
        window = self._model.config.window
        self._pending = np.concatenate([self._pending, features])
        parts = []
        while len(self._pending) >= window:
            parts.append(self._sample(self._pending[:window]))
            self._pending = self._pending[window:]
        return self._joined(parts)

    def finish(self) -> Motion:
        """Motion of the features still held back; audio after them is null. The stream is then at its end."""
        parts = [self._sample(self._pending)] if len(self._pending) else []
        self._pending = self._pending[:0]
        return self._joined(parts)

    def _sample(self, features: Float[np.ndarray, "frames audio"]) -> Float[np.ndarray, "frames channels"]:
        config, frames = self._model.config, len(features)
        audio = torch.zeros(1, config.window, config.audio_channels)
        audio[0, :frames] = self._model.normalise_audio(torch.from_numpy(features).to(self._model.device)).cpu()
        state = np.random.SeedSequence([int(self._options.seed), self._windows]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
        conditions = self._conditions(torch.cat([self._context_audio, audio], 1), frames)
        x = self._model.sample_window(conditions, self._scales, int(self._options.steps), generator)  # (1, W, X)
        self._context_audio = audio[:, -config.context :]
        self._previous = x[:, -config.context :]
        self._windows += 1
        return self._model.denormalise(x[0].to(self._model.device)).cpu().numpy()[:frames].astype(np.float64)

    def _conditions(self, audio: Float[Tensor, "1 total audio"], frames: int) -> Conditions:
        context, options, later = self._model.config.context, self._options, self._windows > 0
        present = torch.zeros(audio.shape[:2], dtype=torch.bool)
        present[:, context : context + frames] = True
        present[:, :context] = later
        emotion = emotion_code(options.emotion or "neutral", float(options.emotion_strength))
        return Conditions(
            audio,
            present,
            self._previous,
            torch.tensor([later]),
            torch.tensor(self._gaze[None], dtype=torch.float32),
            torch.tensor([True]),
            torch.tensor([[self._log_distance]], dtype=torch.float32),
            torch.tensor([True]),
            torch.from_numpy(emotion)[None],
            torch.tensor([options.emotion is not None and options.emotion_strength > 0]),
        )

    def _joined(self, parts: list[Float[np.ndarray, "frames channels"]]) -> Motion:
        x = np.concatenate([np.zeros((0, self._model.config.motion_channels)), *parts])
        if self._options.emotion is not None:
            rest = self._model.emotion_rest[EMOTIONS.index(self._options.emotion)].cpu().numpy()
            x[:, EXPRESSION] += float(self._options.emotion_strength) * rest
        return from_model(x, self._usual, self._gaze, self._log_distance, float(self._options.head_motion))
