"""A video that was stopped on its way goes on with what was made, and is the one that would have been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.video import read_frames
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.resume import OTHERS, generate_resumable

QUICK = GenerationOptions(size=256, steps=1, seed=3)
TIMEOUT_S = 300

KILLED = """
import sys
from pathlib import Path
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.resume import generate_resumable
options = GenerationOptions(size=256, steps=1, seed=3)
generate_resumable(Pipeline.load("cpu"), *map(Path, sys.argv[1:4]), options, segment_seconds=1)
"""


def stopped_after(frames: int) -> dict[str, Any]:
    done = [0]
    return {"progress": lambda number, _: done.append(number), "cancelled": lambda: done[-1] >= frames}


def assert_same(one: Path, other: Path) -> None:
    first, second = list(read_frames(one)), list(read_frames(other))
    assert len(first) == len(second) == 50
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_stopped_run_is_gone_on_with(pipeline: Pipeline, portrait: Path, short_speech: Path, tmp_path: Path) -> None:
    target, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"
    with pytest.raises(Cancelled, match="stopped after 30 of 50 frames"):
        generate_resumable(pipeline, portrait, short_speech, target, QUICK, segment_seconds=1, **stopped_after(30))
    assert not target.exists()
    seen: list[tuple[int, int]] = []
    progress = lambda done, total: seen.append((done, total))  # noqa: E731
    result = generate_resumable(pipeline, portrait, short_speech, target, QUICK, None, progress, 1)
    assert (result.kept, result.frames) == (25, 50)
    assert seen == [(number, 50) for number in range(26, 51)]
    generate_resumable(pipeline, portrait, short_speech, whole, QUICK, segment_seconds=1)
    assert_same(target, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]


@pytest.mark.slow
def test_other_options_begin_anew_and_say_so(
    pipeline: Pipeline, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(Cancelled):
        generate_resumable(pipeline, portrait, short_speech, target, QUICK, segment_seconds=1, **stopped_after(27))
    (left,) = tmp_path.iterdir()
    other = GenerationOptions(size=256, steps=1, seed=4)
    with pytest.raises(Cancelled):
        generate_resumable(pipeline, portrait, short_speech, target, other, segment_seconds=1, **stopped_after(1))
    assert not left.exists()
    waveform = np.zeros(4_800, np.float32)
    result = generate_resumable(pipeline, portrait, waveform, target, other, segment_seconds=1)
    assert (result.kept, result.warnings[-1]) == (0, OTHERS)
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(InputError, match="segment_seconds is 0; expected a number from 1 to 600"):
        generate_resumable(pipeline, portrait, short_speech, target, other, segment_seconds=0)


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with(pipeline: Pipeline, portrait: Path, short_speech: Path, tmp_path: Path) -> None:
    target, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"
    command = [sys.executable, "-c", KILLED, str(portrait), str(short_speech), str(target)]
    child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    until = time.monotonic() + TIMEOUT_S
    while not list(tmp_path.glob(".out.mp4.*.segments/000000.mp4")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not target.exists()
    result = generate_resumable(pipeline, portrait, short_speech, target, QUICK, segment_seconds=1)
    assert result.kept == 25
    generate_resumable(pipeline, portrait, short_speech, whole, QUICK, segment_seconds=1)
    assert_same(target, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
