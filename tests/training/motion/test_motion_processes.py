"""Micro-batches, processes and SIGKILL: none of them changes what a training of the motion model learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import largest_difference, run_killed, run_two
from train_made_up import config_of, trainer_of

from vasa_core.checkpoint import load_tensors
from vasa_core.training.engine.loop import run_training

SCRIPT = Path(__file__).with_name("train_made_up.py")


def log_lines(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
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
    run_two(SCRIPT, tmp_path / "two", 3)
    run_training(trainer_of(config_of(3)), tmp_path / "one")
    (one, told), (two, told_two) = (load_tensors(tmp_path / name / "state.safetensors") for name in ("one", "two"))
    assert told["step"] == told_two["step"] == "3"
    assert largest_difference(one, two) < 1e-5
    for line, other in zip(log_lines(tmp_path / "one"), log_lines(tmp_path / "two"), strict=True):
        assert other == pytest.approx(line, rel=1e-5)


@pytest.mark.slow
def test_sigkill_loses_nothing_but_time(tmp_path: Path) -> None:
    steps = 30
    run_killed(SCRIPT, tmp_path / "killed", tmp_path / "killed" / "state.safetensors", steps)
    resumed, whole = trainer_of(config_of(steps)), trainer_of(config_of(steps))
    run_training(resumed, tmp_path / "killed")
    run_training(whole, tmp_path / "whole")
    assert log_lines(tmp_path / "killed") == log_lines(tmp_path / "whole")
    assert len(log_lines(tmp_path / "whole")) == steps // 3
    assert largest_difference(resumed.average.values, whole.average.values) == 0
    one, two = (load_tensors(tmp_path / name / "state.safetensors")[0] for name in ("killed", "whole"))
    assert largest_difference(one, two) == 0
    assert not list((tmp_path / "killed").rglob("*.part"))
