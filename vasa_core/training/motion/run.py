"""The command `train-motion`: folders of video in, a motion checkpoint with its scores and model card out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vasa_core.assets import CHECKPOINTS
from vasa_core.audio import open_encoder
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.rates import FPS
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.card import folder_options, write_card
from vasa_core.training.engine.loop import Progress, Snapshot, check_fits, estimate, run_training
from vasa_core.training.motion.data import MotionClip, load_clips
from vasa_core.training.motion.emotions import emotion_rests
from vasa_core.training.motion.scores import sample_scores
from vasa_core.training.motion.sheet import LipSheet
from vasa_core.training.motion.speech import spoken_clips
from vasa_core.training.motion.train import MotionTrainer, MotionTrainingConfig


def train_motion(  # noqa: PLR0913 - the command's options
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
    accelerator = accelerator_of(config.bf16)
    face = MeshFaceModel.load(checkpoints)
    with accelerator.main_process_first():  # the others find its cache
        hears = open_encoder(encoder)
        clips, _ = load_clips(data, face, hears, cache, face.basis.mirror, face.basis.readings())
        spoken = spoken_clips(speech, teacher or checkpoints / "motion", hears, face.basis, cache) if speech else []
    visible = np.linalg.norm(face.basis.dynamics, axis=-1).mean(1)  # (E,), face widths per unit
    gaps = lip_gaps(face.basis.dynamics)
    lip_moves = np.concatenate([gaps, face.basis.readings()[:, 1:]], 1)  # (E, pairs + 3)
    used = [*clips, *spoken]
    trainer = MotionTrainer(used, config, encoder, visible, emotion_rests(face.basis), lip_moves, accelerator)
    check_fits(trainer)
    if dry_run:
        made = estimate(trainer)
        return made if accelerator.is_main_process else {}
    if start:
        trainer.start_from(start)
    sheet = LipSheet(clips) if LipSheet.possible(clips) else None

    def snapshot() -> Snapshot:
        trainer.model.save(out, trainer.average.values)
        figures = {"held_out_x0": trainer.validation_loss()} if trainer.held_out else {}
        return Snapshot(figures, {"lips": sheet(trainer.averaged_model())} if sheet else {})

    run_training(trainer, run or Path("out") / "training" / out.name, snapshot, progress=progress)
    accelerator.end_training()
    if not accelerator.is_main_process:
        return {}
    scores = sample_scores(trainer.averaged_model(), clips)
    scores |= {"held_out_x0": trainer.validation_loss(), "steps": float(trainer.step)}
    options = [folder_options("--data", data), folder_options("--speech", speech)]
    options += [f"--start {start}" if start else "", f"--teacher {teacher}" if teacher else ""]
    command = " ".join(["train-motion", *filter(None, options), _options(config, encoder), f"--out {out}"])
    write_card(out, trainer, _about(trainer), data, _footage(used), command, scores)
    return scores


def _options(config: MotionTrainingConfig, encoder: str) -> str:
    limit = f" --minutes {config.minutes:g}" if config.minutes else ""
    limit += f" --steps {config.steps}" if config.steps else ""
    return (
        f"--encoder {encoder}{limit} --size {config.size} --schedule {config.schedule} --batch {config.batch} "
        f"--seed {config.seed} --learning-rate {config.learning_rate:g} --lips {config.lips:g}"
    )


def _about(trainer: MotionTrainer) -> list[str]:
    parameters = sum(p.numel() for p in trainer.denoiser.parameters()) / 1e6
    return [
        "Motion model",
        f"VASA-1's diffusion transformer for head pose and facial dynamics, size `{trainer.config.size}`, "
        f"{parameters:.1f} M parameters, on `{trainer.model.audio_encoder}` speech features.",
        "",
        "As good as its data: voices, languages and emotions that are rare there are followed less well. Emotion is an",
        "offset on what the speech implies. Head motion is that of people who talk to a camera.",
    ]


def _footage(clips: list[MotionClip]) -> list[str]:
    """Clips and minutes of each kind."""
    frames, counts = Counter[str](), Counter[str]()
    for clip in clips:
        filmed = "with their own sound" if clip.synced else "as silent video"
        kind = "of read speech, with lips that another model made" if clip.made else filmed
        counts[kind] += 1
        frames[kind] += len(clip)
    return [f"- {counts[kind]} clips, {frames[kind] / FPS / 60:.1f} minutes {kind}" for kind in sorted(counts)]
