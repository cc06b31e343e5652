"""What is said in recordings, and when: transcripts, and their forced alignment by pocketsphinx (US English)."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.phones import PHONES, SILENCE, Phone
from vasa_core.errors import InputError, MissingModelError
from vasa_core.rates import SAMPLE_RATE

_HOP = 100  # steps a second
_HELD_OUT = 26  # of 256: a tenth of the voices


class Aligner:
    """Forced alignment of English speech with its transcript, by pocketsphinx and its own models."""

    def __init__(self) -> None:
        """Raises MissingModelError where pocketsphinx is not installed."""
        if importlib.util.find_spec("pocketsphinx") is None:
            raise MissingModelError(
                "phones of recordings: needs pocketsphinx, `pip install --no-deps pocketsphinx==5.1.1`"
            )
        from pocketsphinx import Decoder  # pyright: ignore[reportMissingImports]

        self._decoder = Decoder(samprate=SAMPLE_RATE, bestpath=False, loglevel="FATAL")

    def __call__(self, waveform: Float32[np.ndarray, " samples"], text: str) -> tuple[Phone, ...] | None:
        """Phones and silences in order; None if a word is not in the dictionary or the sound does not fit the text."""
        words = re.sub(r"[^a-z' ]", " ", text.lower()).split()
        if not words or any(self._decoder.lookup_word(word) is None for word in words):
            return None
        sound = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._decode(sound)
            self._decoder.set_alignment()
            self._decode(sound)
        except RuntimeError:  # how pocketsphinx says that no path through the words fits the sound
            return None
        alignment = self._decoder.get_alignment()
        if alignment is None:
            return None
        entries = [phone for word in alignment for phone in word]
        return tuple(Phone(_known(e.name), e.start / _HOP, (e.start + e.duration) / _HOP) for e in entries)

    def _decode(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()


class ReadSpeech(NamedTuple):
    """An audio file and what is said in it. speaker: empty if nobody is named. voice: `folder/speaker`."""

    path: Path
    text: str
    speaker: str
    voice: str

    @property
    def held_out(self) -> bool:
        """Whether its voice is kept from every training, to be measured on."""
        return held_out_voice(self.voice)


def transcripts(folder: Path) -> Iterator[ReadSpeech]:
    """Audio files of a folder with what is said and, if it is known, by whom.

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
    for path, text, speaker in rows:
        if path.is_file():
            yield ReadSpeech(path, text, speaker, f"{folder.name}/{speaker}")


def held_out_voice(voice: str) -> bool:
    """Whether a voice (`folder/speaker`) is kept from every training, to be measured on."""
    return hashlib.sha256(voice.encode()).digest()[0] < _HELD_OUT


def spoken_words(clip: Path) -> str | None:
    """What is said in a clip by the `words.json` beside it (lists of [start s, end s, word] by file name), if known."""
    path = clip.parent / "words.json"
    if not path.is_file():
        return None
    words = json.loads(path.read_text()).get(clip.name)
    return " ".join(word for _, _, word in words if word not in ("sil", "sp")) if words else None


def _known(name: str) -> str:
    """pocketsphinx's noises are silence."""
    return name if name in PHONES else SILENCE
