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

_CANCELLED = 0.1  # of the louder channel's energy: with less left of it in their mean, the channels cancel
_CHANNELS = ("pan=mono|c0=c0", "pan=mono|c0=c1")


def on_timeline(rate: int, channels: str = "", most_seconds: int = MAX_AUDIO_SECONDS + 1) -> str:
    """Filters that put sound at `rate` (Hz) on the file's timeline.

    Sample 0 is its time 0 and gaps are silence, so that it stays in step with the same file's pictures. channels:
    "mono" or "stereo"; as they are, two at most, by default.

    Rate and channels are few before gaps are filled, each of which takes its memory at once, and all that is said to
    come after most_seconds stands at their end.
    """
    mixed = f":ochl={channels}:rematrix_maxval=1" if channels else ",aformat=channel_layouts=mono|stereo"
    few = f"aresample={rate}{mixed}"
    return f"{few},asetpts='min(PTS,{most_seconds}/TB)',aresample={rate}:async=1:first_pts=0"


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
    def open(cls, path: Path) -> AudioFile:
        """Check a file by decoding it once in bounded memory.

        Raises InputError if it is missing, not audio, silent in the sense of having no samples, shorter than
        MIN_AUDIO_SECONDS or longer than MAX_AUDIO_SECONDS.
        """
        check_source(path, "an audio file")
        samples, energies = 0, np.zeros(3)
        for chunk in _decode(path, 2 * _COUNTING_BLOCK, _STEREO):
            left, right = chunk.reshape(-1, 2).T.astype(np.float64)  # (samples,) each
            samples += len(left)
            energies += [np.square(heard).sum() for heard in (left, right, (left + right) / 2)]
        if not samples:
            raise InputError(f"{path.name} holds no sound that can be read; expected an audio file such as WAV or MP3.")
        if samples < MIN_AUDIO_SECONDS * SAMPLE_RATE:
            raise InputError(
                f"{path.name} is {samples / SAMPLE_RATE:.2f} s long; expected at least {MIN_AUDIO_SECONDS} s of audio."
            )
        if samples > MAX_AUDIO_SECONDS * SAMPLE_RATE:
            raise InputError(
                f"{path.name} is longer than {MAX_AUDIO_SECONDS // 60} minutes; expected at most that much audio."
            )
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
    """The sound track of a file as it is stored. codec: ffmpeg's name. seconds: where it ends in the file's time."""

    codec: str
    seconds: float


def coded_sound(path: Path) -> CodedSound | None:
    """How a file's sound is stored, without decoding it; None if it has none that can be read."""
    command = [*quiet_command(), *input_arguments(path), "-map", "0:a:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    said = dict(re.findall(r"^#(\w+) 0: (.+)$", listed, re.MULTILINE))
    packets = re.findall(r"^0, *-?\d+, *(-?\d+), *(\d+),", listed, re.MULTILINE)  # decoded at, shown at, lasting
    if not packets or "codec_id" not in said:
        return None
    return CodedSound(said["codec_id"], float(max(int(at) + int(long) for at, long in packets) * Fraction(said["tb"])))


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


def _decode(path: Path, samples_per_chunk: int, filters: str) -> Generator[Float32[np.ndarray, " samples"]]:
    """Decoded chunks, channels interleaved.

    They end silently where the file stops being readable, and one second after the longest length.
    """
    command = [*quiet_command(), *input_arguments(path), "-map", "0:a:0", "-t", str(MAX_AUDIO_SECONDS + 1)]
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
