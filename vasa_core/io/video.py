"""Video files in (any that ffmpeg reads) and out (MP4, MOV, WebM or GIF, written beside the target and renamed)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from jaxtyping import UInt8

from vasa_core.errors import InputError
from vasa_core.files import check_source, check_space, part_beside
from vasa_core.io.containers import check_video_target
from vasa_core.io.ffmpeg import file_argument, input_arguments, quiet_command
from vasa_core.io.mux import Muxer
from vasa_core.rates import FPS

Frame = UInt8[np.ndarray, "height width 3"]
Picture = UInt8[np.ndarray, "height width channels"]  # RGB or RGBA

MAX_SIDE = 16_384  # px, of a video's frames
SCALER = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"  # the default conversion is a level too dark
_FULL = 1 << 20  # bytes of a disk: with fewer left, that is why a file could not be written


def read_frames(path: Path, fps: int = FPS) -> Iterator[Frame]:
    """Frames of a video at `fps` frames a second from its time 0, RGB, turned upright, in bounded memory.

    Raises InputError if the file is missing or has no readable video.
    """
    check_source(path, "a video file")
    yield from filtered_frames(path, f"fps={fps}:start_time=0,scale=flags={SCALER}")


def filtered_frames(path: Path, filters: str, said: IO[bytes] | None = None) -> Iterator[Frame]:
    """What ffmpeg's filters make of a file's video, RGB, in bounded memory.

    filters: a graph of one input and one output. said: a file for what ffmpeg and its filters say on stderr.
    Raises InputError if the file has no readable video, or one with sides beyond MAX_SIDE.
    """
    command = [*quiet_command(), *input_arguments(path), "-map", "0:V:0", "-vf", filters]
    command += ["-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said or subprocess.DEVNULL, bufsize=1 << 20
    )
    assert process.stdout is not None
    try:
        frame = _read_ppm(process.stdout)
        if frame is None:
            raise InputError(f"{path.name} is not a video that can be read; expected a video file such as MP4.")
        if max(frame.shape[:2]) > MAX_SIDE:
            size = f"{frame.shape[1]}x{frame.shape[0]}"
            raise InputError(f"{path.name} has frames of {size} px; expected at most {MAX_SIDE} px a side.")
        while frame is not None:
            yield frame
            frame = _read_ppm(process.stdout)
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def _read_ppm(stream: IO[bytes]) -> Frame | None:
    """The next frame of a stream of PPM pictures as ffmpeg writes them, or None at its end."""
    header = [stream.readline() for _ in range(3)]  # "P6", "width height", "255"
    if not header[2]:
        return None
    width, height = map(int, header[1].split())
    data = stream.read(width * height * 3)
    return np.frombuffer(data, np.uint8).reshape(height, width, 3) if len(data) == width * height * 3 else None


class VideoWriter:
    """Writes frames, and the sound of a file beside them, as a video that appears only when it is whole.

    A context manager. Frames are encoded as they come into a hidden part file beside the target; on a clean exit
    the sound is added (see `Muxer`) and the file takes the target's name. After an exception nothing is left.
    """

    def __init__(
        self,
        target: Path,
        size: tuple[int, int],
        audio: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        transparent: bool = False,
        frames: int | None = None,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        """size: height, width in px (even). audio: a file with sound. metadata: tags of the container. transparent:
        frames are RGBA. frames: there will be, if that is known. seal: last of all, signs the finished file
        in place.

        What would fail at the end fails here: raises InputError if the target is no path of a video (one of CONTAINERS)
        in a writable folder with room for it, or the sound cannot go into it.
        """
        self.frames, self._seal = 0, seal
        self._target, self._size, self._metadata = target, size, dict(metadata or {})
        self._kind, self._transparent = check_video_target(target, transparent, audio), transparent
        self._pictures, self._palette, self._part, errors = (part_beside(target) for _ in range(4))
        check_space(target.parent, self._kind.bulk[transparent] * size[0] * size[1] * (frames or 1))
        self._muxer = Muxer(self._kind, self._part, audio, self._metadata, transparent)
        self._errors = errors.open("w+b")
        errors.unlink()
        self._encoder = subprocess.Popen(
            self._picture_command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors
        )

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._remove_parts()

    def write(self, frame: Picture) -> None:
        """Append one frame of the writer's size. Raises OSError if the encoder has stopped."""
        expected = (*self._size, 4 if self._transparent else 3)
        if frame.shape != expected:
            raise ValueError(f"frame has shape {frame.shape}; expected {expected}")
        assert self._encoder.stdin is not None
        try:
            self._encoder.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError as error:
            self._encoder.wait()
            raise self._failure() from error
        self.frames += 1

    def _picture_command(self) -> list[str]:
        height, width = self._size
        pixels = "rgba" if self._transparent else "rgb24"
        raw = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}", "-r", str(FPS), "-i", "pipe:0"]
        encode = list(self._kind.transparent if self._transparent else self._kind.pictures)
        if self._kind.animated_picture:
            return [*quiet_command(), *raw, *encode, "-f", "matroska", "-y", file_argument(self._pictures)]
        encode += ["-vf", f"scale=out_color_matrix=bt709:out_range=tv:flags={SCALER}"]
        colour = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        return [*quiet_command(), *raw, *encode, *colour, "-f", self._kind.muxer, "-y", file_argument(self._pictures)]

    def _palette_commands(self) -> list[list[str]]:
        """Two passes, so that no more than a frame is in memory."""
        pictures, palette = file_argument(self._pictures), file_argument(self._palette)
        colours = ["-vf", "palettegen=stats_mode=full", "-c:v", "rawvideo", "-f", "nut"]
        drawn = ["-lavfi", "paletteuse=dither=bayer:bayer_scale=4", "-f", "gif"]
        return [
            [*quiet_command(), "-i", pictures, *colours, "-y", palette],
            [*quiet_command(), "-i", pictures, "-i", palette, *drawn, "-y", file_argument(self._part)],
        ]

    def _finish(self) -> None:
        assert self._encoder.stdin is not None
        self._encoder.stdin.close()
        if self._encoder.wait():
            raise self._failure()
        if not self.frames:
            raise ValueError("no frame was written")
        muxed = self._muxer.command(["-i", file_argument(self._pictures)], self.frames)
        for command in self._palette_commands() if self._kind.animated_picture else [muxed]:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stderr=self._errors, check=False).returncode:
                raise self._failure()
        if self._kind.animated_picture:
            _add_comment(self._part, "; ".join(self._metadata.values()))
        if self._seal:
            self._seal(self._part)
        self._part.replace(self._target)

    def _failure(self) -> OSError:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if shutil.disk_usage(self._target.parent).free < _FULL:  # ffmpeg's own words had no room either
            return OSError(f"{self._target} could not be written: the disk is full")
        return OSError(f"{self._target} could not be written: {lines[-1] if lines else 'ffmpeg stopped'}")

    def _remove_parts(self) -> None:
        self._encoder.kill()
        self._encoder.wait()
        if self._encoder.stdin is not None and not self._encoder.stdin.closed:
            os.close(self._encoder.stdin.fileno())
        self._errors.close()
        for part in (self._pictures, self._palette, self._part):
            part.unlink(missing_ok=True)


def _add_comment(gif: Path, text: str) -> None:
    """Write a comment before a GIF file's last byte, its trailer; ffmpeg writes no tags into one."""
    data = text.encode()
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    with gif.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0;")
