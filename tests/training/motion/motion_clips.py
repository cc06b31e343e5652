"""Small made-up training clips: lips follow the sound, heads sway, eyes blink."""

from __future__ import annotations

import numpy as np

from vasa_core.training.motion.data import MotionClip

CONFIG = {"channels": 14, "audio": 6}


def make_clip(seed: int, frames: int = 90, split: str = "train") -> MotionClip:
    rng = np.random.default_rng(seed)
    time = np.arange(frames)
    audio = rng.normal(size=(frames, CONFIG["audio"])).astype(np.float32)
    x = np.zeros((frames, CONFIG["channels"]), np.float32)
    x[:, :6] = 0.1 * np.sin(time[:, None] / (5 + np.arange(6)) + rng.uniform(0, 6, 6))
    x[:, 6:8] = rng.normal(0, 0.2, 2) + rng.normal(0, 0.02, (frames, 2))
    x[:, 8:10] = 1.0 - (time % 40 < 4)[:, None]
    x[:, 10:] = audio[:, :4]
    mirrored = x * np.r_[1, -1, -1, -1, 1, 1, -1, np.ones(7)].astype(np.float32)
    emotion = np.full(7, 1 / 7, np.float32)
    lips = np.tanh(audio[:, 0]).astype(np.float32)
    name = f"clip{seed}"
    return MotionClip(name, name, split, x, mirrored, audio, True, np.ones(frames, bool), emotion, lips)


def make_clips() -> list[MotionClip]:
    return [make_clip(seed) for seed in range(4)]
