"""Micro-batches, processes and SIGKILL: none of them changes what a training of the motion model learns."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from train_made_up import config_of, trainer_of

from vasa_core.checkpoint import load_tensors
from vasa_core.motion.model import MotionModel
from vasa_core.training.motion_loop import run_training

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(Path(__file__).with_name("train_made_up.py"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def largest_difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    assert one.keys() == two.keys()
    return max(float((value - two[name]).abs().max()) for name, value in one.items())


def log_lines(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "minutes"} for line in lines]


def test_micro_batches_make_the_same_step() -> None:
    whole, parts = trainer_of(config_of(3)), trainer_of(config_of(3, accumulate=4))
    for _ in range(3):
        assert parts.train_step() == pytest.approx(whole.train_step(), rel=1e-5)
    assert largest_difference(whole.average.values, parts.average.values) < 1e-5
    weights = [{n: p.detach() for n, p in t.denoiser.named_parameters()} for t in (whole, parts)]
    assert largest_difference(*weights) < 1e-5
    assert largest_difference(
        weights[0], {n: p.detach() for n, p in trainer_of(config_of(3)).denoiser.named_parameters()}
    )
    assert parts.validation_loss() == pytest.approx(whole.validation_loss(), rel=1e-5)


@pytest.mark.slow
def test_two_processes_make_the_same_steps_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launch += ["--master_addr", "127.0.0.1", "--master_port", port, SCRIPT, str(tmp_path / "two"), "--steps", "3"]
    done = subprocess.run(launch, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    run_training(trainer_of(config_of(3)), tmp_path / "one" / "out", tmp_path / "one" / "run")
    (one, told), (two, told_two) = (
        load_tensors(tmp_path / name / "run" / "state.safetensors") for name in ("one", "two")
    )
    assert told["step"] == told_two["step"] == "3"
    assert largest_difference(one, two) < 1e-5
    for line, other in zip(log_lines(tmp_path / "one"), log_lines(tmp_path / "two"), strict=True):
        assert other == pytest.approx(line, rel=1e-5)


@pytest.mark.slow
def test_sigkill_loses_nothing_but_time(tmp_path: Path) -> None:
    steps = 30
    command = [sys.executable, SCRIPT, str(tmp_path / "killed"), "--steps", str(steps), "--hold", "0.8"]
    killed = subprocess.Popen(command, env=ENVIRONMENT)
    state = tmp_path / "killed" / "run" / "state.safetensors"
    while not state.is_file():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 0 < int(load_tensors(state)[1]["step"]) < steps
    resumed, whole = trainer_of(config_of(steps)), trainer_of(config_of(steps))
    run_training(resumed, tmp_path / "killed" / "out", tmp_path / "killed" / "run")
    run_training(whole, tmp_path / "whole" / "out", tmp_path / "whole" / "run")
    assert log_lines(tmp_path / "killed") == log_lines(tmp_path / "whole")
    assert len(log_lines(tmp_path / "whole")) == steps // 3
    assert largest_difference(resumed.average.values, whole.average.values) == 0
    one, two = (MotionModel.load(tmp_path / name / "out").state_dict() for name in ("killed", "whole"))
    assert largest_difference(one, two) == 0
    assert not list((tmp_path / "killed" / "run").rglob("*.part"))
