"""The sync judge: ridge regression from speech features to lip shape, read as a lag and a confidence.

It plays SyncNet's part (Chung and Zisserman 2016; VASA-1, section 4.1, reports its confidence) with weights small
enough to ship: lips predicted from the sound are correlated with lips measured in the picture over a range of
lags; the lag is where the correlation peaks, the confidence is the peak minus the median.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vasa_core.weights import config_from, load_arrays

MAX_LAG = 15  # frames
MIN_FRAMES = 2 * MAX_LAG  # of a recording that can be read
TRUSTED_CONFIDENCE, TRUSTED_LAG = 0.25, 5  # below, or beyond, sound is not trusted to be a face's own; frames
_CONFIDENCE_OF_CHANCE = 3.2  # over the root of the frames: reached by one in 30 recordings with another's sound
LIP_CHANNELS = ("inner gap", "mouth width", "outer gap")  # as `face.measure.lip_shape` measures them

_STILL = 1e-9  # a channel with less energy than this does not move


@dataclass(frozen=True)
class SyncReading:
    """lag: frames by which the lips come after the sound. confidence: peak minus median correlation.

    peak: correlation at the lag, mean over the lip channels; channels: each channel's own.
    """

    lag: int
    confidence: float
    peak: float
    channels: tuple[float, ...]


def with_context(features: Float[np.ndarray, "n channels"], context: int) -> Float[np.ndarray, "n stacked"]:
    """Each frame's features beside those of `context` frames before and after; the ends are repeated."""
    padded = np.pad(features, ((context, context), (0, 0)), mode="edge")
    # (n, channels) x (2 context + 1) -> (n, (2 context + 1) channels)
    return np.concatenate([padded[i : i + len(features)] for i in range(2 * context + 1)], 1)


def lag_curve(
    expected: Float[np.ndarray, "n channels"], measured: Float[np.ndarray, "n channels"], max_lag: int = MAX_LAG
) -> Float[np.ndarray, "lags channels"]:
    """Correlation of expected[t] with measured[t + lag] for lag = -max_lag .. max_lag.

    Raises ValueError if there are fewer than 2 max_lag frames.
    """
    n = len(expected)
    if n < 2 * max_lag:
        raise ValueError(f"{n} frames; expected at least {2 * max_lag} to correlate over lags up to {max_lag}")
    curve = np.zeros((2 * max_lag + 1, expected.shape[1]))
    for row, lag in enumerate(range(-max_lag, max_lag + 1)):
        a = expected[max(0, -lag) : n - max(0, lag)]
        b = measured[max(0, lag) : n - max(0, -lag)]
        a, b = a - a.mean(0), b - b.mean(0)
        energy = (a**2).mean(0) * (b**2).mean(0)
        curve[row] = np.where(energy > _STILL**2, (a * b).mean(0) / np.sqrt(np.maximum(energy, _STILL**2)), 0)
    return curve


def read_sync(
    expected: Float[np.ndarray, "n channels"], measured: Float[np.ndarray, "n channels"], max_lag: int = MAX_LAG
) -> SyncReading:
    """Lag and confidence of measured lips against expected ones. Raises ValueError as `lag_curve` does."""
    curve = lag_curve(expected, measured, max_lag)
    mean = curve.mean(1)  # (lags,)
    best = int(mean.argmax())
    return SyncReading(
        best - max_lag, float(mean[best] - np.median(mean)), float(mean[best]), tuple(curve[best].tolist())
    )


def trusted_confidence(frames: int) -> float:
    """The confidence from which on a reading of so many frames is trusted: in short ones, chance alone gives some."""
    return max(TRUSTED_CONFIDENCE, _CONFIDENCE_OF_CHANCE / max(frames, 1) ** 0.5)


@dataclass(frozen=True)
class JudgeConfig:
    """encoder: name for `audio.open_encoder`. channels: of its features. context: frames either side."""

    encoder: str
    channels: int
    context: int = 5
    outputs: tuple[str, ...] = LIP_CHANNELS


@dataclass(frozen=True)
class SyncJudge:
    """Speech features -> expected lip shape, relative to the recording's mean."""

    config: JudgeConfig
    mean: Float[np.ndarray, " channels"]
    weight: Float[np.ndarray, "stacked outputs"]

    @classmethod
    def load(cls, folder: Path) -> SyncJudge:
        """The judge of a checkpoint folder. Raises InputError if it is missing or damaged."""
        checkpoint = load_arrays(folder)
        arrays = {name: value.astype(np.float64) for name, value in checkpoint.arrays.items()}
        return cls(config_from(JudgeConfig, checkpoint.config), arrays["mean"], arrays["weight"])

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        import torch

        from vasa_core.checkpoint import save_checkpoint

        tensors = {"mean": torch.from_numpy(self.mean), "weight": torch.from_numpy(self.weight)}
        save_checkpoint(folder, asdict(self.config), tensors)

    def __call__(self, features: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n outputs"]:
        """Expected lip shape per frame, up to a constant."""
        return with_context(features - self.mean, self.config.context) @ self.weight
