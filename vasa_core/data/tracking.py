"""Track every clip of a folder once: landmarks and emotion, cached as npz files."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from vasa_core.assets import resolve
from vasa_core.data.clips import Clip
from vasa_core.data.unpack import TRACKING_SUFFIX
from vasa_core.files import write_arrays
from vasa_core.io.video import read_frames
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.preprocess.landmarker import Landmarker

EMOTION_EVERY = 5  # frames between two emotion readings
MIN_TRACKED_SHARE = 0.8  # of a clip's frames


@dataclass(frozen=True)
class TrackedClip:
    """A clip's tracking; frames where no face was found are filled from their neighbours and marked invalid.

    gaze (yaw, pitch in the camera, degrees), distance (up to a factor): labels per frame, where `prepare-data` had
    others than the landmarks give.
    """

    clip: Clip
    landmarks: Float[np.ndarray, "n 478 3"]
    valid: Bool[np.ndarray, " n"]
    emotion: Float[np.ndarray, " 7"]
    size: tuple[int, int]  # height, width in px
    gaze: Float[np.ndarray, "n 2"] | None = None
    distance: Float[np.ndarray, " n"] | None = None


def cache_file(clip: Clip, cache: Path) -> Path:
    """Where a clip's tracking is cached."""
    return cache / f"{clip.key}.npz"


def _tracking_file(clip: Clip, cache: Path) -> Path:
    """A clip's tracking: beside it if it came with one, else in the cache."""
    beside = clip.path.with_suffix(TRACKING_SUFFIX)
    return beside if beside.is_file() else cache_file(clip, cache)


def track_clips(clips: list[Clip], cache: Path, workers: int = 2) -> list[TrackedClip]:
    """Tracking of every clip in which a face was found, from the cache or made now by `workers` processes."""
    from tqdm import tqdm

    missing = [clip for clip in clips if not _tracking_file(clip, cache).is_file()]
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            jobs = pool.map(_track, missing, [cache] * len(missing))
            for _ in tqdm(jobs, "tracking clips", len(missing)):
                pass
    tracked = [_load(clip, _tracking_file(clip, cache)) for clip in clips]
    return [t for t in tracked if len(t.valid) and t.valid.mean() >= MIN_TRACKED_SHARE]


def _load(clip: Clip, path: Path) -> TrackedClip:
    with np.load(path, allow_pickle=False) as data:
        labels = {name: data[name] for name in ("gaze", "distance") if name in data}
        arrays = (data["landmarks"], data["valid"], data["emotion"])
        return TrackedClip(clip, *arrays, tuple(data["size"].tolist()), **labels)


def _track(clip: Clip, cache: Path) -> None:
    landmarks, valid, emotions = [], [], []
    size = (0, 0)
    classify = EmotionClassifier(resolve("emotion_classifier"))
    with Landmarker(resolve("face_landmarker")) as landmarker:
        for index, frame in enumerate(read_frames(clip.path)):
            size = frame.shape[:2]
            found = landmarker(frame)
            valid.append(found is not None)
            points = found[0] if found else np.full((478, 3), np.nan, np.float32)
            landmarks.append(points)
            if found and index % EMOTION_EVERY == 0:
                emotions.append(classify(frame, points))
    write_arrays(
        cache_file(clip, cache),
        compressed=True,
        landmarks=filled(np.array(landmarks, np.float32).reshape(-1, 478, 3)),
        valid=np.array(valid, bool),
        emotion=np.mean(emotions, 0) if emotions else np.zeros(7, np.float32),
        size=np.array(size),
    )


def filled(values: Float[np.ndarray, "n a b"]) -> Float[np.ndarray, "n a b"]:
    """NaN frames interpolated in time from the frames around them."""
    good = ~np.isnan(values[:, 0, 0]) if len(values) else np.zeros(0, bool)
    if not good.any() or good.all():
        return values
    flat = values.reshape(len(values), -1)
    index = np.arange(len(values))
    filled = np.stack([np.interp(index, index[good], column[good]) for column in flat.T], 1)
    return filled.reshape(values.shape).astype(np.float32)
