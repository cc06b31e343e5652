"""The course of a motion training: steps, log, snapshots; and what it would take, told by a first step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vasa_core.motion.model import MotionModel
from vasa_core.training.engine.memory import available_memory
from vasa_core.training.engine.run_folder import RunFolder
from vasa_core.training.motion.train import CHANGEABLE, MotionTrainer

Sheet = Callable[[MotionModel], UInt8[np.ndarray, "height width 3"]]
_GIB = 2**30


def run_training(
    trainer: MotionTrainer,
    out: Path,
    folder: Path,
    progress: Callable[[float, str], None] | None = None,
    sheet: Sheet | None = None,
) -> None:
    """Train to the end, from the state in `folder` if there is one, writing the run there and checkpoints to `out`.

    progress: (share done, line of text). sheet: a picture of what a model does, for each snapshot. Raises InputError
    if the folder is of a run with another config.
    """
    run, main = RunFolder(folder), trainer.accelerator.is_main_process
    if run.state.is_file():
        trainer.load_state(run.state)
    trainer.accelerator.wait_for_everyone()  # nobody writes before all have read
    if main:
        run.begin(asdict(trainer.config), CHANGEABLE, trainer.step)
    saved = trainer.seconds
    try:
        while trainer.progress < 1:
            rate = trainer.rate
            trainer.train_step()
            line = ""
            if trainer.step % trainer.config.log_steps == 0:
                values = {**trainer.means(), "learning_rate": rate, "minutes": trainer.seconds / 60}
                line = _log(trainer, run, values) if main else ""
            if progress and main:
                progress(trainer.progress, line)
            if trainer.seconds - saved >= 60 * trainer.config.snapshot_minutes:
                _snapshot(trainer, out, run, sheet)
                saved = trainer.seconds
        _snapshot(trainer, out, run, sheet)
    finally:
        run.close()


def estimate(trainer: MotionTrainer) -> dict[str, float]:
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
        "parameters": float(sum(parameter.numel() for parameter in trainer.denoiser.parameters())),
        "memory_gib": need.total / _GIB,
        "memory_free_gib": available_memory(trainer.accelerator.device) / _GIB,
        "processes": float(trainer.accelerator.num_processes),
        "seconds_a_step": seconds,
        "steps": float(math.ceil(steps)),
        "minutes": steps * seconds / 60,
    }


def _log(trainer: MotionTrainer, run: RunFolder, values: dict[str, float]) -> str:
    if trainer.held_out:
        values["held_out_x0"] = trainer.validation_loss()
    run.log(trainer.step, values)
    return f"step {trainer.step} " + " ".join(f"{name} {value:.4g}" for name, value in values.items())


def _snapshot(trainer: MotionTrainer, out: Path, run: RunFolder, sheet: Sheet | None) -> None:
    if trainer.accelerator.is_main_process:
        trainer.save_state(run.state)
        trainer.model.save(out, trainer.average.values)
        if sheet:
            run.picture("lips", sheet(trainer.averaged_model()), trainer.step)
