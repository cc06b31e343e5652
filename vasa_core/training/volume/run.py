"""The command `train-volume`: folders of video or shards in, a volume face model with its card out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.data.descriptors import open_descriptor
from vasa_core.data.frames import FaceFrames, load_face_frames
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, save_volume
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.card import folder_options, write_card
from vasa_core.training.engine.loop import Progress, Snapshot, check_fits, estimate, run_training
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.losses.picture import over_grey
from vasa_core.training.volume.adapter import explained, samples, strengths
from vasa_core.training.volume.batches import FaceBatch, FaceBatches, Views
from vasa_core.training.volume.train import VolumeTrainer, VolumeTrainingConfig
from vasa_core.training.volume.warp_pretraining import pretrain_warps

CHECKED = 48  # held-out pairs looked at for each snapshot
SHOWN = 10  # of them on a sheet


def train_volume(  # noqa: PLR0913 - the command's options
    data: list[Path],
    out: Path,
    config: VolumeTrainingConfig,
    *,
    cache: Path,
    run: Path,
    identity: str = "none",
    identity_model: Path | None = None,
    start: Path | None = None,
    frames: int = 64,
    clips_per_person: int = 12,
    minutes: float | None = None,
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
    accelerator = accelerator_of(config.validate().bf16)
    with accelerator.main_process_first():  # the others find its cache
        mesh = MeshFaceModel.load(checkpoints)
        clips = load_face_frames(data, mesh, cache, PRESETS[config.preset].image, frames, clips_per_person)
    learned = [clip for clip in clips if clip.split == "train"]
    held_out = [clip for clip in clips if clip.split != "train"]
    descriptor = open_descriptor(identity, identity_model)
    perceptual, strength = Perceptual(resolve("perceptual")), strengths(mesh.basis)
    trainer = VolumeTrainer(learned, config, perceptual, descriptor, accelerator, strength)
    check_fits(trainer)
    if dry_run:
        made = estimate(trainer)
        return made if accelerator.is_main_process else {}
    check = FaceBatches(held_out, CHECKED, config.seed).batch(0) if len({c.speaker for c in held_out}) > 1 else None

    def begin() -> None:
        if start:
            trainer.start_from(start)
        pretrain_warps(trainer, config.warp_pretraining)

    def snapshot() -> Snapshot:
        return held_out_snapshot(trainer.averaged().networks, check) if check else Snapshot({}, {})

    run_training(trainer, run, snapshot, begin=begin, pause=minutes, progress=progress)
    accelerator.end_training()
    if not accelerator.is_main_process:
        return {}
    graph = trainer.averaged()
    save_volume(out, graph.networks, graph.adapter)
    figures = held_out_snapshot(graph.networks, check).figures if check else {}
    scores = {"steps": float(trainer.step), **{name.removeprefix("held_out_"): v for name, v in figures.items()}}
    if held_out:
        scores["adapter_r2"] = explained(graph.adapter, samples(graph.networks, held_out))
    from_ = f" --start {start.parent.name}/{start.name}" if start else ""
    command = f"train-volume {folder_options('--data', data)} {_options(config)} --identity {identity}{from_}"
    write_card(out, trainer, _about(trainer), data, [_footage(clips)], command, scores)
    return scores


def held_out_snapshot(networks: VolumeNetworks, check: FaceBatch) -> Snapshot:
    """PSNR of held-out renders, and of the source itself in their place; and a sheet: source, driving, render."""
    source, driving, _ = check
    with torch.inference_mode():
        parts = (slice(start, start + 8) for start in range(0, len(source.image), 8))
        rendered = torch.cat([_rendered(networks, source.part(part), driving.part(part)) for part in parts])

    def psnr(image: Tensor) -> float:
        return float((10 * torch.log10(4 / (image - driving.image).square().mean((1, 2, 3)).clamp(min=1e-6))).mean())

    figures = {"held_out_psnr": psnr(rendered), "held_out_psnr_of_source": psnr(source.image)}
    return Snapshot(figures, {"held-out": _sheet(source.image, driving.image, rendered)})


def _sheet(*rows: Float[Tensor, "b 3 size size"]) -> UInt8[np.ndarray, "height width 3"]:
    sheet = torch.cat([torch.cat(list(images[:SHOWN]), 2) for images in rows], 1)  # (3, 3 size, 10 size)
    return ((sheet.permute(1, 2, 0) + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy()


def _rendered(networks: VolumeNetworks, source: Views, driving: Views) -> Float[Tensor, "b 3 size size"]:
    device = next(networks.parameters()).device
    source, driving = source.to(device), driving.to(device)
    identity = networks.identity_code(source.image, source.pose)
    own, motion = (MotionCode(v.pose, networks.dynamics(v.image, v.pose)) for v in (source, driving))
    canonical = networks.canonical(networks.appearance_volume(source.image), identity, own)
    return over_grey(networks.render(canonical, identity, motion)).cpu()


def _options(config: VolumeTrainingConfig) -> str:
    weights = " ".join(f"--weight {name}={value:g}" for name, value in config.weights.named().items())
    return f"--preset {config.preset} --steps {config.steps} --batch {config.batch} {weights} --seed {config.seed}"


def _about(trainer: VolumeTrainer) -> list[str]:
    parameters = sum(p.numel() for p in trainer.networks.parameters()) / 1e6
    return [
        "Volume face model",
        f"VASA-1's face latent space, preset `{trainer.config.preset}`, {parameters:.1f} M parameters.",
    ]


def _footage(clips: list[FaceFrames]) -> str:
    people = len({clip.speaker for clip in clips if clip.split == "train"})
    return f"{sum(map(len, clips))} frames of {len(clips)} clips, {people} people to learn from."
