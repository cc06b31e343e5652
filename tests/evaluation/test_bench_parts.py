"""What bench measures and compares: parts that add up, stacks that name who was busy, numbers beside those before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vasa_core.evaluation.bench import compared
from vasa_core.evaluation.machine import described_cpu
from vasa_core.evaluation.parts import ADDING, MARK, MOTION, OTHER, PAINTERS, PARTS, WARP, Meter, metered
from vasa_core.evaluation.stacks import profiled
from vasa_core.pipeline import Pipeline


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_what_is_inside_another_part_counts_once_and_all_adds_up() -> None:
    meter = Meter()
    painters = meter.timed(PAINTERS, busy)

    def paint() -> None:
        painters(0.02)
        busy(0.01)

    def decode(frames: int) -> Iterator[int]:
        for number in range(frames):
            busy(0.03)
            meter.timed("paint", paint)()
            yield number

    assert list(meter.timed_steps("decode", decode)(2)) == [0, 1]
    meter.own, meter.children = 0.2, 0.1
    found = meter.seconds()
    assert tuple(found) == PARTS
    expected = {WARP: 0.06, PAINTERS: 0.04, ADDING: 0.02, MARK: 0.0, MOTION: 0.0, OTHER: 0.08}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.005)
    assert sum(found.values()) == pytest.approx(0.3)


def test_a_metered_generation_is_split_and_the_pipeline_as_it_was(
    pipeline: Pipeline, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    face: Any = pipeline.face
    before = dict(vars(pipeline)), dict(vars(face)), dict(vars(face.renderer))
    with metered(pipeline) as meter:
        pipeline.generate(portrait, short_speech, tmp_path / "out.mp4", size=256, steps=1)
    found = meter.seconds()
    assert all(found[part] > 0 for part in PARTS)
    assert found[PAINTERS] < meter.own
    assert (dict(vars(pipeline)), dict(vars(face)), dict(vars(face.renderer))) == before


def test_a_profile_names_what_was_busy(tmp_path: Path) -> None:
    target = tmp_path / "stacks.txt"
    with profiled(target):
        busy(0.3)
    found = [line.rsplit(" ", 1) for line in target.read_text().splitlines()]
    own = [(stack, int(count)) for stack, count in found if "test_a_profile_names_what_was_busy" in stack]
    assert any(".busy:" in stack and count > 0 for stack, count in own)


def test_numbers_that_both_have_are_compared() -> None:
    now = {"a": 3.0, "size": 512, "cpu": "x", "parts": {"b": 1.0, "c": 2.0}, "new": 1}
    before = {"a": 2.0, "size": 512, "cpu": "y", "parts": {"b": 0.0}, "old": 1}
    assert compared(now, before) == {
        "a": [2.0, 3.0, 1.5],
        "size": [512, 512, 1.0],
        "parts": {"b": [0.0, 1.0, None]},
    }


def test_the_cpu_has_a_name() -> None:
    found = described_cpu()
    assert found["cpu"]
    assert found["instructions"] in ("amx", "avx512", "other")
