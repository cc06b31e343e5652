"""Shards of strangers: names that lead elsewhere, damaged archives and members are one sentence each."""

from __future__ import annotations

import io
import json
import tarfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.data.shards import read_files
from vasa_core.data.unpack import unpack_shards
from vasa_core.errors import InputError
from vasa_core.options import EMOTIONS

ARRAYS = {
    "landmarks": np.zeros((2, 478, 3), np.float32),
    "valid": np.ones(2, bool),
    "pose": np.zeros((2, 6), np.float32),
    "dynamics": np.zeros((2, 5), np.float32),
    "gaze": np.zeros((2, 2), np.float32),
    "distance": np.ones(2, np.float32),
    "emotion": np.zeros(7, np.float32),
}
ABOUT: dict[str, Any] = {
    "emotions": list(EMOTIONS),
    "side": 64,
    "labellers": {"gaze": "landmarks", "distance": "landmarks"},
    "sync": None,
    "quality": {"inside": 1.0},
    "split": "train",
    "identity": "somebody",
}
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/hostname\n#EXT-X-ENDLIST\n"


def _clip(**changes: bytes) -> dict[str, bytes]:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **ARRAYS)
    return {"json": json.dumps(ABOUT).encode(), "mp4": b"pictures", "npz": stream.getvalue(), **changes}


def _shard(folder: Path, key: str, files: dict[str, bytes]) -> Path:
    """A shard as anybody may write it, with whatever names."""
    folder.mkdir(exist_ok=True)
    path = folder / "train-000000.tar"
    with tarfile.open(path, "w") as tar:
        for suffix, content in files.items():
            member = tarfile.TarInfo(f"{key}.{suffix}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_clip_is_written_under_its_name(tmp_path: Path) -> None:
    _shard(tmp_path / "in", "clip-1", _clip())
    target = unpack_shards(tmp_path / "in", tmp_path / "out")
    assert (target / "clip-1.mp4").read_bytes() == b"pictures"


@pytest.mark.parametrize("key", ["../x", "/tmp/x", "a/../../x", "a\\\\x", "x" * 201, "a b", "a:b"])
def test_names_that_are_no_plain_names_are_refused(tmp_path: Path, key: str) -> None:
    _shard(tmp_path / "in", key, _clip())
    with pytest.raises(InputError, match="expected names without folders"):
        unpack_shards(tmp_path / "in", tmp_path / "a" / "b")
    found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"train-000000.tar"}


def test_links_in_a_shard_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    path = _shard(tmp_path / "in", "clip", {name: data for name, data in _clip().items() if name != "mp4"})
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("clip.mp4")
            link.type, link.linkname = kind, str(secret)
            tar.addfile(link)
    with pytest.raises(InputError, match="has no mp4"):
        unpack_shards(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7])
def test_a_cut_shard_is_refused(tmp_path: Path, share: float) -> None:
    path = _shard(tmp_path / "in", "clip", _clip(mp4=bytes(50_000)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError):
        unpack_shards(tmp_path / "in", tmp_path / "out")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train-000000.tar").write_bytes(b"no archive" * 200)
    with pytest.raises(InputError, match="expected whole tar files"):
        list(read_files(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"json": b"[]"},
        {"json": b"\xff"},
        {"json": b"{}"},
        {"json": json.dumps({**ABOUT, "labellers": 3}).encode()},
        {"json": json.dumps({**ABOUT, "quality": None}).encode()},
        {"npz": b"PK\x03\x04 cut"},
        {"npz": b""},
        {"npz": _clip()["npz"][:-300]},
        {"wav": b"RIFF"},
    ],
    ids=str,
)
def test_damaged_members_are_refused(tmp_path: Path, changes: dict[str, bytes]) -> None:
    _shard(tmp_path / "in", "clip", _clip(**changes))
    with pytest.raises(InputError) as caught:
        unpack_shards(tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_clip_that_is_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """Pictures and sound of a clip go through the list of formats that uploads go through."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(16_000)
        stream.writeframes(bytes(3200))
    _shard(tmp_path / "in", "clip", _clip(mp4=PLAYLIST, wav=sound.getvalue()))
    with pytest.raises(InputError, match="The video of clip cannot be read"):
        unpack_shards(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / "clip.mp4").exists()
