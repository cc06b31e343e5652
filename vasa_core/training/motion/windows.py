"""Training windows of the motion model: what is cut from which clip, with which labels.

Motion is relative to its own labels of gaze and distance (see `motion.representation`): those that came with the clip,
or else what its landmarks say. In half of the windows the
labels that the model is told are moved by a constant, as if the person looked elsewhere in the same way: so it stays
itself for directions and distances that nobody in the data shows. Likewise expression and head go farther or less far
in a part of the windows, and the liveliness that the model is told goes with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.motion.conditions import Conditions, concatenated, main_gaze
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.liveliness import FACE_PARTS, HEAD_PART, LIVELINESS, scaled
from vasa_core.motion.model import EXPRESSIVENESS, LivelyPeople, Statistics
from vasa_core.motion.representation import EXPRESSION, GAZE, LIDS, LOG_DISTANCE, POSE, relative
from vasa_core.training.motion.data import MotionClip

GAZE_SHIFT = np.deg2rad([25.0, 20.0])  # yaw, pitch; uniform in +- this
DISTANCE_SHIFT = np.log([0.65, 1.6])
SHIFTED_SHARE = 0.5
FACE_SCALING, HEAD_SCALING = 0.35, 0.3  # log; uniform in +- this
BORROWED_WEIGHT = 0.5  # of the loss on a head that was not recorded with the sound
MIN_STD = 1e-3
# Of LIVELINESS, in standard deviations over people: with a guidance of 1, samples are as lively as the livelier half of
# held-out people at the first, and the second is a unit of expressiveness.
LIVELY, EXPRESSION_STEP = np.array([-0.2, 1.2, 1.2, 1.5]), np.array([0.9, 1.3, 1.3, 0.0])
MOST_FRAMES = 1500  # of one person that count for how often clips are drawn
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
    whose sound is heard in noise, rooms or other voices, where a clip has that. scaling: share of windows of a livelier
    or quieter person. Prosody, which is relative to the speaker, is left as it is.
    """

    stretch: float = 0.0
    audio_drop: float = 0.0
    audio_shift: float = 0.0
    audio_noise: float = 0.0
    dirty: float = 0.0
    scaling: float = 0.0


@dataclass(frozen=True)
class _Cut:
    """K + W moments of a clip, frames or between them; those outside the clip repeat its first or last frame.

    offsets: of its labels from x (see `MotionClip.label_offsets`).
    """

    clip: MotionClip
    x: Float[np.ndarray, "frames channels"]
    audio: Float[np.ndarray, "frames audio"]
    inside: np.ndarray
    valid: np.ndarray
    offsets: Float[np.ndarray, "frames 3"]


def statistics(clips: list[MotionClip], window: int) -> Statistics:
    """Normalisation from the training clips: heads that sit still on purpose do not count for the head's channels."""
    filmed = [clip for clip in clips if not clip.made] or clips
    lively = [clip for clip in filmed if not clip.still and not clip.spinning] or filmed
    mean, std = _moments([part for clip in lively for part in _centred(clip, window)])
    mean[EXPRESSION], std[EXPRESSION] = (m[EXPRESSION] for m in _moments([clip.x for clip in filmed]))
    mean[POSE], mean[GAZE] = 0, 0  # their zero is the usual pose and the camera
    heard = [clip.audio for clip in clips if clip.synced]
    channels = clips[0].audio.shape[1]
    audio = _moments(heard) if heard else (np.zeros(channels), np.ones(channels))
    return Statistics(*(torch.from_numpy(v.astype(np.float32)) for v in (mean, np.maximum(std, MIN_STD), *audio)))


def _centred(clip: MotionClip, window: int) -> list[np.ndarray]:
    offsets = clip.label_offsets()
    parts = [slice(i, i + window) for i in range(0, len(clip), window)]
    return [relative(clip.x[part], *main_labels(clip.x[part], offsets[part])) for part in parts]


def main_labels(
    x: Float[np.ndarray, "n channels"], offsets: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, " 2"], float]:
    """Main gaze and log distance of some motion. offsets: of its labels from x."""
    return main_gaze(x[:, GAZE] + offsets[:, :2]), float(np.median(x[:, LOG_DISTANCE] + offsets[:, 2]))


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
        lively: tuple[np.ndarray, np.ndarray] | None = None,
        phonetic: int | None = None,
    ) -> None:
        """augmentation: none by default, as for clips held out. lively: mean and spread of liveliness over people (see
        `liveliness_over_people`). phonetic: audio channels before those of prosody; by default all."""
        self._config = config
        self._augmentation = augmentation or Augmentation()
        self._statistics = {name: value.numpy() for name, value in vars(statistics).items()}
        self._seed = seed
        self._lively_mean, self._lively_std = lively or (np.zeros(len(LIVELINESS)), np.ones(len(LIVELINESS)))
        self._phonetic = phonetic
        self._made = [clip for clip in clips if clip.made]
        clips = [clip for clip in clips if not clip.made] or clips
        talkers = [clip for clip in clips if not clip.spinning]
        self._lively = [clip for clip in talkers if not clip.still] or talkers or clips
        self._heard = [clip for clip in self._lively if clip.synced]
        self._silent = [clip for clip in self._lively if not clip.synced]
        self._still = [clip for clip in clips if clip.synced and clip.still]
        kinds = [(self._heard, 0.68), (self._still, 0.17), (self._silent, 0.15), (self._made, 0.2)]
        kinds = [(clips, share) for clips, share in kinds if clips] or [(self._lively, 1.0)]
        self._kinds = [(clips, share, chances(clips)) for clips, share in kinds]
        heads = self._heard or self._lively
        self._heads = (heads, chances(heads))

    def batch(self, step: int, size: int) -> Batch:
        """`size` windows: most from lively clips with their own sound, the rest with a head or no sound of its own."""
        rng = np.random.default_rng([self._seed, step])
        return _stack([self._window(rng) for _ in range(size)])

    def _window(self, rng: np.random.Generator) -> Batch:
        shares = np.array([share for _, share, _ in self._kinds])
        clips, _, likely = self._kinds[rng.choice(len(shares), p=shares / shares.sum())]
        cut = self._cut(_pick(rng, clips, likely), rng)
        x, inside, lively, offsets = cut.x.copy(), cut.inside.copy(), cut.clip.lively.copy(), cut.offsets
        weight = np.ones(x.shape, np.float32)
        if clips is self._still or clips is self._made:
            head = self._cut(_pick(rng, *self._heads), rng)
            x[:, _HEAD], inside, offsets = head.x[:, _HEAD], inside & head.inside, head.offsets
            weight[:, _HEAD] = BORROWED_WEIGHT
            lively[HEAD_PART] = head.clip.lively[HEAD_PART]
        if rng.random() < self._augmentation.scaling:
            face, head = rng.uniform(-1, 1, 2) * [FACE_SCALING, HEAD_SCALING]
            x = scaled(x, face, head)
            lively[FACE_PARTS] += face
            lively[HEAD_PART] += head
        weight *= (inside & cut.valid)[:, None]
        return self._labelled(cut, x, offsets, inside, weight, lively, rng)

    def _cut(self, clip: MotionClip, rng: np.random.Generator) -> _Cut:
        context, window, n = self._config.context, self._config.window, len(clip)
        stretch = self._augmentation.stretch
        speed = float(np.exp(rng.uniform(-stretch, stretch)))
        start = int(rng.integers(0, max(1, n - math.ceil(speed * window) + 1)))
        times = start + speed * np.arange(-context, window)
        place = np.clip(times, 0, n - 1)
        mirrored = clip.mirrored is not None and rng.random() < 0.5
        source = clip.mirrored if clip.mirrored is not None and mirrored else clip.x
        inside = (times >= 0) & (times <= n - 1)
        heard = clip.dirty if clip.dirty is not None and rng.random() < self._augmentation.dirty else clip.audio
        valid = clip.valid[np.rint(place).astype(int)]
        offsets = between(clip.label_offsets(mirrored), place)
        return _Cut(clip, between(source, place), between(heard, place), inside, valid, offsets)

    def _changed(
        self, audio: Float[np.ndarray, "frames audio"], rng: np.random.Generator
    ) -> Float[np.ndarray, "frames audio"]:
        how = self._augmentation
        channels, phonetic = audio.shape[1], self._phonetic or audio.shape[1]
        kept = (rng.random(channels) >= how.audio_drop) / (1 - how.audio_drop)
        shift = how.audio_shift * rng.standard_normal(channels)
        changed = kept * audio + shift + how.audio_noise * rng.standard_normal(audio.shape)
        changed[:, phonetic:] = audio[:, phonetic:]
        return changed

    def _labelled(
        self,
        cut: _Cut,
        x: np.ndarray,
        offsets: np.ndarray,
        inside: np.ndarray,
        weight: np.ndarray,
        lively: np.ndarray,
        rng: np.random.Generator,
    ) -> Batch:
        context = self._config.context
        seen = inside[context:] if inside[context:].any() else slice(None)
        gaze, distance = main_labels(x[context:][seen], offsets[context:][seen])
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
            _tensor((lively - self._lively_mean) / self._lively_std),
            yes,
        )
        return Batch(_tensor(x[context:]), _tensor(weight[context:]), conditions)


def between(
    values: Float[np.ndarray, "n channels"], places: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m channels"]:
    """Rows of `values` at places from 0 to n - 1, linear between two rows."""
    low = np.minimum(places.astype(int), max(len(values) - 2, 0))
    share = (places - low)[:, None].astype(values.dtype)
    return (1 - share) * values[low] + share * values[np.minimum(low + 1, len(values) - 1)]


def _pick(rng: np.random.Generator, clips: list[MotionClip], chances: np.ndarray) -> MotionClip:
    return clips[rng.choice(len(clips), p=chances)]


def chances(clips: list[MotionClip]) -> Float[np.ndarray, " clips"]:
    """Chance of each clip to be drawn: by its length, but nobody counts for more than MOST_FRAMES."""
    lengths = np.array([len(clip) for clip in clips], float)
    people = [clip.identity for clip in clips]
    whole = {person: sum(n for n, who in zip(lengths, people, strict=True) if who == person) for person in set(people)}
    share = np.array([min(1.0, MOST_FRAMES / whole[person]) for person in people]) * lengths
    return share / share.sum()


def liveliness_over_people(clips: list[MotionClip]) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]]:
    """Mean and standard deviation of filmed clips' liveliness, everybody counting as in `chances`."""
    filmed = [clip for clip in clips if not clip.made] or clips
    values, weights = np.stack([clip.lively for clip in filmed]), chances(filmed)
    mean = weights @ values
    return mean, np.maximum(np.sqrt(weights @ (values - mean) ** 2), MIN_STD)


def expressive(lively: tuple[np.ndarray, np.ndarray]) -> LivelyPeople:
    """What is meant by expressiveness: 1 is LIVELY, a unit more or less EXPRESSION_STEP. lively: mean and standard
    deviation of liveliness over people."""
    mean, std = lively
    at = LIVELY + (EXPRESSIVENESS.numpy() - 1)[:, None] * EXPRESSION_STEP
    return LivelyPeople(*(torch.from_numpy(values.astype(np.float32)) for values in (mean, std, at)))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def _stack(parts: list[Batch]) -> Batch:
    conditions = concatenated([part.conditions for part in parts])
    return Batch(torch.cat([p.x for p in parts]), torch.cat([p.weight for p in parts]), conditions)
