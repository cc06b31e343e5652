"""Shards back to a folder of clips as the trainers read them: videos with sound, a manifest, and their tracking."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.data.shards import SPLITS, ShardSample, decode_sample, read_files, shard_files
from vasa_core.errors import InputError, shown
from vasa_core.files import whole_file, write_bytes, write_text
from vasa_core.io.ffmpeg import file_argument, input_arguments, quiet_command
from vasa_core.options import EMOTIONS

MANIFEST = "manifest.csv"
TRACKING_SUFFIX = ".tracking.npz"  # of a clip's tracking beside it, where clips come with theirs
_DONE = "unpacked.json"
_TRACKED, _LABELLED = ("landmarks", "valid", "emotion"), ("gaze", "distance")
_COLUMNS = ["file", "split", "identity", "frame_inside", "lag", "confidence"]


def unpack_shards(folder: Path, target: Path) -> Path:
    """Write the clips of a folder of shards into `target`, unless that was done before, and return it.

    Files that are there already keep their time of change, so what was computed from them stays valid. Raises
    InputError if the folder has no shards or one is damaged.
    """
    stats = {path.name: path.stat() for split in SPLITS for path in shard_files(folder, split)}
    shards = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
    stamp = json.dumps([_TRACKED, _LABELLED, shards], sort_keys=True)
    done = target / _DONE
    if done.is_file() and done.read_text() == stamp:
        return target
    target.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)
    rows, written = [], {MANIFEST, _DONE}
    for key, files in read_files(folder):
        sample = decode_sample(key, files)
        tracking, video = target / f"{key}{TRACKING_SUFFIX}", target / f"{key}.mp4"
        content, row = _described(sample)
        if not tracking.is_file() or tracking.read_bytes() != content:
            video.unlink(missing_ok=True)
            write_bytes(tracking, content)
        if not video.is_file():
            _write_video(video, sample.video, files.get("wav"))
        written |= {tracking.name, video.name}
        rows.append({"file": video.name, **row})
    _write_manifest(target / MANIFEST, rows)
    for path in target.iterdir():
        if path.name not in written:
            path.unlink()
    write_bytes(done, stamp.encode())
    return target


def _described(sample: ShardSample) -> tuple[bytes, dict[str, Any]]:
    """A clip's tracking, and its row of the manifest. Raises InputError if its json lacks what they are made of."""
    try:
        return _tracking(sample), _row(sample.about)
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{sample.key}.json lacks {shown(error)}; expected a clip made by prepare-data.") from error


def _tracking(sample: ShardSample) -> bytes:
    """What `data.tracking` computes of a clip, and labels of gaze and distance that do not come from the landmarks.

    Raises InputError if emotions are not those of the classifier.
    """
    if sample.about["emotions"] != list(EMOTIONS):
        raise InputError(f"emotions of {sample.key} are {sample.about['emotions']}; expected {list(EMOTIONS)}.")
    side = sample.about["side"]
    own = [name for name in _LABELLED if sample.about["labellers"][name] != "landmarks"]
    arrays: dict[str, Any] = {name: sample.arrays[name] for name in (*_TRACKED, *own)}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, size=np.array([side, side]))
    return stream.getvalue()


def _row(about: dict[str, Any]) -> dict[str, Any]:
    """A clip's row of the manifest. lag (frames), confidence: of its lips, empty where there is no sound."""
    sync = about["sync"] or {"lag": "", "confidence": ""}
    inside = about["quality"]["inside"]
    return {"split": about["split"], "identity": about["identity"], "frame_inside": inside, **sync}


def _write_manifest(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["file"]))
    write_text(path, text.getvalue())


def _write_video(path: Path, video: bytes, sound: bytes | None) -> None:
    """One mp4 of pictures and sound, neither encoded anew with any loss."""
    if sound is None:
        write_bytes(path, video)
        return
    with tempfile.TemporaryDirectory() as folder:
        pictures, wav = Path(folder) / "clip.mp4", Path(folder) / "clip.wav"
        pictures.write_bytes(video)
        wav.write_bytes(sound)
        with whole_file(path) as part:
            command = [*quiet_command(), *input_arguments(pictures), *input_arguments(wav)]
            command += ["-c:v", "copy", "-c:a", "flac", "-f", "mp4", "-y", file_argument(part)]
            if subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
                raise InputError(f"The video of {path.stem} cannot be read; expected a clip made by prepare-data.")
