"""Commands that make the checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

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
)
from vasa_core.cli.terminal import progress_bar
from vasa_core.errors import InputError


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
    seed: Annotated[int, typer.Option(help="Of the weights at the start and the order of the data.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn to paint what no warp of a photo shows: the inside of the mouth and lips, or lids and eyeballs."""
    from vasa_core.training.renderer.train import train_renderer as train

    target, folders = out or CHECKPOINTS / network, video_folders(data)
    with _bar("train-renderer") as progress:
        made = train(
            network,
            folders,
            target,
            cache,
            positive("minutes", minutes),
            seed,
            start,
            identity,
            progress,
        )
    report(made, as_json, f"{target}: the renderer's {network} network written")


@cli.command("export-renderer")
def export_renderer(checkpoints: Checkpoints = CHECKPOINTS) -> None:
    """Write the renderer's networks as ONNX beside their weights, for onnxruntime."""
    from vasa_core.training.renderer.export import export_driving

    for network in ("mouth", "eyes"):
        print(f"{export_driving(checkpoints / network)} written")


@cli.command("train-motion")
def train_motion(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/motion")] = CHECKPOINTS / "motion",
    cache: Cache = DEFAULT_CACHE,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the training.", show_default="30, or as long as --steps takes")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Its length in steps.", show_default=False)] = None,
    batch: Annotated[int, typer.Option(help="Windows a step, over all processes.")] = 16,
    accumulate: Annotated[int, typer.Option(help="Parts in which a step takes them, for less memory.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-3,
    lips: Annotated[float, typer.Option(help="Weight of the loss on what the lips do.")] = 0.5,
    full: Annotated[bool, typer.Option("--full-precision", help="float32 throughout, no bfloat16.")] = False,
    size: Annotated[str, typer.Option(help="Name of a model size, for example small or paper.")] = "small",
    schedule: Annotated[str, typer.Option(help="Path from motion to noise: cosine, or linear (flow).")] = "cosine",
    encoder: Annotated[str, typer.Option(help="moonshine or wav2vec2:FOLDER: what hears the speech.")] = "moonshine",
    start: Annotated[Path | None, typer.Option(help="Motion checkpoint to start from, where its weights fit.")] = None,
    speech: Annotated[
        list[Path] | None, typer.Option(help="Folder of read speech with transcripts.csv; may be repeated.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Motion checkpoint that moves lips to it.", show_default="CHECKPOINTS/motion")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, windows and noise.")] = 0,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run's record.", show_default="CACHE/runs/NAME")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One step; print what the training would take.")] = False,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Learn to move from speech: the diffusion transformer. The same command again resumes it.

    On many GPUs: torchrun --nproc_per_node N -m vasa_core train-motion ...
    """
    folders = video_folders(data)
    from vasa_core.training.motion.run import train_motion as train
    from vasa_core.training.motion.train import MotionTrainingConfig

    minutes = positive("minutes", minutes) if minutes is not None else None if steps else 30.0
    config = MotionTrainingConfig(
        size=size,
        schedule=schedule,
        minutes=minutes,
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        learning_rate=learning_rate,
        lips=lips,
        bf16=not full,
        seed=seed,
    )
    with _bar("train-motion") as progress:
        made = train(
            folders,
            out,
            config,
            checkpoints=checkpoints,
            encoder=encoder,
            cache=cache,
            run=run or cache / "runs" / out.name,
            start=start,
            speech=speech or [],
            teacher=teacher,
            progress=progress,
            dry_run=dry_run,
        )
    if not made:  # a process beside the main one
        return
    report(made, as_json, _estimate(made) if dry_run else f"{out}: motion model written")


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


@cli.command("train-volume")
def train_volume(
    data: Data,
    preset: Annotated[str, typer.Option(help="tiny-128, paper-256 or paper-512.")] = "tiny-128",
    steps: Annotated[int, typer.Option(help="Length of the run, which the learning rate follows.")] = 20_000,
    minutes: Annotated[
        float | None, typer.Option(help="Pause after so long; the same command goes on.", show_default=False)
    ] = None,
    batch: Annotated[int, typer.Option(help="Examples a step, over all processes.")] = 8,
    accumulate: Annotated[int, typer.Option(help="Parts in which a step takes them, for less memory.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 2e-4,
    warp_pretraining: Annotated[
        int | None,
        typer.Option(
            help="Steps before the first, in which warps and dynamics are learned without rendering.",
            show_default="300; 0 with --start",
        ),
    ] = None,
    discriminator_from: Annotated[int, typer.Option(help="Step from which the discriminator takes part.")] = 2_000,
    discriminator_width: Annotated[int, typer.Option(help="Channels of the discriminator's first layer.")] = 64,
    downsampling: Annotated[int, typer.Option(help="How often pictures are halved for the perceptual loss.")] = 0,
    weight: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: weight of a loss; 0 turns it off. May be repeated.")
    ] = None,
    frozen: Annotated[
        list[str] | None,
        typer.Option(help="Network, or adapter, that keeps its weights after the warp pretraining. May be repeated."),
    ] = None,
    identity: Annotated[
        str, typer.Option(help="Descriptor for the face and cross_identity losses: dlib, arcface or none.")
    ] = "dlib",
    identity_model: Annotated[Path | None, typer.Option(help="ONNX file of ArcFace.")] = None,
    full: Annotated[bool, typer.Option("--full-precision", help="float32 throughout, no bfloat16.")] = False,
    start: Annotated[Path | None, typer.Option(help="State of another run to take the weights from.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights and batches.")] = 0,
    frames: Annotated[int, typer.Option(help="Frames kept of each clip.")] = 64,
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
    folders, weights = video_folders(data), _weights(weight or [])
    from vasa_core.training.losses.weights import LossWeights
    from vasa_core.training.volume.run import train_volume as train
    from vasa_core.training.volume.train import VolumeTrainingConfig

    off = {"face": 0.0, "cross_identity": 0.0} if identity == "none" else {}
    config = VolumeTrainingConfig(
        preset=preset,
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        learning_rate=learning_rate,
        warp_pretraining=(0 if start else 300) if warp_pretraining is None else warp_pretraining,
        discriminator_from=discriminator_from,
        discriminator_width=discriminator_width,
        downsampling=downsampling,
        frozen=tuple(frozen or ()),
        bf16=not full,
        seed=seed,
        weights=LossWeights.of({**off, **weights}),
    )
    with _bar("train-volume") as progress:
        made = train(
            folders,
            out,
            config,
            cache=cache,
            run=run or cache / "runs" / out.name,
            identity=identity,
            identity_model=identity_model,
            start=start,
            frames=frames,
            minutes=minutes,
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
