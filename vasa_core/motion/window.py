"""What a sampler of motion is asked for, a window at a time, and what it is: in numpy, whatever runs the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32

from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.numbers import MotionNumbers
from vasa_core.options import EMOTIONS

WITHHELD = -1.0  # a scale of guidance that leaves H(x_t, t, C | c = null) alone: the condition is not told at all
NAMES = ("audio", "gaze", "distance", "emotion", "liveliness", "previous")


@dataclass(frozen=True)
class Window:
    """The conditions of one window, as `conditions.Conditions` has them for a batch."""

    audio: Float32[np.ndarray, "1 frames audio"]
    has_audio: Bool[np.ndarray, "1 frames"]
    previous: Float32[np.ndarray, "1 context channels"]
    has_previous: Bool[np.ndarray, " 1"]
    gaze: Float32[np.ndarray, "1 2"]
    has_gaze: Bool[np.ndarray, " 1"]
    distance: Float32[np.ndarray, "1 1"]
    has_distance: Bool[np.ndarray, " 1"]
    emotion: Float32[np.ndarray, "1 7"]
    has_emotion: Bool[np.ndarray, " 1"]
    liveliness: Float32[np.ndarray, "1 4"]
    has_liveliness: Bool[np.ndarray, " 1"]


@runtime_checkable
class MotionSampler(Protocol):
    """A motion model made ready to run. audio_encoder: the speech features that it was trained on."""

    @property
    def config(self) -> DenoiserConfig: ...

    @property
    def audio_encoder(self) -> str: ...

    @property
    def numbers(self) -> MotionNumbers: ...

    def sampled(
        self, window: Window, scales: Mapping[str, float], steps: int, seed: int
    ) -> Float32[np.ndarray, "window channels"]:
        """A window of normalised motion, from noise of the seed. scales: of guidance, by NAMES.

        Where there is a previous window, motion goes on from it without a jump.
        """
        ...


def emotion_code(name: str, strength: float) -> Float[np.ndarray, " 7"]:
    """Probabilities for an emotion offset: `strength` of the named emotion, the rest neutral."""
    code = np.zeros(len(EMOTIONS), np.float32)
    code[EMOTIONS.index("neutral")] = 1 - strength
    code[EMOTIONS.index(name)] += strength
    return code
