"""What a live session hears: 16-bit sound as it is sent, given on a frame at a time, with silence in between."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vasa_core.errors import InputError
from vasa_core.rates import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME

SAMPLE_BYTES = 2  # little-endian, signed
PIECE_BYTES = SAMPLES_PER_FRAME * SAMPLE_BYTES
FULL_SCALE = 32768.0
GRACE = 0.1  # s that a microphone's next piece may be late before silence takes its place
CATCH_UP = 0.4  # s by which pieces may come faster after a wait, so that the clock does not slip
# Of a microphone's sound, s: where more than the first waits, the oldest goes until the second is left.
LATE, IN_TIME = 0.6, 0.12


@dataclass(frozen=True)
class Piece:
    """The sound of one frame. sound: s16le. heard: samples that were sent up to its end. at: when it was given on."""

    sound: bytes
    heard: int
    at: float

    @property
    def waveform(self) -> Float32[np.ndarray, " samples"]:
        """In [-1, 1]."""
        return (np.frombuffer(self.sound, "<i2") / FULL_SCALE).astype(np.float32)


class Ear:
    """Takes sound from one thread and gives it to another.

    Without a microphone the sound may be sent as fast as one likes: it is given on at the pace of speech, from a clock.
    A microphone is its own clock: each piece is given on as soon as it is there, and where the listener is slow the
    oldest sound is left out. Where nothing is sent there is silence, at the same pace.
    """

    def __init__(self, microphone: bool = False, most_seconds: float = 60.0) -> None:
        """most_seconds: of sound that may wait."""
        self._microphone, self._most = microphone, round(most_seconds * SAMPLE_RATE) * SAMPLE_BYTES
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._heard = 0  # samples taken out of `_waiting`
        self._ended = False
        self.stopped = threading.Event()
        self.given: deque[Piece] = deque()
        self.skipped = 0  # samples left out to keep up

    def hear(self, sound: bytes) -> None:
        """Raises InputError for half a sample, for more than may wait, and after the end."""
        if len(sound) % SAMPLE_BYTES:
            raise InputError(f"the sound has {len(sound)} bytes; expected 16-bit samples, 2 bytes each.")
        with self._changed:
            if self._ended:
                raise InputError("sound was sent after the end; expected none.")
            if len(self._waiting) + len(sound) > self._most:
                seconds = self._most / SAMPLE_BYTES / SAMPLE_RATE
                raise InputError(f"more than {seconds:g} s of sound wait; expected less: send it more slowly.")
            self._waiting += sound
            if self._microphone and len(self._waiting) > LATE * SAMPLE_RATE * SAMPLE_BYTES:
                self._skip(len(self._waiting) - round(IN_TIME * SAMPLE_RATE) * SAMPLE_BYTES)
            self._changed.notify()

    def interrupt(self) -> float:
        """Forget the sound that waits, but for a piece that fades out. Returns the seconds forgotten."""
        with self._changed:
            kept = np.frombuffer(bytes(self._waiting[:PIECE_BYTES]), "<i2")
            faded = (kept * np.linspace(1, 0, len(kept))).astype("<i2").tobytes()
            dropped = (len(self._waiting) - len(faded)) // SAMPLE_BYTES
            self._waiting[:] = faded
            self._heard += dropped
            self._changed.notify()
        return dropped / SAMPLE_RATE

    def end(self) -> None:
        """No more sound comes; what waits is still given on."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def stop(self) -> None:
        """Nothing more is given on."""
        self.stopped.set()
        self.end()

    def pieces(self) -> Iterator[Float32[np.ndarray, " samples"]]:
        """Waveforms of a frame each, until the end; each also stands in `given`, for whoever shows the frame."""
        due, heard = time.monotonic(), 0
        while (piece := self._next(due)) is not None:
            due += 1 / FPS
            if not self._microphone:
                due = max(due, piece.at - CATCH_UP)
            elif piece.heard > heard:  # the next is expected a piece's time after this one came
                due = min(max(due, piece.at + 1 / FPS), piece.at + 2 / FPS)
            heard = piece.heard
            self.given.append(piece)
            yield piece.waveform

    def _next(self, due: float) -> Piece | None:
        with self._changed:
            if self._microphone:
                self._wait_until(due + GRACE, enough=PIECE_BYTES)
            else:
                self._wait_until(due, enough=None)
            if self.stopped.is_set() or (self._ended and not self._waiting):
                return None
            taken = bytes(self._waiting[:PIECE_BYTES])
            del self._waiting[:PIECE_BYTES]
            self._heard += len(taken) // SAMPLE_BYTES
            return Piece(taken.ljust(PIECE_BYTES, b"\0"), self._heard, time.monotonic())

    def _wait_until(self, moment: float, enough: int | None) -> None:
        """Wait for the moment, or until `enough` bytes are there, the sound has ended, or all is stopped."""
        while (left := moment - time.monotonic()) > 0 and not self.stopped.is_set():
            if enough is not None and (len(self._waiting) >= enough or self._ended):
                return
            self._changed.wait(left)

    def _skip(self, size: int) -> None:
        size -= size % SAMPLE_BYTES
        del self._waiting[:size]
        self._heard += size // SAMPLE_BYTES
        self.skipped += size // SAMPLE_BYTES
