"""Commands that make the checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from vasa_core.config import CHECKPOINTS


@cli.command("train-basis")
def train_basis(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/mesh")] = CHECKPOINTS / "mesh",
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Learn the linear face basis (identity and dynamics)."""
    from vasa_core.training.basis import train_basis as train

    report(train(video_folders(data), out, cache / "tracking"), as_json, f"{out}: face basis written")


@cli.command("train-renderer")
def train_renderer(
    network: Annotated[str, typer.Argument(help="mouth or eyes: what it learns to paint.")],
    data: Data,
    out: Annotated[Path | None, typer.Option(help=WRITTEN, show_default="checkpoints/NETWORK")] = None,
    cache: Cache = DEFAULT_CACHE,
    minutes: Minutes = 60.0,
    seed: Annotated[int, typer.Option(help="Of the weights at the start and the order of the data.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn to paint what no warp of a photo shows: the inside of the mouth and lips, or lids and eyeballs."""
    from vasa_core.training.renderer import train_renderer as train

    target = out or CHECKPOINTS / network
    made = train(network, video_folders(data), target, cache, positive("minutes", minutes), seed)
    report(made, as_json, f"{target}: the renderer's {network} network written")


@cli.command("export-renderer")
def export_renderer(checkpoints: Checkpoints = CHECKPOINTS) -> None:
    """Write the renderer's networks as ONNX beside their weights, for onnxruntime."""
    from vasa_core.training.export import export_driving

    for network in ("mouth", "eyes"):
        print(f"{export_driving(checkpoints / network)} written")


@cli.command("train-speech")
def train_speech(
    data: Data,
    speech: Annotated[list[Path], typer.Option(help="Folder of read speech with transcripts.csv; may be repeated.")],
    voices: Annotated[Path | None, typer.Option(help="Folder of Kokoro's model.onnx and voices/*.bin.")] = None,
    synthetic: Annotated[int, typer.Option(help="Sentences to synthesise with these voices.")] = 560,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/speech")] = CHECKPOINTS / "speech",
    cache: Cache = DEFAULT_CACHE,
    minutes: Minutes = 30.0,
    seed: Annotated[int, typer.Option(help="Of the weights at the start and the order of the data.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn what speech sounds like, whatever the voice: the encoder that hears as it streams."""
    from vasa_core.training.speech import SpeechTrainingConfig
    from vasa_core.training.speech_run import run_speech_training

    config = SpeechTrainingConfig(minutes=positive("minutes", minutes), seed=seed)
    folders = video_folders(data)
    scores = run_speech_training(folders, speech, voices, synthetic, out, cache, config)
    report(scores, as_json, f"{out}: speech encoder written")


@cli.command("train-motion")
def train_motion(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/motion")] = CHECKPOINTS / "motion",
    cache: Cache = DEFAULT_CACHE,
    minutes: Minutes = 30.0,
    size: Annotated[str, typer.Option(help="Name of a model size, for example small or paper.")] = "small",
    encoder: Annotated[
        str, typer.Option(help="moonshine, block or wav2vec2:FOLDER: what hears the speech.")
    ] = "moonshine",
    start: Annotated[Path | None, typer.Option(help="Motion checkpoint to start from, where its weights fit.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, windows and noise.")] = 0,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Learn to move from speech: the diffusion transformer."""
    folders = video_folders(data)
    from vasa_core.training.motion import MotionTrainingConfig
    from vasa_core.training.motion_run import train_motion as train

    config = MotionTrainingConfig(size=size, minutes=positive("minutes", minutes), seed=seed)
    with progress_bar("train-motion", "‰") as progress:
        made = train(
            folders,
            out,
            config,
            checkpoints=checkpoints,
            encoder=encoder,
            cache=cache,
            run=cache / "runs" / out.name,
            start=start,
            progress=lambda share, _: progress(round(1000 * min(share, 1.0)), 1000),
        )
    report(made, as_json, f"{out}: motion model written")


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
    from vasa_core.training.sync_judge import train_judge as train

    report(train(folders, out, cache / "tracking"), as_json, f"{out}: sync judge written")
