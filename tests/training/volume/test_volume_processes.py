"""Processes and SIGKILL: neither changes what a training of the volume face model learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from processes import largest_difference, run_killed, run_two
from train_made_up_face import train

from vasa_core.checkpoint import load_tensors
from vasa_core.face.volume.config import PRESETS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("train_made_up_face.py")


@pytest.fixture(autouse=True)
def as_the_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, as the program has, for the same rounding. The training puts the micro preset in the tiny one's
    place. Both are undone afterwards."""
    monkeypatch.setitem(PRESETS, "tiny-128", PRESETS["tiny-128"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def log_lines(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "minutes"} for line in lines]


def test_two_processes_make_the_same_steps_as_one(tmp_path: Path) -> None:
    run_two(SCRIPT, tmp_path / "two", 3)
    train(tmp_path / "one", 3)
    (one, told), (two, told_two) = (load_tensors(tmp_path / name / "state.safetensors") for name in ("one", "two"))
    assert told["step"] == told_two["step"] == "3"
    names = [name for name in one if name.startswith(("graph.", "average."))]
    assert largest_difference(*({name: state[name] for name in names} for state in (one, two))) < 1e-5
    for line, other in zip(log_lines(tmp_path / "one"), log_lines(tmp_path / "two"), strict=True):
        assert other == pytest.approx(line, rel=1e-4)


def test_sigkill_loses_nothing_but_time(tmp_path: Path) -> None:
    steps = 12
    run_killed(SCRIPT, tmp_path / "killed", tmp_path / "killed" / "state.safetensors", steps)
    resumed, whole = train(tmp_path / "killed", steps), train(tmp_path / "whole", steps)
    assert log_lines(tmp_path / "killed") == log_lines(tmp_path / "whole")
    assert [line["step"] for line in log_lines(tmp_path / "whole")] == [3, 6, 9, 12]
    one, two = (load_tensors(tmp_path / name / "state.safetensors")[0] for name in ("killed", "whole"))
    assert largest_difference(one, two) == 0
    assert resumed.step == whole.step == steps
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(".part")]
