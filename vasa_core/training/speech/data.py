"""Utterances that the speech encoder is trained on: sound, phone labels where they are known, a teacher's features.

Three kinds: read speech with transcripts, aligned; videos of talking faces, their words aligned if `words.json` gives
them; and synthetic speech with its own phone times. Everything is cached, one file an utterance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Int, Int16

from vasa_core.assets import file_sha256
from vasa_core.audio.alignment import Aligner, ReadSpeech, held_out_voice, spoken_words, transcripts
from vasa_core.audio.features import SpeechEncoder, features
from vasa_core.audio.phones import STEP_SECONDS, UNKNOWN, Phone, step_labels
from vasa_core.data.crops import speaker
from vasa_core.data.synthesis import Synthesiser
from vasa_core.data.tracking import find_clips
from vasa_core.errors import InputError
from vasa_core.files import write_arrays
from vasa_core.io.audio import read_audio
from vasa_core.rates import SAMPLE_RATE

STEP = round(STEP_SECONDS * SAMPLE_RATE)  # samples
_SPEEDS = (0.8, 1.25)  # of synthetic speech
_LONGEST = 20.0  # seconds of an utterance

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech. sound: 16 kHz. labels: index into PHONES per step of 20 ms, or UNKNOWN. teacher: features
    per video frame (two steps). kind: read, video or synthetic. split: "train" or "val", by voice."""

    sound: Int16[np.ndarray, " samples"]
    labels: Int[np.ndarray, " steps"]
    teacher: Float16[np.ndarray, "frames channels"]
    voice: str
    kind: str
    split: str


@dataclass(frozen=True)
class Source:
    """Where an utterance comes from: `read` gives its sound and, if they are known, its phones."""

    key: str
    voice: str
    kind: str
    split: str
    read: Callable[[], tuple[np.ndarray, tuple[Phone, ...] | None] | None]


def recordings(folder: Path) -> list[ReadSpeech]:
    """Speech of a folder with transcripts. Raises InputError if it has none."""
    found = list(transcripts(folder))
    if not found:
        raise InputError(f"{folder} holds no speech with transcripts.csv (file,speaker,text); expected read speech.")
    return found


def read_speech(folder: Path, aligner: Aligner) -> Iterator[Source]:
    """Sources of the speech of a folder with transcripts. Raises InputError if it has none."""
    for path, text, _, voice in recordings(folder):
        yield Source(recording_key(path, text), voice, "read", _split(voice), _reader(path, text, aligner))


def video_speech(folder: Path, aligner: Aligner) -> Iterator[Source]:
    """Sound of the clips of a folder, split as they are for every other training.

    Clips of a folder without a manifest count as one voice; those held out are then new sentences, not new voices.
    """
    for clip in find_clips(folder):
        text = spoken_words(clip.path) or ""
        yield Source(
            recording_key(clip.path, text), speaker(clip), "video", clip.split, _reader(clip.path, text, aligner)
        )


def synthetic_speech(synthesiser: Synthesiser, texts: list[str], count: int, seed: int = 0) -> Iterator[Source]:
    """`count` sentences, each by the next voice, at changing speeds."""
    rng = np.random.default_rng(seed)
    voices = synthesiser.voices
    for number in range(count):
        voice, text = voices[number % len(voices)], texts[int(rng.integers(len(texts)))]
        speed = float(rng.uniform(*_SPEEDS))
        key = hashlib.sha256(f"{voice}:{text}:{speed}".encode()).hexdigest()[:20]
        yield Source(key, voice, "synthetic", _split(voice), _speaker(synthesiser, text, voice, speed))


def load_utterances(
    sources: Iterator[Source], teacher: SpeechEncoder, cache: Path, progress: Progress | None = None
) -> list[Utterance]:
    """Utterances from the cache, or made now. Those without sound are left out."""
    found = []
    for source in sources:
        target = cache / f"{source.key}.npz"
        if not target.is_file():
            _make(source, teacher, target)
        with np.load(target, allow_pickle=False) as data:
            if len(data["sound"]):
                arrays = (data["sound"], data["labels"].astype(np.int64), data["teacher"])
                found.append(Utterance(*arrays, source.voice, source.kind, source.split))
        if progress:
            progress(f"{len(found)} utterances")
    return found


def _make(source: Source, teacher: SpeechEncoder, target: Path) -> None:
    made = source.read()
    sound, spans = made if made else (np.zeros(0, np.float32), None)
    sound = sound[: round(_LONGEST * SAMPLE_RATE)]
    steps = -(-len(sound) // STEP)
    labels = step_labels(spans, len(sound), SAMPLE_RATE) if spans else np.full(steps, UNKNOWN)
    taught = features(teacher, sound.astype(np.float32)).astype(np.float16)
    pcm = np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)
    write_arrays(target, sound=pcm, labels=labels.astype(np.int8), teacher=taught)


def _reader(
    path: Path, text: str, aligner: Aligner
) -> Callable[[], tuple[np.ndarray, tuple[Phone, ...] | None] | None]:
    def read() -> tuple[np.ndarray, tuple[Phone, ...] | None] | None:
        try:
            sound = read_audio(path)
        except InputError:  # no sound track, or one too short to hear anything in
            return None
        if np.abs(sound).max() < 1e-3:
            return None
        return sound, aligner(sound, text) if text else None

    return read


def _speaker(synthesiser: Synthesiser, text: str, voice: str, speed: float) -> Callable:
    return lambda: synthesiser(text, voice, speed)


def recording_key(path: Path, text: str) -> str:
    """What a recording's cached data are filed under: its content and its words, wherever it lies."""
    return hashlib.sha256(f"{file_sha256(path)}:{text}".encode()).hexdigest()[:20]


def _split(voice: str) -> str:
    return "val" if held_out_voice(voice) else "train"
