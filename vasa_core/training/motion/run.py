"""The command `train-motion`: folders of video in, a motion checkpoint with its scores and model card out."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vasa_core.assets import CHECKPOINTS
from vasa_core.audio import open_encoder
from vasa_core.face.basis import lip_gaps
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.files import write_text
from vasa_core.rates import FPS
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.memory import check_memory
from vasa_core.training.motion.data import MotionClip, load_clips
from vasa_core.training.motion.emotions import emotion_rests
from vasa_core.training.motion.loop import estimate, run_training
from vasa_core.training.motion.scores import sample_scores
from vasa_core.training.motion.sheet import LipSheet
from vasa_core.training.motion.speech import spoken_clips
from vasa_core.training.motion.train import MotionTrainer, MotionTrainingConfig

CARD, SCORES = "MODEL_CARD.md", "scores.json"

Progress = Callable[[float, str], None]


def train_motion(
    data: list[Path],
    out: Path,
    config: MotionTrainingConfig,
    checkpoints: Path = CHECKPOINTS,
    encoder: str = "moonshine",
    *,
    cache: Path,
    run: Path | None = None,
    start: Path | None = None,
    speech: Sequence[Path] = (),
    teacher: Path | None = None,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> dict[str, float]:
    """Train on all videos of the folders; returns the scores of samples on held-out clips.

    Of many processes that a launcher started, only the main one writes and scores; the others return nothing.
    out: checkpoint folder. checkpoints: folder of the face model. cache: keeps what was computed from each clip. run:
    folder of the run's record, by default out/training/<name> of the working folder; repeating the call resumes from
    it. start: checkpoint of a motion model to start from, where its weights fit. speech: folders of read speech with
    transcripts; the motion model `teacher` makes their lips, by default that of `checkpoints`. progress: (share done,
    line of text). dry_run: train one step, write nothing but the clips' cache, and return what the run would take (see
    `estimate`).
    Raises InputError for a bad config, folders without usable clips or too little memory.
    """
    config.validate()
    accelerator = accelerator_of(config.half)
    face = MeshFaceModel.load(checkpoints)
    with accelerator.main_process_first():  # the others find its cache
        hears = open_encoder(encoder)
        clips, _ = load_clips(data, face, hears, cache, face.basis.mirror, face.basis.readings())
        spoken = spoken_clips(speech, teacher or checkpoints / "motion", hears, face.basis, cache) if speech else []
    visible = np.linalg.norm(face.basis.dynamics, axis=-1).mean(1)  # (E,), face widths per unit
    gaps = lip_gaps(face.basis.dynamics)
    lip_moves = np.concatenate([gaps, face.basis.readings()[:, 1:]], 1)  # (E, pairs + 3)
    trainer = MotionTrainer(
        [*clips, *spoken], config, encoder, visible, emotion_rests(face.basis), lip_moves, accelerator
    )
    check_memory(trainer.memory_needed(), accelerator.device, trainer.part_size)
    if dry_run:
        made = estimate(trainer)
        return made if accelerator.is_main_process else {}
    if start:
        trainer.start_from(start)
    sheet = LipSheet(clips) if LipSheet.possible(clips) else None
    run_training(trainer, out, run or Path("out") / "training" / out.name, progress, sheet)
    accelerator.end_training()
    if not accelerator.is_main_process:
        return {}
    scores = sample_scores(trainer.averaged_model(), clips)
    scores |= {"held_out_x0": trainer.validation_loss(), "steps": float(trainer.step)}
    write_card(out, data, [*clips, *spoken], config, trainer, scores, start, speech, teacher)
    return scores


def write_card(
    out: Path,
    data: list[Path],
    clips: list[MotionClip],
    config: MotionTrainingConfig,
    trainer: MotionTrainer,
    scores: dict[str, float],
    start: Path | None = None,
    speech: Sequence[Path] = (),
    teacher: Path | None = None,
) -> None:
    """Write MODEL_CARD.md and scores.json beside the weights."""
    names = [folder.resolve().name for folder in data]
    folders = " ".join(
        [f"--data {name}" for name in names] + [f"--speech {folder.resolve().name}" for folder in speech]
    )
    limit = f" --minutes {config.minutes:g}" if config.minutes else ""
    limit += f" --steps {config.steps}" if config.steps else ""
    from_ = (f" --start {start}" if start else "") + (f" --teacher {teacher}" if teacher else "")
    command = (
        f"python -m vasa_core train-motion {folders} --encoder {trainer.model.audio_encoder}{from_} --out {out}{limit} "
        f"--size {config.size} --schedule {config.schedule} --batch {config.batch} --seed {config.seed} "
        f"--learning-rate {config.learning_rate:g} --lips {config.lips:g}"
    )
    lines = [
        "# Motion model",
        "",
        f"VASA-1's diffusion transformer for head pose and facial dynamics, size `{config.size}`, "
        f"{sum(p.numel() for p in trainer.denoiser.parameters()) / 1e6:.1f} M parameters, "
        f"on `{trainer.model.audio_encoder}` speech features.",
        "",
        "## Data",
        "",
        *_data_lines(clips, names),
        *_licence_lines(data),
        "",
        "The weights may be used as far as the terms of this data allow.",
        "",
        "## Training",
        "",
        f"{trainer.step} steps of {config.batch} windows in {trainer.seconds / 60:.0f} minutes, seed {config.seed}.",
        "",
        f"    {command}",
        "",
        f"Config: `{json.dumps(asdict(config))}`",
        "",
        "## Scores on held-out people",
        "",
        "| score | value |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in scores.items()),
        "",
        "## Limits",
        "",
        "As good as its data: voices, languages and emotions that are rare there are followed less well. Emotion is an",
        "offset on what the speech implies. Head motion is that of people who talk to a camera.",
        "",
    ]
    write_text(out / CARD, "\n".join(lines))
    write_text(out / SCORES, json.dumps(scores, indent=2) + "\n")


def _data_lines(clips: list[MotionClip], names: list[str]) -> list[str]:
    frames, counts = Counter[str](), Counter[str]()
    for clip in clips:
        filmed = "with their own sound" if clip.synced else "as silent video"
        kind = "of read speech, with lips that another model made" if clip.made else filmed
        counts[kind] += 1
        frames[kind] += len(clip)
    used = [f"- {counts[kind]} clips, {frames[kind] / FPS / 60:.1f} minutes {kind}" for kind in sorted(counts)]
    return [f"Folders: {', '.join(names)} (held-out clips are counted below too).", "", *used]


def _licence_lines(data: list[Path]) -> list[str]:
    """Licences of the clips, where a folder's manifest.csv names them."""
    licences = Counter[str]()
    for manifest in (folder / "manifest.csv" for folder in data):
        if manifest.is_file():
            with manifest.open(newline="") as stream:
                licences.update(row["licence"] for row in csv.DictReader(stream) if row.get("licence"))
    return [f"- licence of {count} clips: {licence}" for licence, count in licences.most_common()]
