"""Phones of speech with known times: the phone set, its spellings, and labels per step of a speech encoder.

The set is ARPAbet's 39 phones (CMU Pronouncing Dictionary) and silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

SILENCE = "SIL"
PHONES = (
    *(SILENCE, "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY"),
    *("JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
STEP_SECONDS = 0.02  # of a label
UNKNOWN = -1  # label of a step whose phone is not known

# The alphabet of the speech synthesisers hibari and Kokoro (misaki): IPA with capitals for diphthongs.
IPA = {
    **{"ɑ": "AA", "ɒ": "AA", "a": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ᵊ": "AH", "ɔ": "AO", "W": "AW"},
    **{"I": "AY", "b": "B", "ʧ": "CH", "d": "D", "ɾ": "D", "ð": "DH", "ɛ": "EH", "ɜ": "ER", "ɚ": "ER", "A": "EY"},
    **{"f": "F", "ɡ": "G", "h": "HH", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʤ": "JH", "k": "K", "l": "L", "m": "M"},
    **{"n": "N", "ŋ": "NG", "O": "OW", "Q": "OW", "Y": "OY", "p": "P", "ɹ": "R", "s": "S", "ʃ": "SH", "t": "T"},
    **{"T": "D", "θ": "TH", "ʊ": "UH", "u": "UW", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH"},
}
_STRESS, _LENGTH, _PAUSES = "ˈˌ", "ː", " ,.;:!?—…"


@dataclass(frozen=True)
class Phone:
    """One phone by its ARPAbet name ("" where it has none), from start to end in seconds."""

    name: str
    start: float
    end: float


def step_labels(phones: Sequence[Phone], samples: int, rate: int) -> Int[np.ndarray, " steps"]:
    """Index into PHONES of every STEP_SECONDS of a waveform, by each step's middle; UNKNOWN where no phone is."""
    steps = int(np.ceil(samples / rate / STEP_SECONDS))
    labels = np.full(steps, UNKNOWN, np.int64)
    middles = (np.arange(steps) + 0.5) * STEP_SECONDS
    for phone in phones:
        index = PHONES.index(phone.name) if phone.name in PHONES else UNKNOWN
        labels[(middles >= phone.start) & (middles < phone.end)] = index
    return labels


def phones_of_letters(letters: Sequence[str], seconds: Float[np.ndarray, " letters"], late: float) -> tuple[Phone, ...]:
    """A voice's letters with their lengths -> phones; stress belongs to what follows, a length mark to what precedes.

    late: seconds by which the lengths run behind the sound.
    """
    ends = np.cumsum(seconds) - late
    phones: list[Phone] = []
    stressed: float | None = None
    for letter, length, end in zip(letters, seconds, ends, strict=True):
        start = float(end - length)
        if letter and letter in _STRESS:
            stressed = start
        elif letter == _LENGTH and phones:
            phones[-1] = Phone(phones[-1].name, phones[-1].start, float(end))
        else:
            silent = not letter or letter in _PAUSES
            name = SILENCE if silent else IPA.get(letter, "")
            phones.append(Phone(name, start if stressed is None else stressed, float(end)))
            stressed = None
    return tuple(phones)
