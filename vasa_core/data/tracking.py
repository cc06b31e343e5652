"""Track every clip of a folder once: landmarks, face transforms and emotion per frame, cached as npz files."""

from __future__ import annotations

import csv
import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from vasa_core.assets import file_sha256, resolve
from vasa_core.data.shards import holds_shards
from vasa_core.files import write_arrays
from vasa_core.io.video import read_frames
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.preprocess.landmarker import Landmarker

VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
EMOTION_EVERY = 5  # frames between two emotion readings
MIN_TRACKED_SHARE = 0.8  # of a clip's frames
MANIFEST = "manifest.csv"
TRACKING_SUFFIX = ".tracking.npz"  # of a clip's tracking beside it, where clips come with theirs
UNPACKED = "unpacked"  # folder of a folder of shards, for its clips


@dataclass(frozen=True)
class Clip:
    """One video of a training folder. generated: made by some generator: a teacher, never the truth in a claim."""

    path: Path
    identity: str
    split: str  # "train" or "val"
    generated: bool = False

    @cached_property
    def key(self) -> str:
        """What is computed from it is filed under: its stem and its content, which is read once."""
        return f"{self.path.stem}-{file_sha256(self.path)[:20]}"


@dataclass(frozen=True)
class TrackedClip:
    """A clip's tracking; frames where no face was found are filled from their neighbours and marked invalid."""

    clip: Clip
    landmarks: Float[np.ndarray, "n 478 3"]
    transforms: Float[np.ndarray, "n 4 4"]
    valid: Bool[np.ndarray, " n"]
    emotion: Float[np.ndarray, " 7"]
    size: tuple[int, int]  # height, width in px


def find_clips(folder: Path) -> list[Clip]:
    """Clips of a folder and its subfolders.

    A `manifest.csv` beside the clips may give `file,split,identity` and `generated` (0 or 1); without one, a clip's
    identity is its file name and every tenth clip (by a hash of its name) is held out as "val". A folder of shards is
    unpacked first.
    """
    if holds_shards(folder):
        from vasa_core.data.prepare.unpack import unpack_shards

        folder = unpack_shards(folder, folder / UNPACKED)
    clips = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        row = read_manifest(path.parent).get(path.name)
        if row:
            clips.append(Clip(path, row["identity"], row["split"], row.get("generated") == "1"))
        else:
            clips.append(Clip(path, path.stem, split_by_hash(path.stem)))
    return clips


def split_by_hash(name: str) -> str:
    """The split of a name: "val" for every tenth, "train" for the others, always the same."""
    return "val" if hashlib.sha256(name.encode()).digest()[0] < 26 else "train"  # a tenth of 256


def read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of a folder's manifest.csv by their `file`; none without one."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return {}
    with manifest.open(newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


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
    data = np.load(path, allow_pickle=False)
    return TrackedClip(
        clip, data["landmarks"], data["transforms"], data["valid"], data["emotion"], tuple(data["size"].tolist())
    )


def _track(clip: Clip, cache: Path) -> None:
    landmarks, transforms, valid, emotions = [], [], [], []
    size = (0, 0)
    classify = EmotionClassifier(resolve("emotion_classifier"))
    with Landmarker(resolve("face_landmarker")) as landmarker:
        for index, frame in enumerate(read_frames(clip.path)):
            size = frame.shape[:2]
            found = landmarker(frame)
            valid.append(found is not None)
            points, transform = found or (np.full((478, 3), np.nan, np.float32), np.full((4, 4), np.nan, np.float32))
            landmarks.append(points)
            transforms.append(transform)
            if found and index % EMOTION_EVERY == 0:
                emotions.append(classify(frame, points))
    write_arrays(
        cache_file(clip, cache),
        compressed=True,
        landmarks=filled(np.array(landmarks, np.float32).reshape(-1, 478, 3)),
        transforms=filled(np.array(transforms, np.float32).reshape(-1, 4, 4)),
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
