"""Commands that make something of a portrait, a speech or a video; and the download of model files."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    DEFAULTS,
    Checkpoints,
    Device,
    Face,
    FaceModel,
    Framing,
    Json,
    Seed,
    check_paths,
    check_videos,
    cli,
    load_pipeline,
    open_speech,
    read_photo,
    report,
    with_signature,
)
from vasa_core.cli.terminal import INTERRUPT, progress_bar, writing
from vasa_core.errors import InputError, MissingModelError
from vasa_core.files import check_source
from vasa_core.options import CONTROLS, MAX_AUDIO_SECONDS, MESH, GenerationOptions

VERIFIED_FRAMES, VERIFIED_STEP = 250, 10  # of a video: how far it is looked at, and every how many frames
PoseVideo = Annotated[str | None, typer.Option("--pose", help="Video that the head follows, or spin.")]
DynamicsVideo = Annotated[Path | None, typer.Option("--dynamics", help="Video that the face follows.")]


def with_controls(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one option for each of CONTROLS, which it gets as keywords."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    controls = []
    for name, control in CONTROLS.items():
        default = getattr(DEFAULTS, name)
        kind = str | None if default is None else type(default)
        text = f"{control.help} [{control.meaning}]" if control.meaning and kind is not bool else control.help
        declared = [f"--{name.replace('_', '-')}"] if kind is bool else []
        annotation = Annotated[kind, typer.Option(*declared, help=text)]
        controls.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
    first, rest = [p for p in own if p.default is p.empty], [p for p in own if p.default is not p.empty]
    parameters = [*first, *controls, *(p.replace(kind=p.KEYWORD_ONLY) for p in rest)]
    parameters = [p for p in parameters if p.kind is not p.VAR_KEYWORD]

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    return with_signature(run, parameters)


@cli.command()
@with_controls
def generate(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
    **controls: Any,
) -> None:
    """Make the person of PORTRAIT speak SPEECH and write the video to OUT.mp4."""
    options = GenerationOptions(**controls).validate()
    check_paths(portrait, speech, options.style, options.head_pose, out=out, suffix=".mp4")
    check_videos(options.style, options.head_pose)
    photo, sound = read_photo(portrait), open_speech(speech)
    with progress_bar("generate", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model)
        with INTERRUPT.asks() as cancelled:
            result = pipeline.generate(photo, sound, out, options, cancelled, progress)
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
    framing: Framing = DEFAULTS.framing,
    face: Face = DEFAULTS.face,
    seed: Seed = DEFAULTS.seed,
    face_model: FaceModel = MESH,
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
    videos = (*(driving or []), pose, dynamics)
    check_paths(portrait, *videos, out=out, suffix=".mp4")
    check_videos(*videos)
    photo = read_photo(portrait)
    with progress_bar("reenact", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model)
        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed, framing=framing, face=face).validate()
            first = driving[0] if driving else None
            result = pipeline.reenact(photo, first, out, use, options, cancelled, progress, pose, dynamics)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def showcase(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    pose: PoseVideo = None,
    dynamics: DynamicsVideo = None,
    seed: Seed = DEFAULTS.seed,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Show head pose and face edited apart: PORTRAIT speaks SPEECH in several ways, side by side.

    Columns: as generated, with a still head, with a spinning head, with a still face, and with --pose or --dynamics
    the head of one video and the face of another.
    """
    check_paths(portrait, speech, pose, dynamics, out=out, suffix=".mp4")
    check_videos(pose, dynamics)
    photo, sound = read_photo(portrait), open_speech(speech)
    with progress_bar("showcase", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model)
        from vasa_core.pipeline import showcase as show

        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed)
            result = show(pipeline, photo, sound, out, options, pose, dynamics, cancelled, progress)
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


@cli.command()
def verify(source: Annotated[Path, typer.Argument(metavar="IMAGE_OR_VIDEO")], as_json: Json = False) -> None:
    """Say whether a picture or a video carries this project's invisible mark."""
    from itertools import islice

    from vasa_core.io.image import IMAGE_SUFFIXES, read_image
    from vasa_core.io.video import read_frames
    from vasa_core.provenance.mark import MARKED_FROM, mark_score

    check_source(source, "a picture or a video")
    is_image = source.suffix.lower() in IMAGE_SUFFIXES
    frames = [read_image(source)] if is_image else list(islice(read_frames(source), 0, VERIFIED_FRAMES, VERIFIED_STEP))
    if not frames:
        raise InputError(f"{source.name} holds no frames; expected a picture or a video.")
    score = mark_score(frames)
    found = {"path": source, "mark_score": score, "marked": score >= MARKED_FROM, "frames": len(frames)}
    says = "carries the mark: it was generated" if found["marked"] else "carries no mark that can be found"
    report(found, as_json, f"{source}: {says} (score {score:.2f}; from {MARKED_FROM} on it is taken for marked)")


@cli.command("fetch-models")
def fetch_models(as_json: Json = False) -> None:
    """Get the third-party model files that generation needs."""
    from tqdm import tqdm

    from vasa_core.assets import MODELS, RUNTIME_MODELS, resolve

    bar = tqdm(RUNTIME_MODELS, desc="fetch-models", unit="file", file=sys.stderr)
    found = {name: {"path": resolve(name), "licence": MODELS[name].licence} for name in bar}
    report(found, as_json, "\n".join(f"{name}: {entry['path']}" for name, entry in found.items()))


@cli.command()
def app(
    host: Annotated[str | None, typer.Option(help="Address to listen at.", envvar="VASA_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="Port; the first free one from 7860.", envvar="VASA_PORT")] = None,
    auth: Annotated[str | None, typer.Option(help="USER:PASS that visitors need.", envvar="VASA_AUTH")] = None,
    max_seconds: Annotated[float, typer.Option(help="Longest speech, seconds.", envvar="VASA_MAX_SECONDS")] = float(
        MAX_AUDIO_SECONDS
    ),
    queue: Annotated[int, typer.Option(help="How many videos may wait.", envvar="VASA_QUEUE")] = 16,
) -> None:
    """Open the web app. Each option may be an environment variable: VASA_HOST, VASA_MAX_SECONDS ..."""
    from vasa_core.app.settings import Settings

    settings = Settings(host, port, auth, max_seconds, queue)
    try:
        from vasa_core.app.serve import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise MissingModelError("the app needs gradio; `pip install 'vasa-core[app]'` gets it.") from error
    serve(settings)
