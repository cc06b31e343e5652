"""Text to speech: a voice reads a text, and says when each word is heard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.errors import InputError, MissingModelError, shown
from vasa_core.rates import SAMPLE_RATE

MAX_TEXT = 20_000  # characters: more than 20 minutes of speech
PAUSE = 0.2  # s, between sentences and at both ends
_DURATIONS = "/CumSum_output_0"  # in hibari's network: where each phoneme ends, in frames of its own
Waveform = Float32[np.ndarray, " samples"]
Shares = Float[np.ndarray, " ids"]
_WORDS = re.compile(r"\S+")


@dataclass(frozen=True)
class Word:
    """A word as it is spoken ("Doctor" for "Dr."), punctuation at its end. start, end: seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Spoken:
    """A text that was read. waveform: 16 kHz mono in [-1, 1]. words: in order."""

    waveform: Waveform
    words: tuple[Word, ...]


@runtime_checkable
class Voice(Protocol):
    """Reads text. The same text gives the same sound. Raises InputError for text that it cannot read."""

    def __call__(self, text: str) -> Spoken: ...


def speak(text: str, voice: Voice | None = None) -> Spoken:
    """The text read by a voice; by default the English one of hibari-tts.

    Raises InputError for text that cannot be read, MissingModelError if that package is not installed.
    """
    text = checked_text(text)
    return (voice or _hibari())(text)


def checked_text(text: object) -> str:
    """The text itself. Raises InputError unless it has something to read, and not too much."""
    if not isinstance(text, str) or not any(character.isalnum() for character in text):
        raise InputError(f"the text is {shown(text)}; expected words to speak.")
    if len(text) > MAX_TEXT:
        raise InputError(f"the text has {len(text)} characters; expected at most {MAX_TEXT}.")
    return text


class HibariVoice:
    """The voice of the package hibari-tts, which its wheel holds: American English, a woman's."""

    def __init__(self) -> None:
        """Raises MissingModelError if the package is not installed, or is one whose network is built otherwise."""
        try:
            import hibari
            from hibari.dsp import synth
            from hibari.g2p import normalize
        except ModuleNotFoundError as error:
            raise MissingModelError(
                "speaking a text needs hibari-tts; `pip install 'vasa-core[text]'` gets it."
            ) from error
        network = Path(hibari.tts.ASSETS, hibari.tts.VOICES[hibari.tts.DEFAULT]["file"]).read_bytes()
        self._tts: Any = hibari.Hibari(model=network + _as_output(_DURATIONS))
        self._rate: int = hibari.SAMPLE_RATE
        self._normalize, self._synthesise = normalize, synth

    def __call__(self, text: str) -> Spoken:
        """The text as sound. Raises InputError for text in which it finds nothing to say."""
        silence = np.zeros(round(PAUSE * self._rate), np.float32)
        parts, words, random = [silence], [], np.random.default_rng(0)
        for sentence in self._sentences(text):
            ids, found = self._phonemes(sentence)
            if len(found) == 0:
                continue
            sound, ends = self._read(ids, random)
            begin, seconds = sum(map(len, parts)) / self._rate, len(sound) / self._rate
            for said, first, last in found:
                start, end = ends[first - 1], ends[last - 1]
                words.append(Word(said, float(begin + seconds * start), float(begin + seconds * end)))
            parts += [sound, silence]
        if not words:
            raise InputError(f"the text is {shown(text)}; expected English words, which the voice can read.")
        from scipy.signal import resample_poly  # which takes a second to import

        waveform = resample_poly(np.concatenate(parts), 2, self._rate * 2 // SAMPLE_RATE)
        return Spoken(waveform.astype(np.float32).clip(-1, 1), tuple(words))

    def _sentences(self, text: str) -> list[str]:
        """Sentences as they are spoken, cut where one is longer than the voice reads at once."""
        found: list[str] = []
        for sentence in self._tts.split_sentences(text):
            found += _cut(self._normalize(sentence), most=200)
        return found

    def _phonemes(self, sentence: str) -> tuple[list[int], list[tuple[str, int, int]]]:
        """Ids of phonemes with the pads at both ends; and of each word its text, its first id and the one after."""
        vocabulary, ids = self._tts.vocab, [0]
        found: list[tuple[str, int, int]] = []
        said, first, last = "", 1, 1
        tokens = self._tts.g2p.phonemize_tokens(self._tts.g2p.tokenize(sentence))
        for place, token in enumerate(tokens):
            said += token.text
            ids += [vocabulary[phoneme] for phoneme in token.phonemes or "" if phoneme in vocabulary]
            if any(character.isalnum() for character in token.text):
                last = len(ids)  # the pause of a comma is no part of the word
            if token.whitespace or place == len(tokens) - 1:
                if last > first:
                    found.append((said, first, last))
                said = ""
                ids += [vocabulary[" "]] if token.whitespace else []
                first = last = len(ids)
        return [*ids, 0], found

    def _read(self, ids: list[int], random: np.random.Generator) -> tuple[Waveform, Shares]:
        """The sound of phonemes, and where each of them ends, as a share of it."""
        given = {"ids": np.asarray([ids], np.int64), "speed": np.ones(1, np.float32)}  # (1, ids), (1,)
        lh, th, ln, lr, phi, f0, ends = self._tts.sess.run(None, given)
        sound = self._synthesise(lh[0], th[0], ln[0], lr[0], phi[0], f0[0], random)
        ends = np.ravel(ends)  # (ids,)
        return sound.astype(np.float32), ends / ends[-1]


@cache
def _hibari() -> HibariVoice:
    return HibariVoice()


def _as_output(name: str) -> bytes:
    """What makes a value inside an ONNX network one of its outputs, if it is appended to the network's file.

    A protocol buffer is merged with one that follows it: here, a model whose graph has one output of that name.
    """
    message = name.encode()
    for field in (1, 12, 7):  # ValueInfoProto.name, GraphProto.output, ModelProto.graph
        message = bytes([field << 3 | 2, len(message)]) + message
    return message


def _cut(sentence: str, most: int) -> list[str]:
    """Pieces of at most `most` characters (a longer word stays whole), cut after a comma where there is one."""
    pieces, piece = [], ""
    for word in _WORDS.findall(sentence):
        if piece and (len(piece) + len(word) >= most or (len(piece) > most // 2 and piece[-1] in ",;:")):
            pieces.append(piece)
            piece = ""
        piece = f"{piece} {word}" if piece else word
    return [*pieces, piece] if piece else pieces
