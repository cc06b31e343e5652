"""What the motion model's samples look like beside real motion: lips, blinks, head speed, and whether controls act."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vasa_core.data.sync import LAGS, lag_correlation
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import EXPRESSION, LIDS, PITCH, YAW, to_model
from vasa_core.motion.stream import whole_motion
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS
from vasa_core.training.motion.data import MotionClip
from vasa_core.types import Motion

SHUT, AWAKE = 0.4, 0.7  # lid opening below which an eye is in a blink, and from which it is over
GAZES = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees
DISTANCES = (0.8, 1.0, 1.3)
_RIDGE = 1e-2


def generate(model: MotionModel, audio: Float[np.ndarray, "n audio"], options: GenerationOptions) -> Motion:
    """Motion for whole speech features, of a head that faces the camera."""
    return whole_motion(model, audio, np.zeros(6), options)


class LipReader:
    """Lip opening as a linear function of the expression channels, fitted on real clips."""

    def __init__(self, clips: list[MotionClip]) -> None:
        x = np.concatenate([clip.x[::3, EXPRESSION] - clip.x[:, EXPRESSION].mean(0) for clip in clips]).astype(float)
        y = np.concatenate([clip.lips[::3] - clip.lips.mean() for clip in clips]).astype(float)
        gram = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ y)

    def __call__(self, x: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, " n"]:
        """Lip opening of motion as the model sees it, up to a constant."""
        return x[:, EXPRESSION] @ self._weights


def blinks(lids: Float[np.ndarray, "n 2"]) -> list[int]:
    """Length in frames of each blink: from where both eyes begin to close until they are open again."""
    opening = lids.mean(1)
    lengths, i = [], 0
    while i < len(opening):
        if opening[i] < SHUT:
            start, end = i, i
            while start > 0 and opening[start - 1] < AWAKE:
                start -= 1
            while end + 1 < len(opening) and opening[end + 1] < AWAKE:
                end += 1
            lengths.append(end - start + 1)
            i = end
        i += 1
    return lengths


def sample_scores(
    model: MotionModel, clips: list[MotionClip], options: GenerationOptions | None = None, most: int = 12
) -> dict[str, float]:
    """Scores of samples on held-out clips with sound, beside the same measurements of the clips themselves."""
    options = options or GenerationOptions()
    held = [c for c in clips if c.split != "train" and c.synced and not c.still and len(c) >= 2 * model.config.window]
    held = held[:most]
    if not held:
        return {}
    lips = LipReader([clip for clip in clips if clip.split == "train" and clip.synced])
    curves, ratios, real_x, made_x = [], [], [], []
    for index, clip in enumerate(held):
        motion = generate(model, clip.audio, replace(options, seed=options.seed + index))
        x = to_model(motion, np.zeros(6))
        curves.append(lag_correlation(lips(x), clip.lips.astype(float)))
        ratios.append(lips(x).std() / max(lips(clip.x).std(), 1e-9))
        real_x.append(clip.x)
        made_x.append(x)
    curve = np.mean(curves, 0)
    scores = {
        "clips": float(len(held)),
        "lip_correlation": float(curve[LAGS.index(0)]),
        "lip_correlation_best": float(curve.max()),
        "lip_lag": float(LAGS[int(curve.argmax())]),
        "lip_amplitude_ratio": float(np.median(ratios)),
        "head_speed_ratio": _speed(made_x) / max(_speed(real_x), 1e-9),
        "blinks_per_minute_real": _blink_rate(real_x),
    }
    return {**scores, **_blink_scores(made_x), **control_scores(model, held[0].audio, options)}


def control_scores(
    model: MotionModel, audio: Float[np.ndarray, "n audio"], options: GenerationOptions
) -> dict[str, float]:
    """Slope of generated gaze (in the camera) against the slider in yaw and pitch, and by how much heads add to the
    distance asked for, which is the picture's zoom."""
    audio = audio[: 4 * model.config.window]
    slopes = {}
    for axis, name in enumerate(("gaze_yaw", "gaze_pitch")):
        seen = []
        for angle in GAZES:
            motion = generate(model, audio, replace(options, **{name: angle}))
            head = motion.pose[:, (YAW, PITCH)[axis]]
            seen.append(np.rad2deg(np.median(motion.dynamics[:, axis] + head)))
        slopes[f"{name}_slope"] = float(np.polyfit(GAZES, seen, 1)[0])
        slopes[f"{name}_error"] = float(np.abs(np.subtract(seen, GAZES)).mean())
    errors = []
    for distance in DISTANCES:
        motion = generate(model, audio, replace(options, distance=distance))
        errors.append(abs(np.exp(np.median(motion.pose[:, 5])) - 1))
    return {**slopes, "distance_error": float(np.mean(errors))}


def _speed(parts: list[np.ndarray]) -> float:
    return float(np.mean([np.abs(np.diff(x[:, :3], axis=0)).mean() for x in parts]))


def _blink_rate(parts: list[np.ndarray]) -> float:
    minutes = sum(len(x) for x in parts) / FPS / 60
    return sum(len(blinks(x[:, LIDS])) for x in parts) / minutes


def _blink_scores(parts: list[np.ndarray]) -> dict[str, float]:
    lengths = [length for x in parts for length in blinks(x[:, LIDS])]
    seconds = float(np.median(lengths)) / FPS if lengths else 0.0
    longest = max(lengths, default=0) / FPS
    return {"blinks_per_minute": _blink_rate(parts), "blink_seconds": seconds, "blink_longest_seconds": longest}
