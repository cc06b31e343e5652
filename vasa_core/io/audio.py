"""Speech files in: any audio or video file that ffmpeg reads, as 16 kHz mono, in bounded memory."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.errors import InputError
from vasa_core.files import check_source
from vasa_core.io.ffmpeg import input_arguments, quiet_command
from vasa_core.options import MAX_AUDIO_SECONDS, MIN_AUDIO_SECONDS
from vasa_core.rates import SAMPLE_RATE

_BYTES_PER_SAMPLE = 4
_COUNTING_BLOCK = 1 << 16  # samples
MAX_GAP_SECONDS = 300  # between two packets, as of a recorder that was muted

_CANCELLED = 0.1  # of the louder channel's energy: with less left of it in their mean, the channels cancel
_CHANNELS = ("pan=mono|c0=c0", "pan=mono|c0=c1")


def on_timeline(rate: int, channels: str = "", most_seconds: float | int = MAX_AUDIO_SECONDS + 1) -> str:
    """Filters that put sound at `rate` (Hz) on the file's timeline.

    Sample 0 is its time 0 and gaps are silence, so that it stays in step with the same file's pictures. channels:
    "mono" or "stereo"; as they are, two at most, by default.

    Rate and channels are few before gaps are filled, each of which takes its memory at once, and what comes later than
    MAX_GAP_SECONDS after the packet before comes then; all that is said to come after most_seconds stands at their end.
    """
    mixed = f":ochl={channels}:rematrix_maxval=1" if channels else ",aformat=channel_layouts=mono|stereo"
    few = f"aresample={rate}{mixed}"
    next_at = f"if(isnan(PREV_OUTPTS),0,PREV_OUTPTS)+{MAX_GAP_SECONDS}/TB"
    return f"{few},asetpts='min(min(PTS,{most_seconds}/TB),{next_at})',aresample={rate}:async=1:first_pts=0"


_STEREO = on_timeline(SAMPLE_RATE, "stereo")


@dataclass(frozen=True)
class AudioFile:
    """An audio (or video) file that has been decoded once and found good.

    samples: 16 kHz mono samples. channel: of a stereo file, the one that is heard (0 left, 1 right) where the two
    cancel in their mean, as when one is inverted; else None.
    """

    path: Path
    samples: int
    channel: int | None = None

    @classmethod
    def open(cls, path: Path, most_seconds: float | int = MAX_AUDIO_SECONDS) -> AudioFile:
        """Check a file by decoding it once in bounded memory, no more than a second beyond most_seconds.

        Raises InputError if it is missing, not audio, silent in the sense of having no samples, shorter than
        MIN_AUDIO_SECONDS or longer than most_seconds, or has a gap of more than MAX_GAP_SECONDS.
        """
        check_source(path, "an audio file")
        stored = coded_sound(path)
        if stored is not None:
            _check_stored(path, stored, most_seconds)
        samples, energies = 0, np.zeros(3)
        for chunk in _decode(path, 2 * _COUNTING_BLOCK, _STEREO, most_seconds + 1):
            left, right = chunk.reshape(-1, 2).T.astype(np.float64)  # (samples,) each
            samples += len(left)
            energies += [np.square(heard).sum() for heard in (left, right, (left + right) / 2)]
        if not samples:
            raise InputError(f"{path.name} holds no sound that can be read; expected an audio file such as WAV or MP3.")
        if samples < MIN_AUDIO_SECONDS * SAMPLE_RATE:
            raise InputError(
                f"{path.name} is {samples / SAMPLE_RATE:.2f} s long; expected at least {MIN_AUDIO_SECONDS} s of audio."
            )
        if samples > most_seconds * SAMPLE_RATE:
            raise _too_long(path, most_seconds)
        louder = int(energies[:2].argmax())
        return cls(path, samples, louder if energies[2] < _CANCELLED * energies[louder] else None)

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return self.samples / SAMPLE_RATE

    def chunks(self, samples_per_chunk: int = SAMPLE_RATE) -> Iterator[Float32[np.ndarray, " samples"]]:
        """The sound in order, 16 kHz mono in [-1, 1], in chunks of the given length (the last may be shorter)."""
        mono = on_timeline(SAMPLE_RATE, "mono")
        if self.channel is not None:
            mono = f"{_STEREO},{_CHANNELS[self.channel]}"
        return _decode(self.path, samples_per_chunk, mono)


@dataclass(frozen=True)
class CodedSound:
    """The sound track of a file as it is stored. codec: ffmpeg's name. seconds: where it ends in the file's time.

    gap: the longest time without a packet, seconds.
    """

    codec: str
    seconds: float
    gap: float


def coded_sound(path: Path) -> CodedSound | None:
    """How a file's sound is stored, without decoding it; None if it has none that can be read."""
    command = [*quiet_command(), *input_arguments(path), "-map", "0:a:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    said: dict[str, str] = {}
    packets = end = gap = 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.match(r"#(\w+) 0: (.+)", line):
                said[found[1]] = found[2]
            elif found := re.match(r"0, *-?\d+, *(-?\d+), *(\d+),", line):  # decoded at, shown at, lasting
                at, long = int(found[1]), int(found[2])
                packets, gap, end = packets + 1, max(gap, at - end), max(end, at + long)
    if not packets or "codec_id" not in said:
        return None
    unit = Fraction(said["tb"])
    return CodedSound(said["codec_id"], float(end * unit), float(gap * unit))


def _check_stored(path: Path, stored: CodedSound, most_seconds: float | int) -> None:
    """Refuse by its packets' times alone what would take long to decode."""
    if stored.gap > MAX_GAP_SECONDS:
        raise InputError(
            f"{path.name} has {stored.gap:.0f} s without sound between two packets; "
            f"expected at most {MAX_GAP_SECONDS} s."
        )
    if stored.seconds > most_seconds + 1:  # containers may say a little more than there is
        raise _too_long(path, most_seconds)


def _too_long(path: Path, most_seconds: float | int) -> InputError:
    most = f"{most_seconds / 3600:g} hours" if most_seconds >= 3600 else f"{most_seconds:g} s"
    return InputError(f"{path.name} is longer than {most}; expected at most that much audio.")


def has_sound(path: Path) -> bool:
    """Whether a file has a sound track that can be read; only its first samples are."""
    chunks = _decode(path, _COUNTING_BLOCK, _STEREO)
    try:
        return bool(len(next(chunks, ())))
    finally:
        chunks.close()


def read_audio(path: Path) -> Float32[np.ndarray, " samples"]:
    """The whole sound of a file, 16 kHz mono in [-1, 1]. Raises InputError as `AudioFile.open` does."""
    return np.concatenate(list(AudioFile.open(path).chunks()))


def _decode(
    path: Path, samples_per_chunk: int, filters: str, most_seconds: float | int = MAX_AUDIO_SECONDS + 1
) -> Generator[Float32[np.ndarray, " samples"]]:
    """Decoded chunks, channels interleaved.

    They end silently where the file stops being readable, and after most_seconds.
    """
    command = [*quiet_command(), *input_arguments(path), "-map", "0:a:0", "-t", f"{most_seconds:g}"]
    command += ["-af", filters, "-f", "f32le", "pipe:1"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 16
    )
    assert process.stdout is not None
    try:
        while data := process.stdout.read(samples_per_chunk * _BYTES_PER_SAMPLE):
            whole = len(data) - len(data) % _BYTES_PER_SAMPLE
            yield np.nan_to_num(np.frombuffer(data[:whole], "<f4")).clip(-1, 1).astype(np.float32, copy=False)
    finally:
        process.stdout.close()
        process.kill()
        process.wait()
