"""Commands that make something of a portrait, a speech or a video; and the download of model files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    DEFAULTS,
    Checkpoints,
    Device,
    Face,
    Json,
    PasteBack,
    Seed,
    check_paths,
    cli,
    load_pipeline,
    report,
)
from vasa_core.cli.terminal import INTERRUPT, progress_bar, writing
from vasa_core.errors import InputError
from vasa_core.options import EMOTION_CHOICES, MESH, SPIN, GenerationOptions

EMOTION_NAMES = ", ".join(EMOTION_CHOICES)
PoseVideo = Annotated[str | None, typer.Option("--pose", help="Video that the head follows, or spin.")]
DynamicsVideo = Annotated[Path | None, typer.Option("--dynamics", help="Video that the face follows.")]


@cli.command()
def generate(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    gaze_yaw: Annotated[float, typer.Option(help="Degrees; + looks to the viewer's right.")] = DEFAULTS.gaze_yaw,
    gaze_pitch: Annotated[float, typer.Option(help="Degrees; + looks up.")] = DEFAULTS.gaze_pitch,
    distance: Annotated[float, typer.Option(help="1 as photographed, 0.7 nearer, 1.5 farther.")] = DEFAULTS.distance,
    emotion: Annotated[str | None, typer.Option(help=f"One of {EMOTION_NAMES}; none if left out.")] = DEFAULTS.emotion,
    emotion_strength: Annotated[float, typer.Option(help="0 to 1.")] = DEFAULTS.emotion_strength,
    guidance_audio: Annotated[float, typer.Option(help="CFG scale of the speech.")] = DEFAULTS.guidance_audio,
    guidance_gaze: Annotated[float, typer.Option(help="CFG scale of gaze.")] = DEFAULTS.guidance_gaze,
    guidance_emotion: Annotated[
        float, typer.Option(help="CFG scale of the emotion; -1: lips as without it.")
    ] = DEFAULTS.guidance_emotion,
    guidance_distance: Annotated[float, typer.Option(help="CFG scale of the distance.")] = DEFAULTS.guidance_distance,
    guidance_previous: Annotated[
        float, typer.Option(help="CFG scale of the motion before.")
    ] = DEFAULTS.guidance_previous,
    guidance_liveliness: Annotated[
        float, typer.Option(help="CFG scale of how lively the person is.")
    ] = DEFAULTS.guidance_liveliness,
    expressiveness: Annotated[
        float, typer.Option(help="How lively the face is: 0 quiet, 2 very.")
    ] = DEFAULTS.expressiveness,
    style: Annotated[Path | None, typer.Option(help="Video of somebody to move like.")] = None,
    head_motion: Annotated[float, typer.Option(help="Amount of head motion; 0 freezes it.")] = DEFAULTS.head_motion,
    head_pose: Annotated[str | None, typer.Option(help="spin, or a video of a head; generated if left out.")] = None,
    steps: Annotated[int, typer.Option(help="Sampler steps a window.")] = DEFAULTS.steps,
    seed: Seed = DEFAULTS.seed,
    size: Annotated[int, typer.Option(help="Side of the video in px, 256 or 512.")] = DEFAULTS.size,
    paste_back: PasteBack = DEFAULTS.paste_back,
    face: Face = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Make the person of PORTRAIT speak SPEECH and write the video to OUT.mp4."""
    options = GenerationOptions(
        gaze_yaw=gaze_yaw,
        gaze_pitch=gaze_pitch,
        distance=distance,
        emotion=emotion,
        emotion_strength=emotion_strength,
        guidance_audio=guidance_audio,
        guidance_gaze=guidance_gaze,
        guidance_emotion=guidance_emotion,
        guidance_distance=guidance_distance,
        guidance_previous=guidance_previous,
        guidance_liveliness=guidance_liveliness,
        expressiveness=expressiveness,
        style=style,
        head_motion=head_motion,
        head_pose=head_pose,
        steps=steps,
        seed=seed,
        size=size,
        paste_back=paste_back,
    ).validate()
    check_paths(portrait, speech, out=out, suffix=".mp4")
    with progress_bar("generate", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face)
        with INTERRUPT.asks() as cancelled:
            result = pipeline.generate(portrait, speech, out, options, cancelled, progress)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def reenact(
    portrait: Path,
    driving: Annotated[list[Path] | None, typer.Argument(metavar="[DRIVING]")] = None,
    *,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    use: Annotated[str, typer.Option(help="What to take from the driving video: both, pose or dynamics.")] = "both",
    pose: PoseVideo = None,
    dynamics: DynamicsVideo = None,
    paste_back: PasteBack = DEFAULTS.paste_back,
    seed: Seed = DEFAULTS.seed,
    face: Face = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Move the person of PORTRAIT as the person in the DRIVING video moves, or head and face as two videos do.

    The result is as long as the shorter video and has the sound of the one that the face is from.
    """
    if len(driving or []) > 1 or not (driving or pose or dynamics):
        given = " ".join(map(str, driving or [])) or "none"
        raise InputError(f"the driving video is {given}; expected one, or --pose and --dynamics.")
    videos = [Path(video) for video in (*(driving or []), pose, dynamics) if video and video != SPIN]
    check_paths(portrait, *videos, out=out, suffix=".mp4")
    with progress_bar("reenact", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face)
        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed, paste_back=paste_back)
            first = driving[0] if driving else None
            result = pipeline.reenact(portrait, first, out, use, options, cancelled, progress, pose, dynamics)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def showcase(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    pose: PoseVideo = None,
    dynamics: DynamicsVideo = None,
    seed: Seed = DEFAULTS.seed,
    face: Face = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Show head pose and face edited apart: PORTRAIT speaks SPEECH in several ways, side by side.

    Columns: as generated, with a still head, with a spinning head, with a still face, and with --pose or --dynamics
    the head of one video and the face of another.
    """
    videos = [Path(video) for video in (pose, dynamics) if video and video != SPIN]
    check_paths(portrait, speech, *videos, out=out, suffix=".mp4")
    with progress_bar("showcase", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face)
        from vasa_core.pipeline import showcase as show

        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed)
            result = show(pipeline, portrait, speech, out, options, pose, dynamics, cancelled, progress)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def encode(
    source: Annotated[Path, typer.Argument(metavar="IMAGE_OR_VIDEO")],
    out: Annotated[Path, typer.Argument(metavar="OUT.npz")],
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Write pose, dynamics and landmarks of every frame to OUT.npz."""
    import numpy as np

    check_paths(source, out=out, suffix=".npz")
    with writing(out) as part, progress_bar("encode", "frame") as progress:
        arrays = load_pipeline(device, checkpoints).encode(source, progress)
        with part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    report({"path": out, "arrays": shapes}, as_json, f"{out}: {', '.join(f'{k} {v}' for k, v in shapes.items())}")


@cli.command("fetch-models")
def fetch_models(as_json: Json = False) -> None:
    """Get the third-party model files that generation needs."""
    from tqdm import tqdm

    from vasa_core.assets import MODELS, RUNTIME_MODELS, resolve

    bar = tqdm(RUNTIME_MODELS, desc="fetch-models", unit="file", file=sys.stderr)
    found = {name: {"path": resolve(name), "licence": MODELS[name].licence} for name in bar}
    report(found, as_json, "\n".join(f"{name}: {entry['path']}" for name, entry in found.items()))
