"""The course of every training: steps, log, snapshots, resuming; and what it would take, told by a first step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from vasa_core.training.engine.memory import available_memory, check_memory
from vasa_core.training.engine.run_folder import RunFolder
from vasa_core.training.engine.trainer import Trainer

Progress = Callable[[float, str], None]  # share done, line of text
_GIB = 2**30


class Snapshot(NamedTuple):
    """What a run looks like now: figures for the log, and pictures (RGB)."""

    figures: Mapping[str, float]
    pictures: Mapping[str, UInt8[np.ndarray, "height width 3"]]


def run_training(
    trainer: Trainer,
    folder: Path,
    snapshot: Callable[[], Snapshot] | None = None,
    *,
    begin: Callable[[], object] | None = None,
    pause: float | None = None,
    progress: Progress | None = None,
) -> None:
    """Train to the end, from the state in `folder` if there is one; of many processes the main one alone writes.

    snapshot: looks at the run each time before its state is written. begin: what comes before the first step of a new
    run. pause: minutes of training after which to stop; the same call goes on. Raises InputError if the folder is of a
    run with another config.
    """
    run, main = RunFolder(folder), trainer.accelerator.is_main_process
    config = trainer.config
    run.check(asdict(config), config.CHANGEABLE)
    if run.state.is_file():
        trainer.load_state(run.state)
    elif begin:
        begin()
    trainer.accelerator.wait_for_everyone()  # nobody writes before all have read
    if main:
        run.begin(asdict(config), trainer.step)
    began = saved = trainer.seconds
    try:
        while trainer.progress < 1 and (pause is None or trainer.seconds - began < 60 * pause):
            rate, line = trainer.rate * config.learning_rate, ""
            trainer.train_step()
            if trainer.step % config.log_steps == 0 or trainer.progress >= 1:
                values = {**trainer.means(), "learning_rate": rate, "minutes": trainer.seconds / 60}
                line = f"step {trainer.step} " + " ".join(f"{name} {value:.4g}" for name, value in values.items())
                if main:
                    run.log(trainer.step, values)
            if progress and main:
                progress(trainer.progress, line)
            if trainer.seconds - saved >= 60 * config.snapshot_minutes and trainer.progress < 1:
                _save(trainer, run, snapshot)
                saved = trainer.seconds
        _save(trainer, run, snapshot)
    finally:
        run.close()


def _save(trainer: Trainer, run: RunFolder, snapshot: Callable[[], Snapshot] | None) -> None:
    if not trainer.accelerator.is_main_process:
        return
    figures, pictures = snapshot() if snapshot else ({}, {})
    if figures:
        run.log(trainer.step, figures)
    for name, picture in pictures.items():
        run.picture(name, picture, trainer.step)
    trainer.save_state(run.state)


def check_fits(trainer: Trainer) -> None:
    """Raise InputError if the training cannot fit into memory."""
    check_memory(trainer.memory_needed(), trainer.accelerator.device, trainer.part_size)


def estimate(trainer: Trainer) -> dict[str, float]:
    """What a run takes, by one step of it after a first that warms up: parameters, memory, seconds, minutes, steps.

    The trainer is of no use afterwards; no file is written.
    """
    need = trainer.memory_needed()
    trainer.train_step()
    started = time.monotonic()
    trainer.train_step()
    seconds, config = time.monotonic() - started, trainer.config
    by_time = 60 * config.minutes / seconds if config.minutes else math.inf
    steps = min(by_time, config.steps or math.inf)
    return {
        "parameters": float(sum(parameter.numel() for parameter in trainer.averaged_module.parameters())),
        "memory_gib": need.total / _GIB,
        "memory_free_gib": available_memory(trainer.accelerator.device) / _GIB,
        "processes": float(trainer.accelerator.num_processes),
        "seconds_a_step": seconds,
        "steps": float(math.ceil(steps)),
        "minutes": steps * seconds / 60,
    }
