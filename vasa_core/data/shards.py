"""Shards of prepared clips: WebDataset tar files, written the same way each time and read as streams.

A clip is four files of one key: `.mp4` (the crop, no sound), `.wav` (16 kHz mono, only if there is sound), `.npz`
(landmarks, valid, pose, dynamics, gaze, distance, emotion) and `.json` (who, from where, quality, labels).
They are decoded here; nothing in a shard is ever unpickled.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import wave
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from vasa_core.errors import InputError, shortened, shown
from vasa_core.files import parsed_json, part_beside
from vasa_core.rates import SAMPLE_RATE

SPLITS = ("train", "val")
_NAME = re.compile(r"[\w-]{1,200}")  # of a clip
SUFFIXES = ("json", "mp4", "npz", "wav")  # in the order in which a shard has them
_ARRAYS = {
    "landmarks": 3,
    "valid": 1,
    "pose": 2,
    "dynamics": 2,
    "gaze": 2,
    "distance": 1,
    "emotion": 1,
}


@dataclass(frozen=True)
class ShardSample:
    """One clip of a shard.

    video: an mp4 file. sound: 16 kHz mono in -1..1, or None. arrays: landmarks (n, 478, 3) in px of the crop,
    valid (n,), pose (n, 6), dynamics (n, D), gaze (n, 2) in the camera in degrees, distance (n,) up to a factor,
    emotion (7,). about: the clip's json.
    """

    key: str
    video: bytes
    sound: Float32[np.ndarray, " samples"] | None
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def shard_files(folder: Path, split: str) -> list[Path]:
    """A split's shards of a folder, in order."""
    return sorted(folder.glob(f"{split}-[0-9]*.tar"))


def holds_shards(folder: Path) -> bool:
    """Whether a folder is one of shards rather than of videos."""
    return any(shard_files(folder, split) for split in SPLITS)


def read_files(folder: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Read the clips of a folder of shards, always in the same order, streamed: keys and files, {suffix: content}.

    Raises InputError if the folder holds no shard, or if the name of a file in one is not a plain name.
    """
    from webdataset.pipeline import DataPipeline
    from webdataset.shardlists import SimpleShardList
    from webdataset.tariterators import tarfile_to_samples

    paths = [path.resolve() for split in SPLITS for path in shard_files(folder, split)]
    if not paths:
        raise InputError(f"{folder} holds no shard; expected files such as {SPLITS[0]}-000000.tar.")
    samples = iter(DataPipeline(SimpleShardList([str(path) for path in paths]), tarfile_to_samples()))
    while True:
        try:
            sample = next(samples, None)
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            said = shortened(str(error))
            raise InputError(f"a shard of {folder} cannot be read ({said}); expected whole tar files.") from error
        if sample is None:
            return
        key = sample["__key__"]
        if not _NAME.fullmatch(key):  # it names the files that are written of it
            raise InputError(f"{sample['__url__']} holds a file {shown(key)}; expected names without folders.")
        yield key, {suffix: sample[suffix] for suffix in SUFFIXES if suffix in sample}


def decode_sample(key: str, files: dict[str, bytes]) -> ShardSample:
    """A sample of its files. Raises InputError if one is missing or damaged."""
    if missing := {"json", "mp4", "npz"} - files.keys():
        raise InputError(f"sample {key} has no {', '.join(sorted(missing))}; expected json, mp4 and npz of each clip.")
    try:
        with np.load(io.BytesIO(files["npz"]), allow_pickle=False) as data:
            arrays = {name: data[name] for name in _ARRAYS}
        about = parsed_json(files["json"], f"{key}.json")
        sound = _sound(files["wav"]) if "wav" in files else None
    except InputError:
        raise
    except (KeyError, ValueError, OSError, EOFError, wave.Error, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"sample {key} cannot be read ({shortened(str(error))}); expected a clip made by prepare-data."
        ) from error
    if wrong := [name for name, dimensions in _ARRAYS.items() if arrays[name].ndim != dimensions]:
        raise InputError(f"{wrong[0]} of sample {key} has shape {arrays[wrong[0]].shape}; expected another rank.")
    if len({len(array) for name, array in arrays.items() if name != "emotion"}) > 1:
        raise InputError(f"arrays of sample {key} differ in length; expected one row a frame.")
    if not (np.isfinite(arrays["gaze"]).all() and (arrays["distance"] > 0).all()):
        raise InputError(f"gaze or distance of sample {key} is no angle or no distance; expected labels of each frame.")
    return ShardSample(key, files["mp4"], sound, arrays, about)


def _sound(data: bytes) -> Float32[np.ndarray, " samples"]:
    with wave.open(io.BytesIO(data)) as stream:
        if (stream.getframerate(), stream.getnchannels(), stream.getsampwidth()) != (SAMPLE_RATE, 1, 2):
            raise ValueError("the sound is not 16-bit 16 kHz mono")
        samples = np.frombuffer(stream.readframes(stream.getnframes()), "<i2")
    return (samples / 32768).astype(np.float32)


def write_shards(
    folder: Path, split: str, samples: Iterable[tuple[str, dict[str, bytes]]], most_bytes: int
) -> list[str]:
    """Write samples, {suffix: content}, into shards of at most `most_bytes` (one sample at least) and name them.

    The same samples give the same bytes: owners, modes and times are fixed.
    """
    from webdataset.writer import TarWriter

    names: list[str] = []
    part = part_beside(folder / f"{split}.tar")
    writer: Any = None
    stream: Any = None
    used = 0

    def end() -> None:
        writer.close()
        stream.close()
        part.replace(folder / names[-1])

    for key, files in samples:
        size = sum(512 + -(-len(content) // 512) * 512 for content in files.values())  # with the tar's own headers
        if writer is None or used + size > most_bytes:
            if writer is not None:
                end()
            names.append(f"{split}-{len(names):06d}.tar")
            stream = part.open("wb")
            writer = TarWriter(stream, mtime=0, user="", group="", mode=0o644, encoder=False, format="USTAR_FORMAT")
            used = 0
        writer.write({"__key__": key, **files})
        used += size
    if writer is not None:
        end()
    return names
