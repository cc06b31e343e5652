"""Labels of gaze and distance reach the motion model's training: from a video through shards to its conditions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from raw_videos import swaying

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.audio import open_encoder
from vasa_core.data.clips import find_clips
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.video import RawVideo, prepare_video
from vasa_core.data.shards import SUFFIXES, write_shards
from vasa_core.data.tracking import track_clips
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.motion.conditions import main_gaze
from vasa_core.motion.config import DenoiserConfig
from vasa_core.preprocess.labellers import Labellers
from vasa_core.preprocess.labellers.emotions import FerEmotion
from vasa_core.training.motion.data import MotionClip, load_clips
from vasa_core.training.motion.windows import WindowSampler, statistics

ASIDE = np.array([40.0, -25.0])  # degrees


class Column:
    """A labeller that gives frames the rows of a table, whatever they show."""

    reads_pictures = False

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def __call__(self, images: Sequence[np.ndarray], landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        n = len(landmarks)
        rows = np.tile(ASIDE, (n, 1)) if len(self.labels) == 2 else np.exp(np.linspace(0, 1, n))[:, None]
        return rows.astype(np.float32)


class OtherTools(Tools):
    @cached_property
    def labellers(self) -> Labellers:
        return Labellers(Column("yaw", "pitch"), Column("distance"), FerEmotion(resolve("emotion_classifier")))


def shards(folder: Path, gaze: str = "landmarks", distance: str = "landmarks") -> Path:
    """Shards of one silent video whose labellers are OtherTools', under these names."""
    raw, work, out = folder / "moving.mp4", folder / "work", folder / "shards"
    out.mkdir()
    swaying(raw, sound=False)
    config = PreparationConfig(size=256, min_seconds=1.0, min_expression=0.0, gaze=gaze, distance=distance)
    done = prepare_video(RawVideo(raw, raw.name, "moving", "Ann", "train", True), work, config, OtherTools(config))
    (key,) = done.kept
    paths = {suffix: work / f"{key}.{suffix}" for suffix in SUFFIXES}
    write_shards(out, "train", [(key, {s: p.read_bytes() for s, p in paths.items() if p.is_file()})], 10**9)
    return out


def training_clip(folder: Path, cache: Path) -> MotionClip:
    face = MeshFaceModel.load(CHECKPOINTS)
    clips, _ = load_clips([folder], face, open_encoder(), cache, face.basis.mirror)
    return clips[0]


def test_labels_of_other_labellers_become_conditions(tmp_path: Path) -> None:
    folder = shards(tmp_path, gaze="l2cs:other", distance="deep3d:other")
    (tracked,) = track_clips(find_clips(folder), tmp_path)
    assert tracked.gaze is not None
    assert tracked.distance is not None
    assert tracked.distance == pytest.approx(np.exp(np.linspace(0, 1, len(tracked.valid))), abs=1e-5)
    clip = training_clip(folder, tmp_path)
    assert clip.gaze is not None
    assert clip.gaze == pytest.approx(np.tile(np.radians(ASIDE), (len(clip), 1)))
    assert clip.log_distance == pytest.approx(np.linspace(-0.5, 0.5, len(clip)), abs=1e-5)
    landmarks = np.degrees(main_gaze(clip.x[:, 6:8]))
    assert np.abs(landmarks - ASIDE).max() > 15
    architecture = DenoiserConfig("tiny", clip.x.shape[1], clip.audio.shape[1])
    batch = WindowSampler([clip], architecture, statistics([clip], architecture.window), 0).batch(0, 40)
    gaze = np.degrees(batch.conditions.gaze.numpy())
    as_labelled = np.abs(np.abs(gaze) - np.abs(ASIDE)).max(1) < 0.1  # in half of the windows a shift is added
    assert 10 < as_labelled.sum() < 30
    assert (gaze[as_labelled, 1] < 0).all()
    assert {-1, 1} == set(np.sign(gaze[as_labelled, 0]).tolist())


def test_labels_of_landmarks_are_read_from_the_landmarks(tmp_path: Path) -> None:
    clip = training_clip(shards(tmp_path), tmp_path)
    assert clip.gaze is None
    assert clip.log_distance is None
    assert not clip.label_offsets().any()
