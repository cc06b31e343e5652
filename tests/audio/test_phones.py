"""Phones with known times: the phone set, a synthesiser's letters, a real recording's alignment."""

import itertools

import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.phones import IPA, PHONES, SILENCE, phones_of_letters
from vasa_core.io.audio import read_audio

TEXT = (
    "My name is maple and I am pleased to meet you. A moment before I was only a photo now my lips open my brows "
    "move and people hear me speak"
)


def test_the_phone_set() -> None:
    assert len(PHONES) == len(set(PHONES)) == 40
    assert set(IPA.values()) <= set(PHONES)
    assert set(PHONES) - set(IPA.values()) == {SILENCE}


def test_letters_of_synthesis_become_phones_with_times() -> None:
    letters = ["", "m", "ˈ", "ɑ", "ː", " ", "p", ""]
    phones = phones_of_letters(letters, 0.025 * np.array([8, 4, 2, 4, 2, 4, 4, 4.0]), 0.08)
    assert [phone.name for phone in phones] == ["SIL", "M", "AA", "SIL", "P", "SIL"]
    assert [phone.start for phone in phones] == pytest.approx([-0.08, 0.12, 0.22, 0.42, 0.52, 0.62])
    assert phones[2].end == pytest.approx(0.42)  # with its length mark


def test_a_real_recording_is_aligned_with_its_words() -> None:
    speech = read_audio(ASSETS / "speech.wav")
    phones = Aligner()(speech, TEXT)
    assert phones is not None
    assert all(phone.name in PHONES and phone.end > phone.start for phone in phones)
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(phones))
    power = np.array([np.sqrt((speech[round(p.start * 16000) : round(p.end * 16000)] ** 2).mean()) for p in phones])
    vowels = np.array([p.name in ("AA", "AE", "AH", "AY", "EH", "IY", "OW") for p in phones])
    silent = np.array([p.name == SILENCE for p in phones])
    assert power[vowels].mean() > 4 * power[silent].mean()
    assert Aligner()(speech, "qwrtzk") is None
