"""Recordings with transcripts: read speech, and what is said in clips."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from vasa_core.assets import file_sha256
from vasa_core.data.clips import split_by_hash
from vasa_core.errors import InputError


class ReadSpeech(NamedTuple):
    """An audio file and what is said in it. speaker: empty if nobody is named. voice: `folder/speaker`."""

    path: Path
    text: str
    speaker: str
    voice: str

    @property
    def held_out(self) -> bool:
        """Whether its voice is kept from every training, to be measured on."""
        return split_by_hash(self.voice) == "val"


def transcripts(folder: Path) -> list[ReadSpeech]:
    """List the audio files of a folder with what is said in them and, if it is known, by whom.

    By `transcripts.csv` (file, text and perhaps speaker) or LJ Speech's `metadata.csv`; none without either.

    Raises InputError for a table without these columns.
    """
    table, metadata = folder / "transcripts.csv", folder / "metadata.csv"
    if table.is_file():
        with table.open(newline="") as stream:
            reader = csv.DictReader(stream)
            if not {"file", "text"} <= set(reader.fieldnames or ()):
                raise InputError(f"{table} has the columns {reader.fieldnames}; expected file and text among them.")
            rows = [(folder / row["file"], row["text"], row.get("speaker") or "") for row in reader]
    elif metadata.is_file():
        lines = [line.split("|") for line in metadata.read_text().splitlines() if line.strip()]
        files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix not in (".csv", ".txt")}
        rows = [(files[name], text, "") for name, *_, text in lines if name in files]
    else:
        rows = []
    return [
        ReadSpeech(path, text, speaker, f"{folder.name}/{speaker}") for path, text, speaker in rows if path.is_file()
    ]


def spoken_words(clip: Path) -> str | None:
    """Read what is said in a clip from the `words.json` beside it: lists of [start s, end s, word] by file name.

    None if it is not known.
    """
    path = clip.parent / "words.json"
    if not path.is_file():
        return None
    words = json.loads(path.read_text()).get(clip.name)
    return " ".join(word for _, _, word in words if word not in ("sil", "sp")) if words else None


def recording_key(path: Path, text: str) -> str:
    """Name what is computed of a recording, for caches: by its content and its words, wherever the file lies."""
    return hashlib.sha256(f"{file_sha256(path)}:{text}".encode()).hexdigest()[:20]
