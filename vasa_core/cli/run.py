"""Commands that make something of a portrait, a speech or a video; and the download of model files."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    DEFAULTS,
    Certificate,
    Checkpoints,
    Device,
    Face,
    FaceModel,
    Framing,
    Json,
    Key,
    Seed,
    burnt,
    check_inputs,
    check_paths,
    check_photo,
    check_videos,
    cli,
    load_pipeline,
    open_speech,
    read_aloud,
    report,
    signing,
    spoken_file,
    varied_values,
    with_signature,
    write_subtitles,
)
from vasa_core.cli.terminal import INTERRUPT, progress_bar, writing
from vasa_core.errors import InputError, MissingModelError
from vasa_core.files import check_source
from vasa_core.options import CONTROLS, MESH, USUAL_APP_SECONDS, GenerationOptions

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
    first = [p for p in own if p.default is p.empty or _is_argument(p)]
    rest = [p for p in own if p not in first]
    parameters = [*first, *controls, *(p.replace(kind=p.KEYWORD_ONLY) for p in rest)]
    parameters = [p for p in parameters if p.kind is not p.VAR_KEYWORD]

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    return with_signature(run, parameters)


def _is_argument(parameter: inspect.Parameter) -> bool:
    """Whether the command line takes it by its place, not its name."""
    return any(isinstance(each, ArgumentInfo) for each in getattr(parameter.annotation, "__metadata__", ()))


@cli.command()
@with_controls
def generate(
    portrait: Path,
    speech: Annotated[list[Path] | None, typer.Argument(metavar="[SPEECH]")] = None,
    *,
    out: Annotated[Path, typer.Argument(metavar="OUT")],
    text: Annotated[str | None, typer.Option(help="English text to speak, in place of SPEECH.")] = None,
    subtitles: Annotated[
        str | None, typer.Option(help="vtt or srt: write the words of --text beside the video.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished segments beside OUT if this is killed, and go on with them.")
    ] = False,
    burn_subtitles: Annotated[
        bool, typer.Option("--burn-subtitles", help="Draw the words of --text into the video.")
    ] = False,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
    **controls: Any,
) -> None:
    """Make the person of PORTRAIT speak SPEECH, or a --text, and write the video to OUT: .mp4, .mov, .webm or .gif."""
    options = GenerationOptions(**controls).validate()
    file = spoken_file(speech or [], text, subtitles, out)
    if burn_subtitles and file:
        raise InputError("--burn-subtitles is given without --text; expected a text, whose words are drawn.")
    if burn_subtitles and resume:
        raise InputError("--burn-subtitles is given with --resume; expected one of them.")
    check_inputs(portrait, file, options, out)
    sound, words = (open_speech(file), ()) if file else read_aloud(text)
    signer = signing(certificate, key)
    with progress_bar("generate", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model, signer)
        with INTERRUPT.asks() as cancelled:
            if resume:
                from vasa_core.pipeline.resume import generate_resumable

                result = generate_resumable(pipeline, portrait, sound, out, options, cancelled, progress)
            else:
                video = pipeline.animate(portrait, sound, options)
                result = (burnt(video, words) if burn_subtitles else video).save(out, cancelled, progress)
    if subtitles:
        write_subtitles(out, subtitles, words)
    before = f", {result.kept} of them by the run before" if result.kept else ""
    report(result, as_json, f"{out}: {result.frames} frames{before}")


@cli.command()
def reenact(
    portrait: Path,
    driving: Annotated[list[Path] | None, typer.Argument(metavar="[DRIVING]")] = None,
    *,
    out: Annotated[Path, typer.Argument(metavar="OUT")],
    use: Annotated[str, typer.Option(help="What to take from the driving video: both, pose or dynamics.")] = "both",
    pose: PoseVideo = None,
    dynamics: DynamicsVideo = None,
    framing: Framing = DEFAULTS.framing,
    face: Face = DEFAULTS.face,
    seed: Seed = DEFAULTS.seed,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Move the person of PORTRAIT as the person in the DRIVING video moves, or head and face as two videos do.

    The result is as long as the shorter video and has the sound of the one that the face is from.
    """
    if len(driving or []) > 1 or not (driving or pose or dynamics):
        given = " ".join(map(str, driving or [])) or "none"
        raise InputError(f"the driving video is {given}; expected one, or --pose and --dynamics.")
    videos = (*(driving or []), pose, dynamics)
    check_paths(portrait, *videos, out=out)
    check_videos(*videos)
    check_photo(portrait)
    signer = signing(certificate, key)
    with progress_bar("reenact", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model, signer)
        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed, framing=framing, face=face).validate()
            first = driving[0] if driving else None
            result = pipeline.reenact(portrait, first, out, use, options, cancelled, progress, pose, dynamics)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def showcase(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT")],
    pose: PoseVideo = None,
    dynamics: DynamicsVideo = None,
    seed: Seed = DEFAULTS.seed,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show head pose and face edited apart: PORTRAIT speaks SPEECH in several ways, side by side.

    Columns: as generated, with a still head, with a spinning head, with a still face, and with --pose or --dynamics
    the head of one video and the face of another.
    """
    check_paths(portrait, speech, pose, dynamics, out=out)
    check_videos(pose, dynamics)
    check_photo(portrait)
    sound = open_speech(speech)
    signer = signing(certificate, key)
    with progress_bar("showcase", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model, signer)
        from vasa_core.pipeline import showcase as show

        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed)
            result = show(pipeline, portrait, sound, out, options, pose, dynamics, cancelled, progress)
    report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
@with_controls
def compare(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    vary: Annotated[
        list[str], typer.Option(metavar="OPTION=VALUE,VALUE...", help="What differs, once across, again for down.")
    ],
    singles: Annotated[
        Path | None, typer.Option(help="Folder for each video by itself and a page that plays them in step.")
    ] = None,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
    **controls: Any,
) -> None:
    """Show what an option does: PORTRAIT speaks SPEECH once for each value of one or two options, in one grid.

    For example --vary gaze-yaw=-20,0,20 --vary guidance-audio=0.5,1,2. Every other option holds for all.
    """
    options = GenerationOptions(**controls).validate()
    varied = varied_values(vary, options)
    check_inputs(portrait, speech, options, out, ".mp4")
    sound = open_speech(speech)
    signer = signing(certificate, key)
    with progress_bar("compare", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model, signer)
        from vasa_core.pipeline import compare as show

        with INTERRUPT.asks() as cancelled:
            result = show(pipeline, portrait, sound, out, varied, options, singles, cancelled, progress)
    where = f"; open {singles / 'index.html'}" if singles else ""
    report(result, as_json, f"{out}: {result.frames} frames{where}")


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

    from vasa_core.io.image import IMAGE_SUFFIXES

    check_paths(source, out=out, suffix=".npz")
    check = check_photo if source.suffix.lower() in IMAGE_SUFFIXES else check_videos
    check(source)
    with writing(out) as part, progress_bar("encode", "frame") as progress:
        arrays = load_pipeline(device, checkpoints).encode(source, progress)
        with part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    report({"path": out, "arrays": shapes}, as_json, f"{out}: {', '.join(f'{k} {v}' for k, v in shapes.items())}")


@cli.command()
def verify(source: Annotated[Path, typer.Argument(metavar="IMAGE_OR_VIDEO")], as_json: Json = False) -> None:
    """Say what a picture or a video tells of how it was made: signed manifest, invisible mark, metadata."""
    check_source(source, "a picture or a video")
    from vasa_core.pipeline.verify import verify as look

    found = look(source)
    report(found, as_json, f"{source}\n{found.says}")


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
    max_seconds: Annotated[
        float, typer.Option(help="Longest speech, seconds.", envvar="VASA_MAX_SECONDS")
    ] = USUAL_APP_SECONDS,
    queue: Annotated[int, typer.Option(help="How many videos may wait.", envvar="VASA_QUEUE")] = 16,
    live: Annotated[int, typer.Option(help="How many people may talk live at once.", envvar="VASA_LIVE")] = 2,
    live_seconds: Annotated[
        float, typer.Option(help="Longest live talk, seconds.", envvar="VASA_LIVE_SECONDS")
    ] = 600.0,
) -> None:
    """Open the web app. Each option may be an environment variable: VASA_HOST, VASA_MAX_SECONDS ..."""
    from vasa_core.app.settings import Settings

    settings = Settings(host, port, auth, max_seconds, queue, live, live_seconds)
    try:
        from vasa_core.app.serve import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise MissingModelError("the app needs gradio; `pip install 'vasa-core[app]'` gets it.") from error
    serve(settings)
