"""The command line, `python -m vasa_core`: a thin layer of options over the pipeline, training and evaluation."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vasa_core.config import CHECKPOINTS, Cancelled, GenerationOptions, InputError, MissingModelError
from vasa_core.terminal import INTERRUPT, progress_bar, silence_native_libraries, writing

cli = typer.Typer(
    help="One portrait photo and a speech clip in, a talking-head video out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
DEFAULTS = GenerationOptions()
FAILED, BAD_INPUT = 1, 2

Json = Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the trained checkpoints.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same video.")]
PasteBack = Annotated[bool, typer.Option("--paste-back", help="Show the whole photo, not only the crop of the head.")]
Data = Annotated[list[Path], typer.Option(help="Folder of videos of single talking faces; may be repeated.")]
KEEPS = "Keeps what was computed from each clip, and the run."
Cache = Annotated[Path, typer.Option(help=KEEPS, envvar="VASA_CACHE", show_default="~/.cache/vasa_core")]
Minutes = Annotated[float, typer.Option(help="Length of the training; the same command again resumes it.")]
WRITTEN = "Folder of the checkpoint to write."
DEFAULT_CACHE = Path("~/.cache/vasa_core").expanduser()


@cli.command()
def generate(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    gaze_yaw: Annotated[float, typer.Option(help="Degrees; + looks to the viewer's right.")] = DEFAULTS.gaze_yaw,
    gaze_pitch: Annotated[float, typer.Option(help="Degrees; + looks up.")] = DEFAULTS.gaze_pitch,
    distance: Annotated[float, typer.Option(help="1 as photographed, 0.7 nearer, 1.5 farther.")] = DEFAULTS.distance,
    emotion: Annotated[str | None, typer.Option(help="Name of an emotion; none if left out.")] = DEFAULTS.emotion,
    emotion_strength: Annotated[float, typer.Option(help="0 to 1.")] = DEFAULTS.emotion_strength,
    guidance_audio: Annotated[float, typer.Option(help="CFG scale of the speech.")] = DEFAULTS.guidance_audio,
    guidance_gaze: Annotated[float, typer.Option(help="CFG scale of gaze.")] = DEFAULTS.guidance_gaze,
    guidance_emotion: Annotated[float, typer.Option(help="CFG scale of the emotion.")] = DEFAULTS.guidance_emotion,
    head_motion: Annotated[float, typer.Option(help="Amount of head motion; 0 freezes it.")] = DEFAULTS.head_motion,
    steps: Annotated[int, typer.Option(help="Sampler steps a window.")] = DEFAULTS.steps,
    seed: Seed = DEFAULTS.seed,
    size: Annotated[int, typer.Option(help="Side of the video in px, 256 or 512.")] = DEFAULTS.size,
    paste_back: PasteBack = DEFAULTS.paste_back,
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
        head_motion=head_motion,
        steps=steps,
        seed=seed,
        size=size,
        paste_back=paste_back,
    ).validate()
    _check_paths(portrait, speech, out=out, suffix=".mp4")
    with progress_bar("generate", "frame") as progress:
        pipeline = _load_pipeline(device, checkpoints)
        with INTERRUPT.asks() as cancelled:
            result = pipeline.generate(portrait, speech, out, options, cancelled, progress)
    _report(result, as_json, f"{out}: {result.frames} frames")


@cli.command()
def reenact(
    portrait: Path,
    driving: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4")],
    use: Annotated[str, typer.Option(help="What to take from the driving video: both, pose or dynamics.")] = "both",
    paste_back: PasteBack = DEFAULTS.paste_back,
    seed: Seed = DEFAULTS.seed,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Move the person of PORTRAIT as the person in the DRIVING video moves."""
    _check_paths(portrait, driving, out=out, suffix=".mp4")
    with progress_bar("reenact", "frame") as progress:
        pipeline = _load_pipeline(device, checkpoints)
        with INTERRUPT.asks() as cancelled:
            options = GenerationOptions(seed=seed, paste_back=paste_back)
            result = pipeline.reenact(portrait, driving, out, use, options, cancelled, progress)
    _report(result, as_json, f"{out}: {result.frames} frames")


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

    _check_paths(source, out=out, suffix=".npz")
    with writing(out) as part, progress_bar("encode", "frame") as progress:
        arrays = _load_pipeline(device, checkpoints).encode(source, progress)
        with part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    _report({"path": out, "arrays": shapes}, as_json, f"{out}: {', '.join(f'{k} {v}' for k, v in shapes.items())}")


@cli.command()
def bench(
    seconds: Annotated[float, typer.Option(help="Length of the speech, the bundled clip looped.")] = 20.0,
    avx2: Annotated[bool, typer.Option(help="Measure again with oneDNN held to AVX2.")] = True,
    device: Device = "auto",
) -> None:
    """Measure speed and memory on the bundled portrait and speech; prints JSON."""
    from vasa_core.evaluation.bench import measure, measure_with_avx2

    with progress_bar("bench", "frame") as progress:
        figures = measure(seconds, device, progress=progress)
    if avx2:
        figures["avx2"] = measure_with_avx2(seconds, device)
    _report(figures, True)


@cli.command("fetch-models")
def fetch_models(as_json: Json = False) -> None:
    """Get the third-party model files that generation needs."""
    from tqdm import tqdm

    from vasa_core.registry import MODELS, RUNTIME_MODELS, resolve

    bar = tqdm(RUNTIME_MODELS, desc="fetch-models", unit="file", file=sys.stderr)
    found = {name: {"path": resolve(name), "licence": MODELS[name].licence} for name in bar}
    _report(found, as_json, "\n".join(f"{name}: {entry['path']}" for name, entry in found.items()))


@cli.command("train-basis")
def train_basis(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/mesh")] = CHECKPOINTS / "mesh",
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Learn the linear face basis (identity and dynamics)."""
    from vasa_core.training.basis import train_basis as train

    _report(train(_video_folders(data), out, cache / "tracking"), as_json, f"{out}: face basis written")


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
    made = train(network, _video_folders(data), target, cache, _positive("minutes", minutes), seed)
    _report(made, as_json, f"{target}: the renderer's {network} network written")


@cli.command("export-renderer")
def export_renderer(checkpoints: Checkpoints = CHECKPOINTS) -> None:
    """Write the renderer's networks as ONNX beside their weights, for onnxruntime."""
    from vasa_core.training.export import export_driving

    for network in ("mouth", "eyes"):
        print(f"{export_driving(checkpoints / network)} written")


@cli.command("train-motion")
def train_motion(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/motion")] = CHECKPOINTS / "motion",
    cache: Cache = DEFAULT_CACHE,
    minutes: Minutes = 30.0,
    size: Annotated[str, typer.Option(help="Name of a model size, for example small or paper.")] = "small",
    seed: Annotated[int, typer.Option(help="Of weights, windows and noise.")] = 0,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Learn to move from speech: the diffusion transformer."""
    folders = _video_folders(data)
    from vasa_core.training.motion import MotionTrainingConfig
    from vasa_core.training.motion_run import train_motion as train

    config = MotionTrainingConfig(size=size, minutes=_positive("minutes", minutes), seed=seed)
    with progress_bar("train-motion", "‰") as progress:
        made = train(
            folders,
            out,
            config,
            checkpoints=checkpoints,
            cache=cache,
            run=cache / "runs" / out.name,
            progress=lambda share, _: progress(round(1000 * min(share, 1.0)), 1000),
        )
    _report(made, as_json, f"{out}: motion model written")


@cli.command("train-judge")
def train_judge(
    data: Data,
    out: Annotated[Path, typer.Option(help=WRITTEN, show_default="checkpoints/sync_judge")] = CHECKPOINTS
    / "sync_judge",
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Fit the judge of lip sync that `evaluate` uses."""
    folders = _video_folders(data)
    from vasa_core.training.sync_judge import train_judge as train

    _report(train(folders, out, cache / "tracking"), as_json, f"{out}: sync judge written")


@cli.command()
def evaluate(
    data: Annotated[list[Path] | None, typer.Option(help="Folder of real clips of talking faces; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the videos and evaluation.json.")] = Path("out/evaluation"),
    clips: Annotated[int, typer.Option(help="At most so many of the held-out clips.")] = 4,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Render, re-track what was rendered, and report it beside the same figures of real clips."""
    from vasa_core.training.tracking import find_clips

    found = [clip for folder in _video_folders(data or []) for clip in find_clips(folder)]
    held_out = [clip.path for clip in found if clip.split == "val"] or [clip.path for clip in found]
    from vasa_core.evaluation.evaluate import evaluate as measure
    from vasa_core.evaluation.report import table

    with progress_bar("evaluate", "video") as progress:
        pipeline = _load_pipeline(device, checkpoints)
        spread = held_out[:: max(1, len(held_out) // max(1, clips))]
        result = measure(pipeline, spread, out, clips, progress)
    written = out / "evaluation.json"
    _report(json.loads(written.read_text()), as_json, f"{table(result)}\n{written}")


@cli.command("evaluate-renderer")
def evaluate_renderer(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for render.json and the sheets.")] = Path("out/renderer"),
    clips: Annotated[int, typer.Option(help="At most so many of the held-out clips.")] = 12,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Draw held-out clips from their own first frames, and report the painted frames beside the bare warp."""
    from vasa_core.evaluation.render import measure_renderer
    from vasa_core.evaluation.render_report import render_table
    from vasa_core.registry import resolve
    from vasa_core.training.perceptual import Perceptual
    from vasa_core.training.tracking import find_clips

    found = [clip for folder in _video_folders(data) for clip in find_clips(folder)]
    held_out = [(c.identity, c.path) for c in found if c.split == "val"] or [(c.identity, c.path) for c in found]
    with progress_bar("evaluate-renderer", "clip") as progress:
        result = measure_renderer(checkpoints, held_out, out, clips, Perceptual(resolve("perceptual")), progress)
    _report(result, as_json, f"{render_table(result)}\n{out / 'render.json'}")


def _check_paths(*sources: Path, out: Path, suffix: str) -> None:
    """Raise InputError at once, before models are loaded, if a source is missing or `out` cannot be right."""
    for source in sources:
        if not source.is_file():
            raise InputError(f"{source} does not exist; expected a file.")
    if out.suffix.lower() != suffix:
        raise InputError(f"{out} is the output; expected a name that ends in {suffix}.")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent} is not a folder; expected an existing folder for the output.")


def _video_folders(folders: list[Path]) -> list[Path]:
    """The folders, each of which holds videos. Raises InputError for one that does not."""
    from vasa_core.training.tracking import find_clips

    for folder in folders:
        if not find_clips(folder):
            raise InputError(f"{folder} holds no video; expected a folder of videos of single talking faces.")
    return folders


def _positive(name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise InputError(f"{name} is {value}; expected a number above 0.")
    return value


def _load_pipeline(device: str, checkpoints: Path) -> Any:
    from vasa_core.pipeline import Pipeline

    return Pipeline.load(device, checkpoints)


def _report(made: Any, as_json: bool, sentence: str = "") -> None:
    """Print what was made: a dataclass or dict as JSON, or a sentence."""
    if as_json:
        values = asdict(made) if is_dataclass(made) and not isinstance(made, type) else made
        print(json.dumps(values, indent=2, default=str))
    else:
        print(sentence)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 bad input (one sentence), 128 + n ended by signal n."""
    silence_native_libraries()
    signal.signal(signal.SIGTERM, INTERRUPT)
    signal.signal(signal.SIGINT, INTERRUPT)
    try:
        cli()
    except (InputError, MissingModelError, Cancelled, OSError) as error:
        if INTERRUPT.number:  # Ctrl-C ends ffmpeg too, which looks like a bad file until the request to stop is seen
            sys.exit(INTERRUPT.exit_code)
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT if isinstance(error, InputError | MissingModelError) else FAILED)


if __name__ == "__main__":
    main()
