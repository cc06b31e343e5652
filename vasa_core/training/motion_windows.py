"""Training windows of the motion model: what is cut from which clip, with which labels.

Motion is relative to its own labels of gaze and distance (see `motion.representation`). In half of the windows the
labels that the model is told are moved by a constant, as if the person looked elsewhere in the same way: so it stays
itself for directions and distances that nobody in the data shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.motion.conditions import Conditions, concatenated, main_gaze
from vasa_core.motion.denoiser import DenoiserConfig
from vasa_core.motion.model import Statistics
from vasa_core.motion.representation import EXPRESSION, GAZE, LIDS, LOG_DISTANCE, POSE, relative
from vasa_core.training.motion_data import MotionClip

GAZE_SHIFT = np.deg2rad([25.0, 20.0])  # yaw, pitch; uniform in +- this
DISTANCE_SHIFT = np.log([0.65, 1.6])
SHIFTED_SHARE = 0.5
BORROWED_WEIGHT = 0.5  # of the loss on a head that was not recorded with the sound
MIN_STD = 1e-3
_HEAD = slice(POSE.start, LIDS.stop)  # pose, gaze and lids: the channels that can be borrowed


@dataclass(frozen=True)
class Batch:
    """x: normalised motion. weight: of the loss per frame and channel, 0 where nothing was measured."""

    x: Float[Tensor, "batch window channels"]
    weight: Float[Tensor, "batch window channels"]
    conditions: Conditions


@dataclass(frozen=True)
class Augmentation:
    """What makes more voices of few. stretch: log of the most by which a window is slowed down or sped up.

    audio_drop: share of the speech features that are lost in a window. audio_shift, audio_noise: spread of a change of
    the normalised features, one for a window, as of another voice, and one for each frame. dirty: share of windows
    whose sound is heard in noise, rooms or other voices, where a clip has that.
    """

    stretch: float = 0.0
    audio_drop: float = 0.0
    audio_shift: float = 0.0
    audio_noise: float = 0.0
    dirty: float = 0.0


@dataclass(frozen=True)
class _Cut:
    """K + W moments of a clip, frames or between them; those outside the clip repeat its first or last frame."""

    clip: MotionClip
    x: Float[np.ndarray, "frames channels"]
    audio: Float[np.ndarray, "frames audio"]
    inside: np.ndarray
    valid: np.ndarray


def statistics(clips: list[MotionClip], window: int) -> Statistics:
    """Normalisation from the training clips: heads that sit still on purpose do not count for the head's channels."""
    filmed = [clip for clip in clips if not clip.made] or clips
    lively = [clip for clip in filmed if not clip.still and not clip.spinning] or filmed
    mean, std = _moments([part for clip in lively for part in _centred(clip.x, window)])
    mean[EXPRESSION], std[EXPRESSION] = (m[EXPRESSION] for m in _moments([clip.x for clip in filmed]))
    mean[POSE], mean[GAZE] = 0, 0  # their zero is the usual pose and the camera
    heard = [clip.audio for clip in clips if clip.synced]
    channels = clips[0].audio.shape[1]
    audio = _moments(heard) if heard else (np.zeros(channels), np.ones(channels))
    return Statistics(*(torch.from_numpy(v.astype(np.float32)) for v in (mean, np.maximum(std, MIN_STD), *audio)))


def _centred(x: np.ndarray, window: int) -> list[np.ndarray]:
    parts = [x[i : i + window] for i in range(0, len(x), window)]
    return [relative(part, main_gaze(part[:, GAZE]), float(np.median(part[:, LOG_DISTANCE]))) for part in parts]


def _moments(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    stacked = np.concatenate([v.astype(np.float64) for v in values])
    return stacked.mean(0), np.maximum(stacked.std(0), MIN_STD)


class WindowSampler:
    """Draws batches; the same (seed, step) gives the same batch."""

    def __init__(
        self,
        clips: list[MotionClip],
        config: DenoiserConfig,
        statistics: Statistics,
        seed: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        """augmentation: none by default, as for clips held out."""
        self._config = config
        self._augmentation = augmentation or Augmentation()
        self._statistics = {name: value.numpy() for name, value in vars(statistics).items()}
        self._seed = seed
        self._made = [clip for clip in clips if clip.made]
        clips = [clip for clip in clips if not clip.made] or clips
        talkers = [clip for clip in clips if not clip.spinning]
        self._lively = [clip for clip in talkers if not clip.still] or talkers or clips
        self._heard = [clip for clip in self._lively if clip.synced]
        self._silent = [clip for clip in self._lively if not clip.synced]
        self._still = [clip for clip in clips if clip.synced and clip.still]

    def batch(self, step: int, size: int) -> Batch:
        """`size` windows: most from lively clips with their own sound, the rest with a head or no sound of its own."""
        rng = np.random.default_rng([self._seed, step])
        return _stack([self._window(rng) for _ in range(size)])

    def _window(self, rng: np.random.Generator) -> Batch:
        kinds = [(self._heard, 0.5), (self._still, 0.37), (self._silent, 0.13), (self._made, 0.3)]
        kinds = [(clips, share) for clips, share in kinds if clips] or [(self._lively, 1.0)]
        shares = np.array([share for _, share in kinds])
        clips, _ = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
        cut = self._cut(_pick(rng, clips), rng)
        x, inside = cut.x.copy(), cut.inside.copy()
        weight = np.ones(x.shape, np.float32)
        if clips is self._still or clips is self._made:
            head = self._cut(_pick(rng, self._heard or self._lively), rng)
            x[:, _HEAD], inside = head.x[:, _HEAD], inside & head.inside
            weight[:, _HEAD] = BORROWED_WEIGHT
        weight *= (inside & cut.valid)[:, None]
        return self._labelled(cut, x, inside, weight, rng)

    def _cut(self, clip: MotionClip, rng: np.random.Generator) -> _Cut:
        context, window, n = self._config.context, self._config.window, len(clip)
        stretch = self._augmentation.stretch
        speed = float(np.exp(rng.uniform(-stretch, stretch)))
        start = int(rng.integers(0, max(1, n - math.ceil(speed * window) + 1)))
        times = start + speed * np.arange(-context, window)
        place = np.clip(times, 0, n - 1)
        source = clip.mirrored if clip.mirrored is not None and rng.random() < 0.5 else clip.x
        inside = (times >= 0) & (times <= n - 1)
        heard = clip.dirty if clip.dirty is not None and rng.random() < self._augmentation.dirty else clip.audio
        valid = clip.valid[np.rint(place).astype(int)]
        return _Cut(clip, between(source, place), between(heard, place), inside, valid)

    def _changed(
        self, audio: Float[np.ndarray, "frames audio"], rng: np.random.Generator
    ) -> Float[np.ndarray, "frames audio"]:
        how = self._augmentation
        channels = audio.shape[1]
        kept = (rng.random(channels) >= how.audio_drop) / (1 - how.audio_drop)
        shift = how.audio_shift * rng.standard_normal(channels)
        return kept * audio + shift + how.audio_noise * rng.standard_normal(audio.shape)

    def _labelled(
        self, cut: _Cut, x: np.ndarray, inside: np.ndarray, weight: np.ndarray, rng: np.random.Generator
    ) -> Batch:
        context = self._config.context
        seen = x[context:][inside[context:]] if inside[context:].any() else x[context:]
        gaze, distance = main_gaze(seen[:, GAZE]), float(np.median(seen[:, LOG_DISTANCE]))
        x = relative(x, gaze, distance)
        if rng.random() < SHIFTED_SHARE:
            gaze = gaze + rng.uniform(-GAZE_SHIFT, GAZE_SHIFT)
            distance += rng.uniform(*DISTANCE_SHIFT)
        stats = self._statistics
        x = (x - stats["motion_mean"]) / stats["motion_std"]
        audio = (cut.audio - stats["audio_mean"]) / stats["audio_std"]
        audio = self._changed(audio, rng)
        follows = bool(inside[:context].all())
        heard = inside & cut.clip.synced
        heard[:context] &= follows
        yes = torch.tensor([True])
        conditions = Conditions(
            _tensor(audio),
            torch.from_numpy(heard)[None],
            _tensor(x[:context]),
            torch.tensor([follows]),
            _tensor(gaze),
            yes,
            _tensor(np.array([distance])),
            yes,
            _tensor(cut.clip.emotion),
            torch.tensor([bool(cut.clip.emotion.any())]),
        )
        return Batch(_tensor(x[context:]), _tensor(weight[context:]), conditions)


def between(
    values: Float[np.ndarray, "n channels"], places: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m channels"]:
    """Rows of `values` at places from 0 to n - 1, linear between two rows."""
    low = np.minimum(places.astype(int), max(len(values) - 2, 0))
    share = (places - low)[:, None].astype(values.dtype)
    return (1 - share) * values[low] + share * values[np.minimum(low + 1, len(values) - 1)]


def _pick(rng: np.random.Generator, clips: list[MotionClip]) -> MotionClip:
    lengths = np.array([len(clip) for clip in clips], float)
    return clips[rng.choice(len(clips), p=lengths / lengths.sum())]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def _stack(parts: list[Batch]) -> Batch:
    conditions = concatenated([part.conditions for part in parts])
    return Batch(torch.cat([p.x for p in parts]), torch.cat([p.weight for p in parts]), conditions)
