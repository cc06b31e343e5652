"""What may be spoken: a file, a waveform, or pieces of one as they arrive; checked, and as one iterator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.audio import SpeechEncoder, stream_features
from vasa_core.audio.moonshine import LIVE_AHEAD
from vasa_core.errors import Cancelled, InputError, shown
from vasa_core.io.audio import AudioFile, has_sound
from vasa_core.motion.stream import LIVE_HOP, LIVE_LOOK_AHEAD
from vasa_core.options import MAX_AUDIO_SECONDS, MIN_AUDIO_SECONDS
from vasa_core.rates import SAMPLE_RATE, frame_count

LOUDEST = 8.0  # beyond it, numbers are no waveform in [-1, 1] that was amplified or resampled: 16-bit integers, say
# Frames of sound that the first frame of a hop waits for while speech arrives.
SOUND_AHEAD = LIVE_HOP - 1 + LIVE_LOOK_AHEAD + LIVE_AHEAD

Waveform = Float32[np.ndarray, " samples"]
Blocks = Sequence[Float[np.ndarray, "_ audio"]]


@dataclass(frozen=True)
class Heard:
    """Speech whose features are known, to be spoken many times. blocks: of features, in order."""

    audio: AudioFile | Waveform
    blocks: Blocks

    @classmethod
    def by(cls, encoder: SpeechEncoder, speech: str | Path | AudioFile | Waveform | Heard) -> Heard:
        """What the encoder hears in a speech. Raises InputError if it cannot be used."""
        audio = opened(speech)
        if isinstance(audio, Heard):
            return audio
        return cls(audio, list(stream_features(encoder, open_sound(audio, Event()).chunks)))


SpeechFile = str | Path | AudioFile | Waveform | Heard
Pieces = Iterable[Float32[np.ndarray, " _"]]  # each of a length of its own
Speech = str | Path | AudioFile | Waveform | Heard | Pieces


@dataclass(frozen=True)
class Sound:
    """Speech to be read once. frames: of its video; None for pieces that arrive. live: made with little delay.

    blocks: of features, where they are known.
    """

    chunks: Iterator[Waveform]
    frames: int | None
    blocks: Blocks | None = None

    @property
    def live(self) -> bool:
        """Whether it is still arriving."""
        return self.frames is None


def opened(speech: SpeechFile) -> AudioFile | Waveform | Heard:
    """Speech that is there as a whole: a file that has been decoded once, or a checked waveform.

    Raises InputError if it cannot be used.
    """
    if isinstance(speech, str | Path):
        return AudioFile.open(Path(speech))
    if not isinstance(speech, AudioFile | Heard | np.ndarray):
        raise InputError(f"the speech is {shown(speech)}; expected a file or a waveform.")
    open_sound(speech, Event())
    return speech


def played_sound(audio: AudioFile | Waveform | Heard) -> Path | Waveform:
    """What a video of the speech sounds like: the file, or the waveform."""
    audio = audio.audio if isinstance(audio, Heard) else audio
    return audio.path if isinstance(audio, AudioFile) else audio


def sound_of(path: Path | str | None) -> Path | None:
    """The file itself if it has sound."""
    return path if isinstance(path, Path) and has_sound(path) else None


def open_sound(speech: Speech, stopped: Event) -> Sound:
    """Speech of any kind as checked chunks, which raise Cancelled once `stopped` is set.

    Raises InputError if it cannot be used; for pieces that arrive, when they are read.
    """
    if isinstance(speech, str | Path):
        speech = AudioFile.open(Path(speech))
    if isinstance(speech, Heard):
        return Sound(iter(()), sum(map(len, speech.blocks)), speech.blocks)
    if isinstance(speech, AudioFile):
        return Sound(_until(stopped, speech.chunks()), frame_count(speech.samples))
    if isinstance(speech, np.ndarray):
        waveform = _checked(speech, "the audio")
        if not len(waveform):
            raise InputError("the audio is empty; expected speech.")
        if not MIN_AUDIO_SECONDS <= len(waveform) / SAMPLE_RATE <= MAX_AUDIO_SECONDS:
            raise InputError(
                f"the audio is {len(waveform) / SAMPLE_RATE:.2f} s long; "
                f"expected {MIN_AUDIO_SECONDS} s to {MAX_AUDIO_SECONDS // 3600} hours."
            )
        return Sound(_until(stopped, _in_pieces(waveform)), frame_count(len(waveform)))
    if isinstance(speech, Iterable) and not isinstance(speech, bytes | Mapping):
        return Sound(_until(stopped, _arriving(speech)), None)
    raise InputError(f"the audio is {shown(speech)}; expected a file, a waveform or an iterator of waveforms.")


def _in_pieces(waveform: Waveform) -> Iterator[Waveform]:
    """A second each: what hears them must not hear all before the first frame is drawn."""
    for start in range(0, len(waveform), SAMPLE_RATE):
        yield waveform[start : start + SAMPLE_RATE]


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
        raise InputError(f"{name} is {type(piece).__name__} {shown(piece)}; expected a float32 array.")
    if piece.dtype != np.float32 or piece.ndim != 1:
        raise InputError(f"{name} is {piece.dtype} of shape {piece.shape}; expected float32 of shape (samples,).")
    bad = piece[~(np.abs(piece) <= LOUDEST)]
    if len(bad):
        raise InputError(f"{name} holds {bad[0]}; expected a waveform in [-1, 1].")
    return piece
