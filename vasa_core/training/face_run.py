"""The command `train-face`: folders of video or shards in, a checkpoint of the volume face model with its card out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vasa_core.checkpoint import write_text
from vasa_core.config import CHECKPOINTS
from vasa_core.face.mesh import MeshFaceModel
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, save_volume
from vasa_core.registry import resolve
from vasa_core.training.acceleration import accelerator_of
from vasa_core.training.adapter import fit_adapter
from vasa_core.training.descriptors import open_descriptor
from vasa_core.training.face import CHANGEABLE, FaceTrainer, FaceTrainingConfig
from vasa_core.training.face_batches import FaceBatch, FaceBatches, Views
from vasa_core.training.face_frames import FaceFrames, load_face_frames
from vasa_core.training.losses.pixel import over_grey
from vasa_core.training.memory import available_memory, check_memory, memory_needed
from vasa_core.training.perceptual import Perceptual
from vasa_core.training.run_folder import RunFolder

CARD = "MODEL_CARD.md"
LOG_STEPS = 100  # between two lines of the log
CHECKED = 48  # held-out pairs looked at for each snapshot
SHOWN = 10  # of them, on the sheet

Progress = Callable[[int, int], None]  # steps done, in all


def train_face(
    data: list[Path],
    out: Path,
    config: FaceTrainingConfig,
    *,
    cache: Path,
    run: Path,
    identity: str = "none",
    identity_model: Path | None = None,
    start: Path | None = None,
    frames: int = 64,
    clips_per_person: int = 12,
    minutes: float | None = None,
    snapshot_minutes: float = 5.0,
    dry_run: bool = False,
    checkpoints: Path = CHECKPOINTS,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train from the state in `run` if there is one; returns figures of held-out pairs, or for `dry_run` of the need.

    Of many processes that a launcher started, only the main one writes; the others return nothing. minutes: pause after
    so long; the same call goes on. start: state of another run to take the weights from. identity: the descriptor for
    the losses that need one (see `open_descriptor`). frames: kept of each clip. Raises InputError for what cannot be
    run, MissingModelError for a model file or package that is not there.
    """
    accelerator = accelerator_of(config.validate().half)
    size = PRESETS[config.preset].image
    with accelerator.main_process_first():  # the others find its cache
        clips = load_face_frames(data, MeshFaceModel.load(checkpoints), cache, size, frames, clips_per_person)
    learned = [clip for clip in clips if clip.split == "train"]
    held_out = [clip for clip in clips if clip.split != "train"]
    descriptor = open_descriptor(identity, identity_model)
    trainer = FaceTrainer(learned, config, Perceptual(resolve("perceptual")), descriptor, accelerator)
    example = FaceBatches(learned, max(2, config.batch), config.seed).batch(0)
    part = config.batch // (accelerator.num_processes * config.accumulate)
    need = memory_needed(
        [trainer.networks, trainer.plain_judge], lambda n: _forward(trainer, example.part(slice(n))), part
    )
    check_memory(need, accelerator.device, part)
    if dry_run:
        return _estimate(trainer, need.total) if accelerator.is_main_process else {}
    folder = RunFolder(run)
    if folder.state.is_file():
        trainer.load_state(folder.state)
    elif start:
        trainer.start_from(start)
    check = FaceBatches(held_out, CHECKED, config.seed).batch(0) if len({c.speaker for c in held_out}) > 1 else None
    _loop(trainer, folder, check, minutes, snapshot_minutes, progress)
    accelerator.end_training()
    if not accelerator.is_main_process:
        return {}
    networks = trainer.averaged()
    fit = fit_adapter(networks, learned)
    save_volume(out, networks, fit.adapter)
    scores = {"steps": float(trainer.step), "adapter_r2": fit.r2, **(_checked(networks, check)[0] if check else {})}
    write_text(out / CARD, _card(data, clips, config, trainer, scores, identity, start))
    return scores


def _loop(
    trainer: FaceTrainer,
    folder: RunFolder,
    check: FaceBatch | None,
    minutes: float | None,
    snapshot_minutes: float,
    progress: Progress | None,
) -> None:
    main = trainer.accelerator.is_main_process
    if main:
        folder.begin(asdict(trainer.config), CHANGEABLE, trainer.step)
    sums: dict[str, float] = {}
    began = saved = time.monotonic()
    for batch in trainer.batches() if trainer.step < trainer.config.steps else ():
        for name, value in trainer.train_step(batch).items():
            sums[name] = sums.get(name, 0.0) + value
        step, finished = trainer.step, trainer.step >= trainer.config.steps
        if main and progress:
            progress(step, trainer.config.steps)
        if step % LOG_STEPS and not finished:
            continue  # states are taken where the log's sums begin anew, so that a resumed run logs the same
        if main:
            folder.log(step, {name: value / LOG_STEPS for name, value in sums.items()})
        sums, now = {}, time.monotonic()
        due = torch.tensor(float(minutes is not None and now - began > 60 * minutes), device=trainer.accelerator.device)
        reduced: Any = trainer.accelerator.reduce(due)  # the processes pause together
        finished = finished or bool(reduced > 0)
        if main and (finished or now - saved > 60 * snapshot_minutes):
            trainer.save_state(folder.state)
            if check:
                figures, sheet = _checked(trainer.averaged(), check)
                folder.log(step, {f"held_out_{name}": value for name, value in figures.items()})
                folder.picture("held-out", sheet, step)
            saved = now
        if finished:
            break
    folder.close()


def _forward(trainer: FaceTrainer, part: FaceBatch) -> object:
    part = part.to(trainer.accelerator.device)
    with trainer.accelerator.autocast():
        return trainer.criteria.losses(trainer.graph(part), part)


def _estimate(trainer: FaceTrainer, memory: int) -> dict[str, float]:
    """What the run would take, from two steps."""
    batches = trainer.batches()
    trainer.train_step(next(batches))
    batch, began = next(batches), time.monotonic()
    trainer.train_step(batch)
    seconds = time.monotonic() - began
    return {
        "parameters": float(sum(p.numel() for p in trainer.networks.parameters())),
        "memory_gib": memory / 2**30,
        "memory_free_gib": available_memory(trainer.accelerator.device) / 2**30,
        "seconds_a_step": seconds,
        "hours": seconds * trainer.config.steps / 3600,
    }


def _checked(
    networks: VolumeNetworks, check: FaceBatch
) -> tuple[dict[str, float], UInt8[np.ndarray, "height width 3"]]:
    """PSNR of held-out drawings, and of the source itself in their place; and a sheet: source, driving, drawing."""
    source, driving, _ = check
    with torch.inference_mode():
        parts = (slice(start, start + 8) for start in range(0, len(source.image), 8))
        drawn = torch.cat([_drawn(networks, source.part(part), driving.part(part)) for part in parts])

    def psnr(image: torch.Tensor) -> float:
        return float((10 * torch.log10(4 / (image - driving.image).square().mean((1, 2, 3)).clamp(min=1e-6))).mean())

    rows = [torch.cat(list(images[:SHOWN]), 2) for images in (source.image, driving.image, drawn)]
    sheet = ((torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5).clamp(0, 255).to(torch.uint8)  # (3 size, 10 size, 3)
    return {"psnr": psnr(drawn), "psnr_of_source": psnr(source.image)}, sheet.numpy()


def _drawn(networks: VolumeNetworks, source: Views, driving: Views) -> torch.Tensor:
    identity = networks.identity_code(source.image)
    own = MotionCode(source.pose, networks.dynamics(source.image))
    canonical = networks.canonical(networks.appearance_volume(source.image), identity, own)
    return over_grey(networks.render(canonical, identity, MotionCode(driving.pose, networks.dynamics(driving.image))))


def _card(
    data: list[Path],
    clips: list[FaceFrames],
    config: FaceTrainingConfig,
    trainer: FaceTrainer,
    scores: dict[str, float],
    identity: str,
    start: Path | None,
) -> str:
    names = [folder.resolve().name for folder in data]
    folders = " ".join(f"--data {name}" for name in names)
    from_ = f" --start {start.parent.name}/{start.name}" if start else ""
    weights = " ".join(f"--weight {name}={value:g}" for name, value in config.weights.named().items())
    people = len({clip.speaker for clip in clips if clip.split == "train"})
    return "\n".join(
        [
            "# Volume face model",
            "",
            f"VASA-1's face latent space, preset `{config.preset}`, "
            f"{sum(p.numel() for p in trainer.networks.parameters()) / 1e6:.1f} M parameters.",
            "",
            "## Data",
            "",
            f"Folders: {', '.join(names)}; {sum(map(len, clips))} frames of {len(clips)} clips, {people} people to "
            "learn from. The weights may be used as far as the terms of this data allow.",
            "",
            "## Training",
            "",
            f"{trainer.step} steps of {config.batch} examples, seed {config.seed}.",
            "",
            f"    python -m vasa_core train-face {folders} --preset {config.preset} --steps {config.steps} --batch "
            f"{config.batch} --identity {identity}{from_} {weights} --seed {config.seed}",
            "",
            f"Config: `{json.dumps(asdict(config))}`",
            "",
            "## Scores on held-out people",
            "",
            "| score | value |",
            "|---|---|",
            *(f"| {name} | {value:.3f} |" for name, value in scores.items()),
            "",
        ]
    )
