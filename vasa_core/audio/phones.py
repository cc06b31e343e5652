"""Phones of speech with known times: the phone set and its spellings.

The set is ARPAbet's 39 phones (CMU Pronouncing Dictionary) and silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SILENCE = "SIL"
PHONES = (
    *(SILENCE, "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY"),
    *("JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)

# The alphabet of the speech synthesiser hibari (misaki): IPA with capitals for diphthongs.
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
