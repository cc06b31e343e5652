"""What is heard is given on whole and in order, at the pace of speech, with silence where nothing was sent."""

from __future__ import annotations

import threading
import time
from itertools import islice

import numpy as np
import pytest

from vasa_core.app.ear import IN_TIME, LATE, PIECE_BYTES, Ear
from vasa_core.errors import InputError
from vasa_core.rates import SAMPLE_RATE, SAMPLES_PER_FRAME


def ramp(samples: int) -> bytes:
    """Sound that says where it is from: 1, 2, 3 ..."""
    return np.arange(1, samples + 1).astype("<i2").tobytes()


def heard(ear: Ear) -> np.ndarray:
    """All that the ear gives on until its end, as it was sent."""
    waveforms = list(ear.pieces())
    assert all(len(waveform) == SAMPLES_PER_FRAME for waveform in waveforms)
    return np.concatenate([*waveforms, np.zeros(0, np.float32)]) * 32768


@pytest.mark.parametrize("microphone", [False, True])
@pytest.mark.parametrize("size", [2, 998, 40_000])
def test_all_that_was_sent_comes_out_once(microphone: bool, size: int) -> None:
    ear, sound = Ear(microphone), ramp(5_000)
    for start in range(0, len(sound), size):
        ear.hear(sound[start : start + size])
    ear.end()
    found = heard(ear)
    assert np.array_equal(found[:5_000], np.arange(1, 5_001))
    assert len(found) == 8 * SAMPLES_PER_FRAME
    assert not found[5_000:].any()
    assert [piece.heard for piece in ear.given] == [*range(640, 4_481, 640), 5_000]


def test_pieces_come_no_faster_than_speech_and_silence_when_nothing_is_sent() -> None:
    ear, began = Ear(), time.monotonic()
    ear.hear(ramp(700))
    pieces = list(islice(ear.pieces(), 6))
    assert time.monotonic() - began > 4.5 / 25
    assert [bool(piece.any()) for piece in pieces] == [True, True, False, False, False, False]
    assert [piece.heard for piece in ear.given] == [640, 700, 700, 700, 700, 700]


def test_a_microphone_s_piece_does_not_wait_for_the_clock() -> None:
    ear = Ear(microphone=True)
    ear.hear(ramp(3 * SAMPLES_PER_FRAME))
    began = time.monotonic()
    assert len(list(islice(ear.pieces(), 3))) == 3
    assert time.monotonic() - began < 2 / 25


def test_a_slow_listener_misses_the_oldest_of_a_microphone() -> None:
    ear, sound = Ear(microphone=True), ramp(30_000)
    for start in range(0, len(sound), PIECE_BYTES):
        ear.hear(sound[start : start + PIECE_BYTES])
    ear.end()
    found = heard(ear)
    kept = np.flatnonzero(found)
    assert 0 < len(kept) < LATE * SAMPLE_RATE + PIECE_BYTES
    assert np.array_equal(found[kept], np.arange(30_001 - len(kept), 30_001))  # the newest, without a gap
    assert ear.skipped == 30_000 - len(kept)
    assert len(kept) >= IN_TIME * SAMPLE_RATE
    assert ear.given[-1].heard == 30_000


def test_an_interrupt_forgets_what_waits_and_fades_out() -> None:
    ear = Ear()
    ear.hear(np.full(SAMPLE_RATE, 10_000, "<i2").tobytes())
    assert ear.interrupt() == pytest.approx(1 - 1 / 25)
    ear.end()
    found = heard(ear)
    assert len(found) == SAMPLES_PER_FRAME
    assert (np.diff(found) <= 0).all()
    assert found[0] == 10_000
    assert found[-1] == 0
    assert ear.given[-1].heard == SAMPLE_RATE
    assert ear.interrupt() == 0.0


def test_stopping_wakes_who_waits() -> None:
    ear = Ear(microphone=True)
    ear.hear(ramp(640))
    pieces = ear.pieces()
    next(pieces)
    waiting = threading.Thread(target=lambda: list(pieces))
    waiting.start()
    ear.stop()
    waiting.join(5)
    assert not waiting.is_alive()


def test_what_cannot_be_heard_is_said() -> None:
    ear = Ear(most_seconds=1.0)
    with pytest.raises(InputError, match="has 3 bytes; expected 16-bit samples"):
        ear.hear(b"abc")
    ear.hear(ramp(SAMPLE_RATE))
    with pytest.raises(InputError, match="more than 1 s of sound wait; expected less"):
        ear.hear(ramp(1))
    ear.end()
    with pytest.raises(InputError, match="after the end"):
        ear.hear(ramp(1))
