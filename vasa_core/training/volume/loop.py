"""The steps of a volume face training with its record: log, snapshots, and sheets of held-out people."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.face.volume.networks import MotionCode, VolumeNetworks
from vasa_core.training.engine.run_folder import RunFolder
from vasa_core.training.losses.pixel import over_grey
from vasa_core.training.volume.batches import FaceBatch, Views
from vasa_core.training.volume.train import CHANGEABLE, FaceTrainer
from vasa_core.training.volume.warp_pretraining import rehearse

LOG_STEPS = 100  # between two lines of the log
SHOWN = 10  # held-out pairs on a sheet

Progress = Callable[[int, int], None]  # steps done, in all


def run_training(
    trainer: FaceTrainer,
    run: Path,
    check: FaceBatch | None = None,
    *,
    start: Path | None = None,
    minutes: float | None = None,
    snapshot_minutes: float = 5.0,
    log_steps: int = LOG_STEPS,
    progress: Progress | None = None,
) -> None:
    """Train to the last step, from the state in the folder `run` if there is one, else from the state `start`.

    check: held-out pairs, drawn at each snapshot. minutes: pause after so long. Of many processes that a launcher
    started, the main one alone writes. Raises InputError if `run` is of a training with another config.
    """
    folder, main = RunFolder(run), trainer.accelerator.is_main_process
    if folder.state.is_file():
        trainer.load_state(folder.state)
    else:
        if start:
            trainer.start_from(start)
        rehearse(trainer, trainer.config.rehearsal)
    if main:
        folder.begin(asdict(trainer.config), CHANGEABLE, trainer.step)
    losses: list[dict[str, float]] = []
    began = saved = time.monotonic()
    for batch in trainer.batches() if trainer.step < trainer.config.steps else ():
        losses.append(trainer.train_step(batch))
        step, finished = trainer.step, trainer.step >= trainer.config.steps
        if main and progress:
            progress(step, trainer.config.steps)
        if step % log_steps and not finished:
            continue  # states are taken where the log's means begin anew, so that a resumed run logs the same
        means, now = _means(trainer, losses), time.monotonic()
        losses = []
        if main:
            folder.log(step, means)
        finished = finished or _any(trainer, minutes is not None and now - began > 60 * minutes)
        if main and (finished or now - saved > 60 * snapshot_minutes):
            trainer.save_state(folder.state)
            if check:
                figures, sheet = checked(trainer.averaged().networks, check)
                folder.log(step, {f"held_out_{name}": value for name, value in figures.items()})
                folder.picture("held-out", sheet, step)
            saved = now
        if finished:
            break
    folder.close()


def checked(networks: VolumeNetworks, check: FaceBatch) -> tuple[dict[str, float], UInt8[np.ndarray, "height width 3"]]:
    """PSNR of held-out drawings, and of the source itself in their place; and a sheet: source, driving, drawing."""
    source, driving, _ = check
    with torch.inference_mode():
        parts = (slice(start, start + 8) for start in range(0, len(source.image), 8))
        drawn = torch.cat([_drawn(networks, source.part(part), driving.part(part)) for part in parts])

    def psnr(image: Tensor) -> float:
        return float((10 * torch.log10(4 / (image - driving.image).square().mean((1, 2, 3)).clamp(min=1e-6))).mean())

    rows = [torch.cat(list(images[:SHOWN]), 2) for images in (source.image, driving.image, drawn)]
    sheet = ((torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5).clamp(0, 255).to(torch.uint8)  # (3 size, 10 size, 3)
    return {"psnr": psnr(drawn), "psnr_of_source": psnr(source.image)}, sheet.numpy()


def _drawn(networks: VolumeNetworks, source: Views, driving: Views) -> Float[Tensor, "b 3 size size"]:
    identity = networks.identity_code(source.image, source.pose)
    own, motion = (MotionCode(v.pose, networks.dynamics(v.image, v.pose)) for v in (source, driving))
    canonical = networks.canonical(networks.appearance_volume(source.image), identity, own)
    return over_grey(networks.render(canonical, identity, motion))


def _means(trainer: FaceTrainer, losses: list[dict[str, float]]) -> dict[str, float]:
    """Means over steps and processes of the losses that the last step has."""
    names = list(losses[-1])
    own = torch.tensor([float(np.mean([step[name] for step in losses if name in step])) for name in names])
    shared: Any = trainer.accelerator.reduce(own.to(trainer.accelerator.device), "mean")
    return dict(zip(names, shared.tolist(), strict=True))


def _any(trainer: FaceTrainer, due: bool) -> bool:
    """Whether it is so in any of the processes: they pause together."""
    reduced: Any = trainer.accelerator.reduce(torch.tensor(float(due), device=trainer.accelerator.device))
    return bool(reduced > 0)
