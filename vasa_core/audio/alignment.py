"""When the phones of a transcript are said: forced alignment by pocketsphinx (US English)."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
from jaxtyping import Float32

from vasa_core.audio.phones import PHONES, SILENCE, Phone
from vasa_core.errors import MissingModelError
from vasa_core.rates import SAMPLE_RATE

_HOP = 100  # steps a second


class Aligner:
    """Forced alignment of English speech with its transcript, by pocketsphinx and its own models."""

    def __init__(self) -> None:
        """Raises MissingModelError where pocketsphinx is not installed."""
        if importlib.util.find_spec("pocketsphinx") is None:
            raise MissingModelError(
                "phones of recordings: needs pocketsphinx, `pip install --no-deps pocketsphinx==5.1.1`"
            )
        from pocketsphinx import Decoder

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


def _known(name: str) -> str:
    """pocketsphinx's noises are silence."""
    return name if name in PHONES else SILENCE
