"""Does a clip's mouth follow its sound? A ridge regression from speech features to lip opening, scored out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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
    people = sorted({person for _, _, person in clips.values()})
    if len(people) >= FOLDS:
        fold = {name: people.index(person) % FOLDS for name, (_, _, person) in clips.items()}
    else:  # too few people to leave some out: leave clips out
        fold = {name: i % FOLDS for i, name in enumerate(sorted(clips))}
    everything = set(clips)
    first = _score_all(clips, fold, everything)
    good = {name for name, score in first.items() if score.correlation >= _GOOD and abs(score.lag) <= 3}
    return _with_common_lags(_score_all(clips, fold, good or everything), clips)


def _with_common_lags(scores: dict[str, SyncScore], clips: Clips) -> dict[str, SyncScore]:
    """Someone with many clips was recorded in one way: all of them get the median lag of the clear ones."""
    lags: dict[str, list[int]] = {}
    for name, score in scores.items():
        if score.correlation >= _CLEAR:
            lags.setdefault(clips[name][2], []).append(score.lag)
    common = {person: round(float(np.median(found))) for person, found in lags.items() if len(found) >= _MANY}
    return {name: SyncScore(s.correlation, common.get(clips[name][2], s.lag)) for name, s in scores.items()}


def stacked(features: Float[np.ndarray, "n audio"]) -> Float[np.ndarray, "n stacked"]:
    """Each frame's features with those of CONTEXT frames before and after, edges repeated."""
    padded = np.pad(features, ((CONTEXT, CONTEXT), (0, 0)), "edge")
    return np.concatenate([padded[i : i + len(features)] for i in range(2 * CONTEXT + 1)], 1)


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
                curve = lag_correlation(stacked((features - mean) / std) @ weights, lips)
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
        design = stacked((features - mean) / std)
        gram += design.T @ design
        side += design.T @ ((lips - lips.mean()) / lips.std())
    return gram, side
