"""Clips of training folders: which there are, who is in them, and which are held out."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vasa_core.assets import file_sha256
from vasa_core.data.shards import holds_shards
from vasa_core.data.unpack import MANIFEST, unpack_shards
from vasa_core.errors import InputError

VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
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

    @property
    def person(self) -> str:
        """Whose clips count as one person's: its identity, or its folder where no manifest names one."""
        return self.identity if self.identity != self.path.stem else str(self.path.parent)


def find_clips(folder: Path) -> list[Clip]:
    """Find the clips of a folder and its subfolders.

    A `manifest.csv` beside the clips may give `file,split,identity` and `generated` (0 or 1); without one, a clip's
    identity is its file name and every tenth clip (by a hash of its name) is held out as "val". A folder of shards is
    unpacked first. Raises InputError for a folder without clips.
    """
    if holds_shards(folder):
        folder = unpack_shards(folder, folder / UNPACKED)
    clips = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        row = read_manifest(path.parent).get(path.name)
        if row:
            clips.append(Clip(path, row["identity"], row["split"], row.get("generated") == "1"))
        else:
            clips.append(Clip(path, path.stem, split_by_hash(path.stem)))
    if not clips:
        raise InputError(f"{folder} holds no video; expected a folder of videos of single talking faces.")
    return clips


def split_by_hash(name: str) -> str:
    """Give the split of a clip or a voice by its name: "val" for every tenth, "train" for the others."""
    return "val" if hashlib.sha256(name.encode()).digest()[0] < 26 else "train"  # a tenth of 256


def read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a folder's manifest.csv by their `file`; none without one."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return {}
    with manifest.open(newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def few_per_person(clips: list[Clip], most: int) -> list[Clip]:
    """Keep at most `most` clips of each person, spread over what there is."""
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.person, []).append(clip)
    return [clip for group in groups.values() for clip in group[:: -(-len(group) // most)]]
