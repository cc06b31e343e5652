"""The numbers beside a motion model's network: what normalises motion and sound, and what the controls mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float32

MOST_LIVELY = 2.5  # standard deviations over people: a style further out is taken for that
LEVELS = (0.0, 0.5, 1.0, 1.5, 2.0)  # of expressiveness, at which a checkpoint says what liveliness is meant


@dataclass(frozen=True)
class MotionNumbers:
    """As a checkpoint holds them; see `MotionModel`."""

    motion_mean: Float32[np.ndarray, " channels"]
    motion_std: Float32[np.ndarray, " channels"]
    audio_mean: Float32[np.ndarray, " audio"]
    audio_std: Float32[np.ndarray, " audio"]
    emotion_rest: Float32[np.ndarray, "7 face"]
    lively_mean: Float32[np.ndarray, " 4"]
    lively_std: Float32[np.ndarray, " 4"]
    liveliness_at: Float32[np.ndarray, "5 4"]

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> MotionNumbers:
        """Those of a checkpoint's arrays. Raises KeyError if one is missing."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def denormalise(self, x: Float32[np.ndarray, "frames channels"]) -> Float32[np.ndarray, "frames channels"]:
        """What the denoiser gives -> motion in `representation` units."""
        return x * self.motion_std + self.motion_mean

    def normalise_audio(self, features: Float32[np.ndarray, "frames audio"]) -> Float32[np.ndarray, "frames audio"]:
        """Speech features -> what the denoiser sees."""
        return (features - self.audio_mean) / self.audio_std

    def liveliness(
        self, expressiveness: float, style: Float[np.ndarray, " 4"] | None = None
    ) -> Float32[np.ndarray, " 4"]:
        """The condition at an expressiveness from 0 to 2: `liveliness_at`, linear in between.

        style: somebody's own `motion.liveliness`, which takes the place of expressiveness 1.
        """
        place = min(max(expressiveness, 0.0), LEVELS[-1]) / LEVELS[1]
        low = min(int(place), len(LEVELS) - 2)
        share = np.float32(place - low)
        asked = (1 - share) * self.liveliness_at[low] + share * self.liveliness_at[low + 1]
        if style is None:
            return asked
        own = (style.astype(np.float32) - self.lively_mean) / self.lively_std
        return own.clip(-MOST_LIVELY, MOST_LIVELY) + asked - self.liveliness_at[len(LEVELS) // 2]
