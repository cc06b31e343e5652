"""A talking-head video: frames that are made as they are taken, and the sound that goes with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.errors import Cancelled, InputError, shown
from vasa_core.files import part_beside
from vasa_core.io.audio import AudioFile
from vasa_core.io.containers import check_video_target
from vasa_core.io.video import VideoWriter
from vasa_core.options import FACE
from vasa_core.pipeline.prepared import Picture
from vasa_core.provenance.manifest import Origin
from vasa_core.provenance.mark import METADATA
from vasa_core.rates import FPS, SAMPLE_RATE
from vasa_core.types import Progress

Stopped = Callable[[], bool]
MakeFrames = Callable[..., Iterator[Picture]]  # cancelled, progress; of speech, also the frame to begin with


@dataclass(frozen=True)
class VideoResult:
    """What a finished file is. seconds: of video; wall_seconds: it took, from the call to the finished file.

    framing: what of the photo is shown, "face" or "photo". warnings: sentences on what was not done as asked. kept:
    frames that a run before had made.
    """

    path: str
    frames: int
    seconds: float
    wall_seconds: float
    width: int
    height: int
    seed: int
    framing: str = FACE
    warnings: tuple[str, ...] = ()
    kept: int = 0

    @property
    def size(self) -> int:
        """Longer side, px."""
        return max(self.width, self.height)


@dataclass(frozen=True)
class Video:
    """Marked frames, FPS of them a second, made anew each time the video is iterated over.

    make: (cancelled, progress) -> frames; a video of speech takes the number of the frame to begin with as well.
    size: (height, width), px. sound: a file, or a 16 kHz mono waveform. framing, warnings: see `VideoResult`. frames:
    how many there will be, if that is known. transparent: frames are RGBA, not RGB, colours not multiplied by opacity.
    origin: what is signed.
    """

    make: MakeFrames
    size: tuple[int, int]
    seed: int
    sound: Path | Float32[np.ndarray, " samples"] | None = None
    started: float = field(default_factory=time.perf_counter)
    framing: str = FACE
    warnings: tuple[str, ...] = ()
    frames: int | None = None
    transparent: bool = False
    origin: Origin = field(default_factory=Origin)

    def __iter__(self) -> Iterator[Picture]:
        return self.make(None, None)

    def save(self, out: Path | str, cancelled: Stopped | None = None, progress: Progress | None = None) -> VideoResult:
        """Write a file, which appears only when it is whole; its name says of which kind (see `io.containers`).

        Raises InputError for a path that cannot be written or cannot be transparent, Cancelled when `cancelled()` is
        true, OSError if ffmpeg fails.
        """
        check_out(out, transparent=self.transparent)
        target = Path(out)
        with self.writer(target) as writer:
            for frame in self.make(cancelled, progress):
                writer.write(frame)
        height, width = self.size
        wall_seconds = time.perf_counter() - self.started
        frames, said = writer.frames, (self.framing, self.warnings)
        return VideoResult(str(target), frames, frames / FPS, wall_seconds, width, height, self.seed, *said)

    @contextmanager
    def writer(self, target: Path) -> Generator[VideoWriter, None, None]:
        """What writes the frames and the sound to a file, which is there, whole, once this is closed."""
        with (
            sound_file(self.sound, target) as sound,
            VideoWriter(
                target,
                self.size,
                sound,
                METADATA,
                self.transparent,
                self.frames,
                self.origin.signing(target.suffix),
            ) as writer,
        ):
            yield writer


def watched(
    frames: Iterator[Picture], total: int, cancelled: Stopped | None, progress: Progress | None, done: int = 0
) -> Iterator[Picture]:
    """The frames, told of to `progress` one by one after `done`. Raises Cancelled when `cancelled()` is true."""
    try:
        for frame in frames:
            if cancelled and cancelled():
                raise Cancelled
            yield frame
            done += 1
            if progress:
                progress(done, total)
    except Cancelled as error:
        raise Cancelled(f"stopped after {done}{f' of {total}' if total else ''} frames") from error


def check_out(out: Path | str, *inputs: object, transparent: bool = False) -> None:
    """Raise InputError if no video can be written at `out`, or if it is one of the inputs (those that are files)."""
    if not isinstance(out, str | Path):
        raise InputError(f"out is {shown(out)}; expected the path of a video file.")
    files = [source.path if isinstance(source, AudioFile) else source for source in inputs]
    check_video_target(Path(out), transparent, *(Path(file) for file in files if isinstance(file, str | Path)))


def video_path(name: str, video: object) -> Path | None:
    """The path of a video that an argument names, if it does. Raises InputError for what is no path."""
    if video is not None and not isinstance(video, str | Path):
        raise InputError(f"{name} is {shown(video)}; expected a video file.")
    return None if video is None else Path(video)


@contextmanager
def sound_file(
    sound: Path | Float32[np.ndarray, " samples"] | None, target: Path
) -> Generator[Path | None, None, None]:
    """The sound as a file, which lies beside `target` as long as this is open if it was none."""
    if sound is None or isinstance(sound, Path):
        yield sound
        return
    from scipy.io import wavfile  # imported only here: it takes as long as ten frames

    path = part_beside(target)
    try:
        wavfile.write(path, SAMPLE_RATE, sound)
        yield path
    finally:
        path.unlink(missing_ok=True)
