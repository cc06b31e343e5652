"""Trainings as programs of their own: two processes at once, and one that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch

from vasa_core.assets import ASSETS
from vasa_core.checkpoint import load_tensors

ROOT = ASSETS.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run_two(script: Path, out: Path, steps: int) -> None:
    """`script OUT --steps N` by two processes (gloo) that share each step."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launch += ["--master_addr", "127.0.0.1", "--master_port", port, str(script), str(out), "--steps", str(steps)]
    done = subprocess.run(launch, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def run_killed(script: Path, out: Path, state: Path, steps: int) -> None:
    """`script OUT --steps N`, killed as soon as its first state is there, which it waits for a while after writing."""
    command = [sys.executable, str(script), str(out), "--steps", str(steps), "--hold", "0.8"]
    killed = subprocess.Popen(command, env=ENVIRONMENT)
    while not state.is_file():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 0 < int(load_tensors(state)[1]["step"]) < steps


def largest_difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """Between tensors of the same names."""
    assert one.keys() == two.keys()
    return max(float((value - two[name]).abs().max()) for name, value in one.items())
