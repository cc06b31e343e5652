"""The command `train-face`: folders of video or shards in, a checkpoint of the volume face model with its card out."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.data.descriptors import open_descriptor
from vasa_core.data.frames import FaceFrames, load_face_frames
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import save_volume
from vasa_core.files import write_text
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.memory import available_memory, check_memory, memory_needed
from vasa_core.training.losses.lpips import Perceptual
from vasa_core.training.volume.adapter import explained, samples, strengths
from vasa_core.training.volume.batches import FaceBatches
from vasa_core.training.volume.loop import Progress, checked, run_training
from vasa_core.training.volume.train import FaceTrainer, FaceTrainingConfig

CARD = "MODEL_CARD.md"
CHECKED = 48  # held-out pairs looked at for each snapshot


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
        mesh = MeshFaceModel.load(checkpoints)
        clips = load_face_frames(data, mesh, cache, size, frames, clips_per_person)
    learned = [clip for clip in clips if clip.split == "train"]
    held_out = [clip for clip in clips if clip.split != "train"]
    descriptor = open_descriptor(identity, identity_model)
    perceptual, strength = Perceptual(resolve("perceptual")), strengths(mesh.basis)
    trainer = FaceTrainer(learned, config, perceptual, descriptor, accelerator, strength)
    example = FaceBatches(learned, max(2, config.batch), config.seed).batch(0)
    part = config.batch // (accelerator.num_processes * config.accumulate)
    need = memory_needed([trainer.networks, trainer.plain_judge], lambda n: trainer.trial(example.part(slice(n))), part)
    check_memory(need, accelerator.device, part)
    if dry_run:
        return _estimate(trainer, need.total) if accelerator.is_main_process else {}
    check = FaceBatches(held_out, CHECKED, config.seed).batch(0) if len({c.speaker for c in held_out}) > 1 else None
    run_training(
        trainer, run, check, start=start, minutes=minutes, snapshot_minutes=snapshot_minutes, progress=progress
    )
    accelerator.end_training()
    if not accelerator.is_main_process:
        return {}
    graph = trainer.averaged()
    save_volume(out, graph.networks, graph.adapter)
    scores = {"steps": float(trainer.step), **(checked(graph.networks, check)[0] if check else {})}
    if held_out:
        scores["adapter_r2"] = explained(graph.adapter, samples(graph.networks, held_out))
    write_text(out / CARD, _card(data, clips, config, trainer, scores, identity, start))
    return scores


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
