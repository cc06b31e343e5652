"""What may be spoken: a file, a waveform, or pieces of one as they arrive; checked, and as one iterator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from jaxtyping import Float32

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.audio import AudioFile
from vasa_core.rates import frame_count

LOUDEST = 8.0  # beyond it, numbers are no waveform in [-1, 1] that was amplified or resampled: 16-bit integers, say

Waveform = Float32[np.ndarray, " samples"]
Pieces = Iterable[Float32[np.ndarray, " _"]]  # each of a length of its own
Speech = str | Path | AudioFile | Waveform | Pieces


@dataclass(frozen=True)
class Sound:
    """Speech to be read once. frames: of its video; None for pieces that arrive. live: made with little delay."""

    chunks: Iterator[Waveform]
    frames: int | None

    @property
    def live(self) -> bool:
        """Whether it is still arriving."""
        return self.frames is None


def open_sound(speech: Speech, stopped: Event) -> Sound:
    """Speech of any kind as checked chunks, which raise Cancelled once `stopped` is set.

    Raises InputError if it cannot be used; for pieces that arrive, when they are read.
    """
    if isinstance(speech, str | Path):
        speech = AudioFile.open(Path(speech))
    if isinstance(speech, AudioFile):
        return Sound(_until(stopped, speech.chunks()), frame_count(speech.samples))
    if isinstance(speech, np.ndarray):
        waveform = _checked(speech, "the audio")
        if not len(waveform):
            raise InputError("the audio is empty; expected speech.")
        return Sound(iter([waveform]), frame_count(len(waveform)))
    if isinstance(speech, Iterable):
        return Sound(_until(stopped, _arriving(speech)), None)
    raise InputError(f"the audio is {speech!r}; expected a file, a waveform or an iterator of waveforms.")


def _arriving(pieces: Pieces) -> Iterator[Waveform]:
    samples = 0
    for number, piece in enumerate(pieces):
        yield _checked(piece, f"piece {number} of the audio")
        samples += len(piece)
    if not samples:
        raise InputError("the audio is empty; expected speech.")


def _until(stopped: Event, chunks: Iterator[Waveform]) -> Iterator[Waveform]:
    for chunk in chunks:
        if stopped.is_set():
            raise Cancelled("the frames are no longer wanted")
        yield chunk


def _checked(piece: object, name: str) -> Waveform:
    if not isinstance(piece, np.ndarray):
        raise InputError(f"{name} is {type(piece).__name__} {piece!r:.40}; expected a float32 array.")
    if piece.dtype != np.float32 or piece.ndim != 1:
        raise InputError(f"{name} is {piece.dtype} of shape {piece.shape}; expected float32 of shape (samples,).")
    bad = piece[~(np.abs(piece) <= LOUDEST)]
    if len(bad):
        raise InputError(f"{name} holds {bad[0]}; expected a waveform in [-1, 1].")
    return piece
