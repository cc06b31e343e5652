"""A video written in pieces that are whole files, so that a run that was killed can go on from those that are there."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from vasa_core.errors import InputError
from vasa_core.files import part_beside, write_text
from vasa_core.io.containers import check_video_target
from vasa_core.io.ffmpeg import file_argument
from vasa_core.io.mux import Muxer
from vasa_core.io.video import Picture, VideoWriter

_LIST = "list.txt"


class SegmentWriter:
    """Writes frames as `VideoWriter` does, but in segments of a fixed number of frames, each a file of its own.

    A context manager. Segments lie in a folder and stay there after an exception, and when the process is killed; a
    writer of the same folder begins with the frames that they lack. On a clean exit they are joined, without being
    encoded again, the sound is added, the file takes the target's name, and the folder goes.
    """

    def __init__(
        self,
        target: Path,
        folder: Path,
        size: tuple[int, int],
        frames_each: int,
        frames: int,
        audio: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        transparent: bool = False,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        """folder: is made; another kind of video must have another. frames_each: of a segment. frames: there will be.

        Else as `VideoWriter`. Raises InputError as that does, and for a kind of video that cannot be joined.
        """
        kind = check_video_target(target, transparent, audio)
        if kind.animated_picture:
            raise InputError(f"{target.name} cannot be made in segments; expected .mp4, .mov or .webm to go on with.")
        self._target, self._folder, self._size, self._each = target, folder, size, frames_each
        self._total, self._transparent, self._seal, self._part = frames, transparent, seal, part_beside(target)
        self._muxer = Muxer(kind, self._part, audio, metadata or {}, transparent)
        folder.mkdir(exist_ok=True)
        there = 0
        while there * frames_each < frames and self._segment(there).is_file():
            there += 1
        self.kept = self.frames = min(there * frames_each, frames)
        self._open = ExitStack()
        self._writer: VideoWriter | None = None

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        try:
            if kind is None:
                self._finish()
        finally:
            self._part.unlink(missing_ok=True)

    def write(self, frame: Picture) -> None:
        """Append the next frame, number `frames` of the video. Raises OSError if the encoder has stopped."""
        if self._writer is None:
            target = self._segment(self.frames // self._each)
            left = min(self._each, self._total - self.frames)
            writer = VideoWriter(target, self._size, transparent=self._transparent, frames=left)
            self._writer = self._open.enter_context(writer)
        self._writer.write(frame)
        self.frames += 1
        if self.frames % self._each == 0:
            self._close_segment()

    def _close_segment(self) -> None:
        self._open.close()
        self._writer = None

    def _segment(self, number: int) -> Path:
        return self._folder / f"{number:06d}{self._target.suffix.lower()}"

    def _finish(self) -> None:
        if self.frames != self._total:
            raise ValueError(f"{self.frames} frames were written; expected {self._total}")
        names = [self._segment(number).name for number in range(math.ceil(self._total / self._each))]
        listed = self._folder / _LIST
        write_text(listed, "".join(f"file {name}\n" for name in names))
        # Unchanged, they share one header: all were encoded alike.
        joined = ["-f", "concat", "-auto_convert", "0", "-i", file_argument(listed)]
        done = subprocess.run(
            self._muxer.command(joined, self.frames), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["ffmpeg stopped"]
            raise OSError(f"{self._target} could not be written: {said[-1]}")
        if self._seal:
            self._seal(self._part)
        self._part.replace(self._target)
        shutil.rmtree(self._folder)
