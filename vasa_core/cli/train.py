"""Commands that make the checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    DEFAULT_CACHE,
    WRITTEN,
    Cache,
    Checkpoints,
    Data,
    Json,
    Minutes,
    cli,
    positive,
    report,
    video_folders,
    with_fields,
)
from vasa_core.cli.terminal import progress_bar
from vasa_core.errors import InputError

if TYPE_CHECKING:
    from vasa_core.training.motion.train import MotionTrainingConfig
    from vasa_core.training.volume.train import VolumeTrainingConfig


@contextmanager
def _bar(title: str) -> Generator[Callable[[float, str], None], None, None]:
    """A bar of a training, as a callback of the share that is done and a line of text."""
    with progress_bar(title, "‰") as progress:
        yield lambda share, _: progress(round(1000 * min(share, 1.0)), 1000)


@cli.command("train-basis")
def train_basis(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/mesh")] = CHECKPOINTS / "mesh",
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Learn the linear face basis (identity and dynamics)."""
    from vasa_core.training.basis.fit import train_basis as train

    report(train(video_folders(data), out, cache / "tracking"), as_json, f"{out}: face basis written")


@cli.command("train-renderer")
def train_renderer(
    network: Annotated[str, typer.Argument(help="mouth or eyes: what it learns to paint.")],
    data: Data,
    out: Annotated[Path | None, typer.Option(help=WRITTEN, show_default="checkpoints/NETWORK")] = None,
    cache: Cache = DEFAULT_CACHE,
    minutes: Minutes = 60.0,
    start: Annotated[Path | None, typer.Option(help="Checkpoint of this network to begin from.")] = None,
    identity: Annotated[str, typer.Option(help="Descriptor of the identity loss: dlib; none: no such loss.")] = "dlib",
    teacher: Annotated[
        Path | None, typer.Option(help="Checkpoint to make a network of half the arithmetic from.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights at the start and the order of the data.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn to paint what no warp of a photo shows: the inside of the mouth and lips, or lids and eyeballs."""
    from vasa_core.training.renderer.imitate import imitate_renderer
    from vasa_core.training.renderer.train import train_renderer as train

    target, folders, length = out or CHECKPOINTS / network, video_folders(data), positive("minutes", minutes)
    if teacher and start:
        raise InputError(f"teacher is {teacher} and start {start}; expected one of them.")
    with _bar("train-renderer") as progress:
        if teacher:
            made = imitate_renderer(network, teacher, folders, target, cache, length, seed, progress)
        else:
            made = train(network, folders, target, cache, length, seed, start, identity, progress)
    report(made, as_json, f"{target}: the renderer's {network} network written")


@cli.command("export-motion")
def export_motion(checkpoints: Checkpoints = CHECKPOINTS) -> None:
    """Write the motion model's network as ONNX beside its weights, for onnxruntime."""
    from vasa_core.training.motion.export import export_denoiser

    for file in export_denoiser(checkpoints / "motion"):
        print(f"{file} written")


@cli.command("export-renderer")
def export_renderer(checkpoints: Checkpoints = CHECKPOINTS) -> None:
    """Write the renderer's networks as ONNX beside their weights, for onnxruntime."""
    from vasa_core.training.renderer.export import export_networks

    for network in ("mouth", "eyes"):
        for file in export_networks(checkpoints / network):
            print(f"{file} written")


@dataclass(frozen=True)
class MotionTrainingOptions:
    """What `train-motion` is told of the training itself."""

    minutes: Annotated[
        float | None, typer.Option(help="Length of the training.", show_default="30, or as long as --steps takes")
    ] = None
    steps: Annotated[int | None, typer.Option(help="Its length in steps.", show_default=False)] = None
    batch: Annotated[int, typer.Option(help="Windows a step, over all processes.")] = 16
    accumulate: Annotated[int, typer.Option(help="Parts in which a step takes them, for less memory.")] = 1
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-3
    lips: Annotated[float, typer.Option(help="Weight of the loss on what the lips do.")] = 0.5
    full: Annotated[bool, typer.Option("--full-precision", help="float32 throughout, no bfloat16.")] = False
    size: Annotated[str, typer.Option(help="Name of a model size, for example small or paper.")] = "small"
    schedule: Annotated[str, typer.Option(help="Path from motion to noise: cosine, or linear (flow).")] = "cosine"
    encoder: Annotated[str, typer.Option(help="moonshine or wav2vec2:FOLDER: what hears the speech.")] = "moonshine"
    start: Annotated[Path | None, typer.Option(help="Motion checkpoint to start from, where its weights fit.")] = None
    speech: Annotated[
        list[Path] | None, typer.Option(help="Folder of read speech with transcripts.csv; may be repeated.")
    ] = None
    teacher: Annotated[
        Path | None, typer.Option(help="Motion checkpoint that moves lips to it.", show_default="CHECKPOINTS/motion")
    ] = None
    seed: Annotated[int, typer.Option(help="Of weights, windows and noise.")] = 0
    run: Annotated[Path | None, typer.Option(help="Folder of the run's record.", show_default="CACHE/runs/NAME")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One step; print what the training would take.")] = False

    def config(self) -> MotionTrainingConfig:
        """What the trainer needs of it. Raises InputError for minutes that are not above 0."""
        from vasa_core.training.motion.train import MotionTrainingConfig

        default = None if self.steps else 30.0
        return MotionTrainingConfig(
            size=self.size,
            schedule=self.schedule,
            minutes=default if self.minutes is None else positive("minutes", self.minutes),
            steps=self.steps,
            batch=self.batch,
            accumulate=self.accumulate,
            learning_rate=self.learning_rate,
            lips=self.lips,
            bf16=not self.full,
            seed=self.seed,
        )


@cli.command("train-motion")
@with_fields(MotionTrainingOptions)
def train_motion(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/motion")] = CHECKPOINTS / "motion",
    cache: Cache = DEFAULT_CACHE,
    *,
    options: MotionTrainingOptions,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Learn to move from speech: the diffusion transformer. The same command again resumes it.

    On many GPUs: torchrun --nproc_per_node N -m vasa_core train-motion ...
    """
    folders = video_folders(data)
    from vasa_core.training.motion.run import train_motion as train

    with _bar("train-motion") as progress:
        made = train(
            folders,
            out,
            options.config(),
            checkpoints=checkpoints,
            encoder=options.encoder,
            cache=cache,
            run=options.run or cache / "runs" / out.name,
            start=options.start,
            speech=options.speech or [],
            teacher=options.teacher,
            progress=progress,
            dry_run=options.dry_run,
        )
    if made:  # else a process beside the main one
        report(made, as_json, _estimate(made) if options.dry_run else f"{out}: motion model written")


def _estimate(made: dict[str, float]) -> str:
    return (
        f"{made['parameters'] / 1e6:.1f} M parameters; {made['memory_gib']:.2f} GiB of memory for each of "
        f"{made['processes']:.0f} processes, {made['memory_free_gib']:.2f} GiB are free; "
        f"{made['seconds_a_step']:.2f} s a step; {made['steps']:.0f} steps in {made['minutes']:.1f} minutes"
    )


@cli.command("train-emotions")
def train_emotions(
    out: Annotated[Path, typer.Option(help="Motion checkpoint that gets them.", show_default="checkpoints/motion")] = (
        CHECKPOINTS / "motion"
    ),
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Give a motion model the expressions of the emotions, from known facial actions. `train-motion` does it too."""
    from vasa_core.training.motion.emotions import write_emotions

    report(write_emotions(out, checkpoints / "mesh"), as_json, f"{out}: emotions written")


@dataclass(frozen=True)
class VolumeTrainingOptions:
    """What `train-volume` is told of the training itself."""

    preset: Annotated[str, typer.Option(help="tiny-128, paper-256 or paper-512.")] = "tiny-128"
    steps: Annotated[int, typer.Option(help="Length of the run, which the learning rate follows.")] = 20_000
    minutes: Annotated[
        float | None, typer.Option(help="Pause after so long; the same command goes on.", show_default=False)
    ] = None
    batch: Annotated[int, typer.Option(help="Examples a step, over all processes.")] = 8
    accumulate: Annotated[int, typer.Option(help="Parts in which a step takes them, for less memory.")] = 1
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 2e-4
    warp_pretraining: Annotated[
        int | None,
        typer.Option(
            help="Steps before the first, in which warps and dynamics are learned without rendering.",
            show_default="300; 0 with --start",
        ),
    ] = None
    discriminator_from: Annotated[int, typer.Option(help="Step from which the discriminator takes part.")] = 2_000
    discriminator_width: Annotated[int, typer.Option(help="Channels of the discriminator's first layer.")] = 64
    downsampling: Annotated[int, typer.Option(help="How often pictures are halved for the perceptual loss.")] = 0
    weight: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: weight of a loss; 0 turns it off. May be repeated.")
    ] = None
    frozen: Annotated[
        list[str] | None,
        typer.Option(help="Network, or adapter, that keeps its weights after the warp pretraining. May be repeated."),
    ] = None
    identity: Annotated[
        str, typer.Option(help="Descriptor for the face and cross_identity losses: dlib, arcface or none.")
    ] = "dlib"
    identity_model: Annotated[Path | None, typer.Option(help="ONNX file of ArcFace.")] = None
    full: Annotated[bool, typer.Option("--full-precision", help="float32 throughout, no bfloat16.")] = False
    start: Annotated[Path | None, typer.Option(help="State of another run to take the weights from.")] = None
    seed: Annotated[int, typer.Option(help="Of weights and batches.")] = 0
    frames: Annotated[int, typer.Option(help="Frames kept of each clip.")] = 64

    def config(self) -> VolumeTrainingConfig:
        """What the trainer needs of it. Raises InputError for weights that are none."""
        from vasa_core.training.losses.weights import LossWeights
        from vasa_core.training.volume.train import VolumeTrainingConfig

        default = 0 if self.start else 300
        off = {"face": 0.0, "cross_identity": 0.0} if self.identity == "none" else {}
        return VolumeTrainingConfig(
            preset=self.preset,
            steps=self.steps,
            batch=self.batch,
            accumulate=self.accumulate,
            learning_rate=self.learning_rate,
            warp_pretraining=default if self.warp_pretraining is None else self.warp_pretraining,
            discriminator_from=self.discriminator_from,
            discriminator_width=self.discriminator_width,
            downsampling=self.downsampling,
            frozen=tuple(self.frozen or ()),
            bf16=not self.full,
            seed=self.seed,
            weights=LossWeights.of({**off, **_weights(self.weight or [])}),
        )


@cli.command("train-volume")
@with_fields(VolumeTrainingOptions)
def train_volume(
    data: Data,
    *,
    options: VolumeTrainingOptions,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/volume")] = CHECKPOINTS / "volume",
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run's record.", show_default="CACHE/runs/NAME")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Two steps; print what the training would take.")] = False,
    cache: Cache = DEFAULT_CACHE,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Learn the volume face model: VASA-1's face latent space. The same command again resumes it.

    On many GPUs: torchrun --nproc_per_node N -m vasa_core train-volume ...
    """
    folders, config = video_folders(data), options.config()
    from vasa_core.training.volume.run import train_volume as train

    with _bar("train-volume") as progress:
        made = train(
            folders,
            out,
            config,
            cache=cache,
            run=run or cache / "runs" / out.name,
            identity=options.identity,
            identity_model=options.identity_model,
            start=options.start,
            frames=options.frames,
            minutes=options.minutes,
            dry_run=dry_run,
            checkpoints=checkpoints,
            progress=progress,
        )
    if made:  # else a process beside the main one
        text = ", ".join(f"{name} {value:.4g}" for name, value in made.items())
        report(made, as_json, _estimate(made) if dry_run else f"{out}: volume face model written ({text})")


def _weights(texts: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise InputError(f"--weight is {text!r}; expected NAME=VALUE with a number.") from error
    return found


@cli.command("export-volume")
def export_volume(
    checkpoints: Checkpoints = CHECKPOINTS,
    batch: Annotated[int, typer.Option(min=1, help="Frames rendered in one pass.")] = 1,
) -> None:
    """Write what the volume face model runs for every frame as ONNX beside its weights, for onnxruntime."""
    from vasa_core.training.volume.export import export_render

    print(f"{export_render(checkpoints / 'volume', batch)} written")


@cli.command("train-judge")
def train_judge(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/sync_judge")] = CHECKPOINTS
    / "sync_judge",
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Fit the judge of lip sync that `evaluate` uses."""
    folders = video_folders(data)
    from vasa_core.training.sync_judge.fit import train_judge as train

    report(train(folders, out, cache / "tracking"), as_json, f"{out}: sync judge written")
