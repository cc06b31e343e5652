"""Videos in segments: what is joined is whole, what was killed goes on, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.io.ffmpeg import executable
from vasa_core.io.segments import SegmentWriter
from vasa_core.io.video import read_frames

WriteSound = Callable[..., Path]
SIZE, EACH, TOTAL = (64, 96), 8, 27
TIMEOUT_S = 60

KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_segments import frame, segments
with segments(Path(sys.argv[2])) as writer:
    for number in range(writer.frames, 21):
        writer.write(frame(number))
    time.sleep(600)
"""


def frame(number: int, channels: int = 3) -> np.ndarray:
    """A smooth picture that differs from number to number."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return np.stack([x + 4 * number, y * 2, 120 - x, 0 * x + 200], 2)[..., :channels].clip(0, 255).astype(np.uint8)


def segments(target: Path, audio: Path | None = None, transparent: bool = False) -> SegmentWriter:
    return SegmentWriter(target, target.with_name("parts"), SIZE, EACH, TOTAL, audio, {"title": "t"}, transparent)


def packets(path: Path, stream: str) -> list[str]:
    """A stream's packets as ffmpeg lists them: when each is decoded and shown, how long, how large, its checksum."""
    command = [executable(), "-v", "error", "-i", str(path), "-map", f"0:{stream}", "-c", "copy", "-f", "framecrc", "-"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in listed if not line.startswith("#")]


def write_all(target: Path, audio: Path | None = None, transparent: bool = False) -> None:
    with segments(target, audio, transparent) as writer:
        for number in range(writer.frames, TOTAL):
            writer.write(frame(number, 4 if transparent else 3))


@pytest.mark.parametrize(("suffix", "transparent"), [(".mp4", False), (".mov", True), (".webm", False)])
def test_joined_segments_are_one_video_with_every_frame_in_its_place(
    tmp_path: Path, write_sound: WriteSound, suffix: str, transparent: bool
) -> None:
    target = tmp_path / f"out{suffix}"
    write_all(target, write_sound(np.sin(np.arange(17_000))), transparent)
    read = list(read_frames(target))
    assert len(read) == TOTAL
    if not transparent:
        for number, found in enumerate(read):
            assert np.abs(found.astype(int) - frame(number)).mean() < 3
    shown = sorted(int(line.split(",")[2]) for line in packets(target, "v"))
    assert len(set(np.diff(shown))) == 1
    assert shown[0] == 0
    command = [executable(), "-v", "error", "-i", str(target), "-map", "0:a", "-ac", "1", "-f", "f32le", "-"]
    heard = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    assert abs(len(heard) - TOTAL * 1920) <= (960 if suffix == ".webm" else 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, "sound.wav"]


def test_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    target, whole = tmp_path / "out.mp4", tmp_path / "whole" / "out.mp4"
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, here, str(target)], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    second, until = tmp_path / "parts" / "000001.mp4", time.monotonic() + TIMEOUT_S
    while not second.is_file() and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert second.is_file()
    assert not target.exists()
    written = second.stat().st_mtime_ns
    with segments(target) as writer:
        assert writer.kept == 2 * EACH
        assert second.stat().st_mtime_ns == written
        for number in range(writer.kept, TOTAL):
            writer.write(frame(number))
    whole.parent.mkdir()
    write_all(whole)
    assert packets(target, "v") == packets(whole, "v")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole"]


def test_after_an_exception_finished_segments_stay_and_no_more(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(RuntimeError, match="stop"), segments(target) as writer:
        for number in range(EACH + 3):
            writer.write(frame(number))
        raise RuntimeError("stop")
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["000000.mp4"]
    with pytest.raises(ValueError, match=f"{EACH} frames were written; expected {TOTAL}"), segments(target):
        pass
    assert not target.exists()


def test_a_gif_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out\.gif cannot be made in segments; expected \.mp4"):
        segments(tmp_path / "out.gif")
    assert list(tmp_path.iterdir()) == []
