"""A raw video as streams: small frames now and then with the shot cuts, whole frames of chosen spans, and its sound.

All of them share one timeline, 25 frames a second from the file's time 0, with square pixels and no interlacing. No
stream holds more than a frame at a time, so a film of any length can be read.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vasa_core.io.audio import on_timeline
from vasa_core.io.ffmpeg import file_argument, input_arguments, quiet_command
from vasa_core.io.video import SCALER, Frame, filtered_frames
from vasa_core.rates import FPS, SAMPLE_RATE

Span = tuple[int, int]  # first frame, frame after the last
Part = tuple[int, int, int, int]  # x0, y0, x1, y1: px of the picture, the first two even and the last two outside

LOOK_EVERY = 5  # frames between two looks for faces
_LOOK_SIDE = 960  # px, long side of the pictures that are looked at
_CUT_SIDE = 256  # px, width of the pictures that are compared
_CUT_SCORE = 0.2  # of ffmpeg's scene score, 0 to 1
_MOST_SECONDS = 6 * 3600  # of sound, gaps between its packets included
_TIMELINE = f"bwdif=deint=interlaced,fps={FPS}:start_time=0"


class Looks:
    """Every LOOK_EVERY-th frame, made small, and beside them the cuts: the video is decoded once for both.

    Iterating raises InputError if the file has no readable video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scores = b""

    def __iter__(self) -> Iterator[Frame]:
        ratio = f"min(1,{_LOOK_SIDE}/max(iw*sar,ih))"
        size = f"w='max(2,trunc({ratio}*iw*sar))':h='max(2,trunc({ratio}*ih))'"
        compared = f"scale={_CUT_SIDE}:-2,select='gt(scene,{_CUT_SCORE})',metadata=print:file=pipe\\\\:2,nullsink"
        seen = f"select='not(mod(n,{LOOK_EVERY}))',scale={size}:flags=area"
        with tempfile.TemporaryFile() as said:
            yield from filtered_frames(self._path, f"{_TIMELINE},split[all][few];[all]{compared};[few]{seen}", said)
            said.seek(0)
            self._scores = said.read()

    @property
    def cuts(self) -> list[int]:
        """The frames at which a new shot starts, by ffmpeg's scene score; known when all looks were taken."""
        times = re.findall(rb"pts_time:(\d+\.?\d*)", self._scores)
        frames = {round(float(time) * FPS) for time in times}
        return sorted(frames - {0, 1})  # frame 1 is scored without knowing how much the picture moves anyway


def whole_frames(path: Path, spans: Sequence[Span], part: Part | None = None) -> Iterator[tuple[int, Frame]]:
    """The frames of the spans, in order and each once, with their numbers; RGB at full size, or a part of them.

    Raises InputError if the file has no readable video there.
    """
    merged = _merged(spans)
    chosen = "+".join(f"between(n,{first},{after - 1})" for first, after in merged)
    last = merged[-1][1]
    chain = f"{_TIMELINE},trim=end_frame={last},select='{chosen}',scale=w='trunc(iw*sar)':h=ih:flags={SCALER}"
    if part is not None:  # before the conversion to RGB, which costs more than decoding
        x0, y0, x1, y1 = part
        chain += f",crop={x1 - x0}:{y1 - y0}:{x0}:{y0}:exact=1,scale=flags={SCALER}"
    numbers = (number for first, after in merged for number in range(first, after))
    return zip(numbers, filtered_frames(path, chain), strict=False)


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, after in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(after, merged[-1][1]))
        else:
            merged.append((first, after))
    return merged


def write_sound(path: Path, target: Path) -> bool:
    """Write a file's sound from its time 0 as bare 16-bit samples, 16 kHz mono. Returns whether there is any."""
    command = [*quiet_command(), *input_arguments(path), "-map", "0:a:0"]
    command += ["-af", on_timeline(SAMPLE_RATE, "mono", _MOST_SECONDS), "-f", "s16le", "-y"]
    subprocess.run([*command, file_argument(target)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return target.is_file() and target.stat().st_size > 0


def complaint(path: Path) -> str | None:
    """The last thing ffmpeg complains of when it reads the file's packets to the end, if anything."""
    command = [*quiet_command(), *input_arguments(path), "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return re.sub(r"^\[[^\]]*\]\s*|file:\S*/", "", lines[-1]) if lines else None
