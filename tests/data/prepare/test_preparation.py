"""Raw videos to shards, with real files: what is kept, what is left out and why, and that a killed run goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_videos import ffmpeg, frames_of, read_samples, swaying

from vasa_core.assets import ASSETS, resolve
from vasa_core.data.clips import UNPACKED, find_clips
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.prepare import prepare_data, table
from vasa_core.data.shards import ShardSample, read_files, shard_files, write_shards
from vasa_core.data.tracking import track_clips
from vasa_core.errors import InputError
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.io.audio import read_audio
from vasa_core.io.video import read_frames
from vasa_core.options import EMOTIONS
from vasa_core.preprocess.landmarker import Landmarker

ROOT = ASSETS.parent
CONFIG = PreparationConfig(size=256, min_seconds=1.0, max_seconds=10.0, min_expression=0.0, unsynced="keep")
FLAGS = ["--size", "256", "--min-seconds", "1", "--min-expression", "0", "--unsynced", "keep"]
FRAMES = 35


@dataclass(frozen=True)
class Prepared:
    videos: Path
    out: Path
    report: dict[str, Any]

    def samples(self, source: str) -> list[ShardSample]:
        return [sample for sample in read_samples(self.out) if sample.about["source"] == source]

    def reasons(self, file: str) -> list[str]:
        return [drop["reason"] for drop in self.report["dropped"] if drop["file"] == file]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    videos = tmp_path_factory.mktemp("raw")
    one, other = videos / "moving.mp4", videos / "silent.mkv"
    swaying(one)
    swaying(other, "hflip", "eq=brightness=0.1", sound=False)
    ffmpeg("-i", one, "-i", other, "-filter_complex", "hstack", "-an", "-crf", "12", videos / "two.mp4")
    joined = "[0:v][1:v]concat=n=2:v=1:a=0"
    ffmpeg("-i", one, "-i", other, "-filter_complex", joined, "-crf", "12", videos / "cut.mov")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=1", videos / "nobody.mp4")
    (videos / "truncated.mp4").write_bytes(one.read_bytes()[:4000])
    (videos / "text.mp4").write_text("This is no video.\n")
    (videos / "manifest.csv").write_text("file,split,identity\nsilent.mkv,val,Ann\ntwo.mp4,val,Two\n")
    out = tmp_path_factory.mktemp("shards")
    return Prepared(videos, out, prepare_data(videos, out, CONFIG))


def test_a_moving_head_is_one_clip_framed_as_portraits_are(prepared: Prepared) -> None:
    (sample,) = prepared.samples("moving.mp4")
    frames = frames_of(sample)
    assert len(frames) == FRAMES == sample.about["frames"]
    assert frames[0].shape == (sample.about["side"], sample.about["side"], 3)
    points = sample.arrays["landmarks"]
    face = np.linalg.norm(points[:, 10, :2] - points[:, 152, :2], axis=1)
    assert sample.about["side"] / np.median(face) == pytest.approx(2.2, rel=0.05)
    assert np.median(points[:, [10, 152], 1]) / sample.about["side"] == pytest.approx(0.56, abs=0.04)
    moved = np.ptp(points[:, :468, 0].mean(1))  # the window sways by 2 x 30 px, and the crop is not enlarged
    assert moved == pytest.approx(60, abs=6)
    assert sample.about["split"] == "train"
    assert sample.about["source"] == "moving.mp4"


def test_landmarks_are_those_of_the_written_frames(prepared: Prepared) -> None:
    (sample,) = prepared.samples("moving.mp4")
    frame = frames_of(sample)[20]
    with Landmarker(resolve("face_landmarker")) as landmarker:
        found = landmarker(frame)
    assert found is not None
    assert sample.arrays["valid"].all()
    assert np.abs(found[0][:, :2] - sample.arrays["landmarks"][20, :, :2]).mean() < 1.0  # px; H.264 lies between


def test_labels_and_latents_come_with_the_clip(prepared: Prepared) -> None:
    (sample,) = prepared.samples("moving.mp4")
    side = sample.about["side"]
    _, motion = MeshFaceModel.load(ROOT / "checkpoints").encode_landmarks(sample.arrays["landmarks"], (side, side))
    np.testing.assert_allclose(sample.arrays["pose"], motion.pose, atol=1e-4)
    np.testing.assert_allclose(sample.arrays["dynamics"], motion.dynamics, atol=1e-3)
    assert sample.arrays["gaze"].shape == (FRAMES, 2)
    assert sample.arrays["distance"].shape == (FRAMES,)
    assert sample.about["emotions"] == list(EMOTIONS)
    assert sample.arrays["emotion"].sum() == pytest.approx(1, abs=1e-4)
    assert sample.about["labellers"] == {"gaze": "landmarks", "distance": "landmarks", "emotion": "fer"}
    assert set(sample.about["sync"]) == {"lag", "confidence"}


def test_sound_is_as_long_as_the_pictures_and_the_file_s_own(prepared: Prepared) -> None:
    (sample,) = prepared.samples("moving.mp4")
    assert sample.sound is not None
    assert len(sample.sound) == FRAMES * 640
    speech = read_audio(ASSETS / "speech.wav")[: FRAMES * 640]
    assert np.corrcoef(sample.sound, speech)[0, 1] > 0.95  # AAC lies between; a lag would ruin it


def test_a_silent_video_is_kept_as_silent(prepared: Prepared) -> None:
    (sample,) = prepared.samples("silent.mkv")
    assert sample.sound is None
    assert not sample.about["sound"]
    assert sample.about["sync"] is None
    assert (sample.about["split"], sample.about["identity"]) == ("val", "Ann")


def test_two_people_are_two_identities(prepared: Prepared) -> None:
    left, right = sorted(prepared.samples("two.mp4"), key=lambda s: s.about["crop"][0])
    assert left.about["identity"] != right.about["identity"]
    assert left.about["crop"][2] <= 400
    assert right.about["crop"][0] >= 360
    assert left.about["start_seconds"] == right.about["start_seconds"] == 0


def test_a_cut_ends_a_clip(prepared: Prepared) -> None:
    first, second = sorted(prepared.samples("cut.mov"), key=lambda s: s.about["start_seconds"])
    assert first.about["frames"] == second.about["frames"] == FRAMES
    assert second.about["start_seconds"] == FRAMES / 25
    assert first.about["identity"] != second.about["identity"]


def test_what_is_left_out_has_a_reason(prepared: Prepared) -> None:
    assert prepared.reasons("nobody.mp4") == ["no face"]
    for broken in ("truncated.mp4", "text.mp4"):
        (reason,) = prepared.reasons(broken)
        assert reason.startswith("cannot be read")
        assert broken in reason
    assert prepared.report["clips"] == 6
    assert prepared.report["videos"] == 7
    assert prepared.report == json.loads((prepared.out / "report.json").read_text())
    assert "6 clips" in table(prepared.report)
    assert "text.mp4" in table(prepared.report)


def test_splits_are_separate_shards(prepared: Prepared) -> None:
    samples = read_samples(prepared.out)
    assert {s.about["source"] for s in samples if s.about["split"] == "val"} >= {"silent.mkv", "two.mp4"}
    for split in ("train", "val"):
        keys = set()
        for path in shard_files(prepared.out, split):
            with tarfile.open(path) as tar:
                keys |= {name.split(".")[0] for name in tar.getnames()}
        assert keys == {s.key for s in samples if s.about["split"] == split}


def test_shards_are_bare_files_of_no_date(prepared: Prepared) -> None:
    for split in ("train", "val"):
        for path in shard_files(prepared.out, split):
            with tarfile.open(path) as tar:
                assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in tar} == {(0, 0, "", True)}
                assert {Path(name).suffix for name in tar.getnames()} <= {".mp4", ".wav", ".npz", ".json"}


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "a/../../b"])
def test_names_that_lead_out_of_the_folder_are_refused(prepared: Prepared, tmp_path: Path, name: str) -> None:
    (_, files), *_ = read_files(prepared.out)
    write_shards(tmp_path, "train", [(name, files)], 10**9)
    with pytest.raises(InputError, match="names without folders"):
        find_clips(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.mp4")] == []


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.mark.slow
def test_a_killed_run_goes_on_and_makes_the_same_shards(prepared: Prepared, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vasa_core", "prepare-data", str(prepared.videos), str(tmp_path), *FLAGS]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob(".work/*/state.json"))) < 2 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "report.json").exists()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".work/*/state.json")}
    assert 2 <= len(done) < 7
    prepare_data(prepared.videos, tmp_path, CONFIG)
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    assert contents(tmp_path) == contents(prepared.out)


def test_a_repeated_run_does_nothing_and_a_changed_folder_only_what_is_new(prepared: Prepared, tmp_path: Path) -> None:
    videos, out = tmp_path / "raw", tmp_path / "out"
    shutil.copytree(prepared.videos, videos)
    shutil.copytree(prepared.out, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert prepare_data(videos, out, CONFIG) == prepared.report
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    (videos / "cut.mov").unlink()
    (videos / "more.mp4").write_text("Nor is this.\n")
    report = prepare_data(videos, out, CONFIG)
    assert report["clips"] == 4
    assert "more.mp4" in {drop["file"] for drop in report["dropped"]}
    kept = {sample.key: sample.video for sample in read_samples(prepared.out)}
    assert {s.key: s.video for s in read_samples(out)} == {k: v for k, v in kept.items() if not k.startswith("cut-")}


@pytest.mark.slow
def test_shards_do_not_depend_on_how_many_processes_made_them(prepared: Prepared, tmp_path: Path) -> None:
    prepare_data(prepared.videos, tmp_path, CONFIG, workers=3)
    assert contents(tmp_path) == contents(prepared.out)


def test_trainers_take_a_folder_of_shards_without_tracking_again(prepared: Prepared, tmp_path: Path) -> None:
    clips = find_clips(prepared.out)
    assert len(clips) == 6
    assert {clip.split for clip in clips} == {"train", "val"}
    tracked = track_clips(clips, tmp_path / "tracking")
    assert not (tmp_path / "tracking").exists()
    samples = {sample.key: sample for sample in read_samples(prepared.out)}
    for clip in tracked:
        sample = samples[clip.clip.path.stem]
        np.testing.assert_array_equal(clip.landmarks, sample.arrays["landmarks"])
        np.testing.assert_array_equal(clip.emotion, sample.arrays["emotion"])
        assert clip.clip.identity == sample.about["identity"]
        assert clip.size == (sample.about["side"],) * 2
        assert len(list(read_frames(clip.clip.path))) == len(clip.valid)
        if sample.sound is not None:
            np.testing.assert_array_equal(read_audio(clip.clip.path), sample.sound)
    unpacked = {path: path.stat().st_mtime_ns for path in (prepared.out / UNPACKED).iterdir()}
    (prepared.out / UNPACKED / "unpacked.json").unlink()  # as after an interrupted unpacking
    find_clips(prepared.out)
    same = {path: path.stat().st_mtime_ns for path in unpacked if path.suffix == ".mp4"}
    assert same == {path: changed for path, changed in unpacked.items() if path.suffix == ".mp4"}
    shutil.rmtree(prepared.out / UNPACKED)


def test_a_folder_without_videos_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video"):
        prepare_data(tmp_path, tmp_path / "out", CONFIG)
    with pytest.raises(InputError, match="size is 255"):
        PreparationConfig(size=255).validate()
