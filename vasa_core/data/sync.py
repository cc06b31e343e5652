"""Does a clip's mouth follow its sound? A ridge regression from speech features to lip opening, scored out of fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vasa_core.audio.lip_sync import with_context

CONTEXT = 3  # frames of features on each side
LAGS = range(-6, 7)  # frames; positive: the mouth comes after the sound
FOLDS = 3
MOST_PER_PERSON = 60  # clips that one person contributes to a fit
_RIDGE = 0.3  # of the mean eigenvalue
_GOOD, _CLEAR = 0.2, 0.4  # correlations
_MANY = 10  # clips

Clips = Mapping[str, tuple[Float[np.ndarray, "n audio"], Float[np.ndarray, " n"], str]]


@dataclass(frozen=True)
class SyncScore:
    """Correlation of lip opening with its prediction, at the lag (frames) where it is highest."""

    correlation: float
    lag: int


def sync_scores(clips: Clips) -> dict[str, SyncScore]:
    """Score of every clip, {name: (features, lip opening, person)}, by a regression that never saw its person.

    A first fit on everything finds the good clips; the second, on those alone, gives the scores.
    """
    if not clips:
        return {}
    # By name: who is in which fold does not depend on where folders lie.
    people = sorted({person for _, _, person in clips.values()}, key=lambda person: (Path(person).name, person))
    if len(people) >= FOLDS:
        fold = {name: people.index(person) % FOLDS for name, (_, _, person) in clips.items()}
    else:  # too few people to leave some out: leave clips out
        fold = {name: i % FOLDS for i, name in enumerate(sorted(clips))}
    everything = set(clips)
    first = _score_all(clips, fold, everything)
    good = {name for name, score in first.items() if score.correlation >= _GOOD and abs(score.lag) <= 3}
    return _with_common_lags(_score_all(clips, fold, good or everything), clips)


def _with_common_lags(scores: dict[str, SyncScore], clips: Clips) -> dict[str, SyncScore]:
    common = common_lags((clips[name][2], s.lag) for name, s in scores.items() if s.correlation >= _CLEAR)
    return {name: SyncScore(s.correlation, common.get(clips[name][2], s.lag)) for name, s in scores.items()}


def common_lags(lags: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Find the median lag of each person of many clips, who was recorded in one way. lags: person and lag of clips."""
    found: dict[str, list[int]] = {}
    for person, lag in lags:
        found.setdefault(person, []).append(lag)
    return {person: round(float(np.median(own))) for person, own in found.items() if len(own) >= _MANY}


def lag_correlation(
    predicted: Float[np.ndarray, " n"], measured: Float[np.ndarray, " n"], lags: range = LAGS
) -> Float[np.ndarray, " lags"]:
    """Pearson correlation of predicted[i] with measured[i + lag] for each lag; 0 where nothing varies."""
    result = []
    for lag in lags:
        a = predicted[max(0, -lag) : len(predicted) - max(0, lag)]
        b = measured[max(0, lag) : len(measured) - max(0, -lag)]
        a, b = a - a.mean(), b - b.mean()
        scale = np.sqrt((a @ a) * (b @ b))
        result.append(a @ b / scale if scale > 1e-12 else 0.0)
    return np.array(result)


def _score_all(clips: Clips, fold: Mapping[str, int], used: set[str]) -> dict[str, SyncScore]:
    mean, std = _feature_statistics(clips, used)
    grams, sides = [], []
    for index in range(FOLDS):
        gram, side = _normal_equations(clips, {n for n in used if fold[n] == index}, mean, std)
        grams.append(gram)
        sides.append(side)
    scores = {}
    for index in range(FOLDS):
        gram = np.sum([g for i, g in enumerate(grams) if i != index], 0)
        side = np.sum([s for i, s in enumerate(sides) if i != index], 0)
        weights = np.linalg.solve(gram + np.eye(len(gram)) * max(np.trace(gram) / len(gram), 1e-6) * _RIDGE, side)
        for name, (features, lips, _) in clips.items():
            if fold[name] == index:
                curve = lag_correlation(with_context((features - mean) / std, CONTEXT) @ weights, lips)
                scores[name] = SyncScore(float(curve.max()), LAGS[int(curve.argmax())])
    return scores


def _feature_statistics(clips: Clips, used: set[str]) -> tuple[np.ndarray, np.ndarray]:
    sample = np.concatenate([clips[name][0][::5] for name in sorted(used)])
    return sample.mean(0), sample.std(0) + 1e-4


def _normal_equations(clips: Clips, used: set[str], mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    width = len(mean) * (2 * CONTEXT + 1)
    gram, side = np.zeros((width, width), np.float32), np.zeros(width, np.float32)
    counts: dict[str, int] = {}
    for name in sorted(used):
        features, lips, person = clips[name]
        counts[person] = counts.get(person, 0) + 1
        if counts[person] > MOST_PER_PERSON or lips.std() < 1e-6:
            continue
        design = with_context((features - mean) / std, CONTEXT)
        gram += design.T @ design
        side += design.T @ ((lips - lips.mean()) / lips.std())
    return gram, side
