"""Processes and SIGKILL: neither changes what a training of the volume face model learns."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from train_made_up_face import train

from vasa_core.checkpoint import load_tensors
from vasa_core.face.volume.config import PRESETS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(Path(__file__).with_name("train_made_up_face.py"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def presets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The training puts the micro preset in the tiny one's place: undone afterwards."""
    monkeypatch.setitem(PRESETS, "tiny-128", PRESETS["tiny-128"])
    yield


def largest_difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    assert one.keys() == two.keys()
    return max(float((value - two[name]).abs().max()) for name, value in one.items())


def log_lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_make_the_same_steps_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launch += ["--master_addr", "127.0.0.1", "--master_port", port, SCRIPT, str(tmp_path / "two"), "--steps", "3"]
    done = subprocess.run(launch, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    train(tmp_path / "one", 3)
    (one, told), (two, told_two) = (load_tensors(tmp_path / name / "state.safetensors") for name in ("one", "two"))
    assert told["step"] == told_two["step"] == "3"
    names = [name for name in one if name.startswith(("graph.", "average."))]
    assert largest_difference(*({name: state[name] for name in names} for state in (one, two))) < 1e-5
    for line, other in zip(log_lines(tmp_path / "one"), log_lines(tmp_path / "two"), strict=True):
        assert other == pytest.approx(line, rel=1e-4)


def test_sigkill_loses_nothing_but_time(tmp_path: Path) -> None:
    steps = 12
    command = [sys.executable, SCRIPT, str(tmp_path / "killed"), "--steps", str(steps), "--hold", "0.8"]
    killed = subprocess.Popen(command, env=ENVIRONMENT)
    state = tmp_path / "killed" / "state.safetensors"
    while not state.is_file():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 0 < int(load_tensors(state)[1]["step"]) < steps
    resumed, whole = train(tmp_path / "killed", steps), train(tmp_path / "whole", steps)
    assert log_lines(tmp_path / "killed") == log_lines(tmp_path / "whole")
    assert [line["step"] for line in log_lines(tmp_path / "whole")] == [3, 6, 9, 12]
    one, two = (load_tensors(tmp_path / name / "state.safetensors")[0] for name in ("killed", "whole"))
    assert largest_difference(one, two) == 0
    assert resumed.step == whole.step == steps
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(".part")]
