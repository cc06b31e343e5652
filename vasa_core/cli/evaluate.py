"""Commands that measure speed and quality."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    DEFAULT_CACHE,
    DEFAULTS,
    Cache,
    Checkpoints,
    Data,
    Device,
    FaceModel,
    Json,
    Seed,
    check_paths,
    check_photo,
    cli,
    load_pipeline,
    open_speech,
    report,
)
from vasa_core.cli.terminal import progress_bar
from vasa_core.files import check_source, check_target, parsed_json
from vasa_core.options import MESH, PORTRAIT_SIZE, GenerationOptions


@cli.command()
def bench(
    seconds: Annotated[float, typer.Option(help="Length of the speech, the bundled clip looped.")] = 20.0,
    quality: Annotated[bool, typer.Option("--quality", help="Track the video, too: what is kept to its end.")] = False,
    avx2: Annotated[bool, typer.Option(help="Measure again with oneDNN held to AVX2.")] = True,
    size: Annotated[int, typer.Option(help="Side of the video, px: 256, 512, 768 or 1024.")] = PORTRAIT_SIZE,
    jobs: Annotated[int, typer.Option(help="Measure so many portraits at once, too.", min=1, max=16)] = 1,
    profile: Annotated[Path | None, typer.Option(help="Write what every thread was seen doing to this file.")] = None,
    against: Annotated[Path | None, typer.Option(help="JSON of an earlier bench to compare with.")] = None,
    device: Device = "auto",
) -> None:
    """Measure speed and memory on the bundled portrait and speech; prints JSON."""
    if against:
        check_source(against, "the JSON of an earlier bench")
    before = parsed_json(against.read_bytes(), str(against)) if against else {}
    if profile:
        check_target(profile, profile.suffix.lower(), against)
    from vasa_core.evaluation.bench import compared, measure, measure_jobs, measure_with_avx2
    from vasa_core.evaluation.stacks import profiled

    with progress_bar("bench", "frame") as progress:
        pipeline = load_pipeline(device, CHECKPOINTS)
        with profiled(profile) if profile else nullcontext():
            figures = measure(seconds, device, pipeline, progress, quality, size)
        if jobs > 1:
            figures |= measure_jobs(pipeline, jobs, seconds, size)
    if avx2:
        figures["avx2"] = measure_with_avx2(seconds, device, size)
    if against:
        figures["against"] = compared(figures, before)
    report(figures, True)


@cli.command()
def evaluate(
    data: Annotated[list[Path] | None, typer.Option(help="Folder of real clips of talking faces; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the videos and evaluation.json.")] = Path("out/evaluation"),
    clips: Annotated[int, typer.Option(help="At most so many of the held-out clips.")] = 4,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Render, re-track what was rendered, and report it beside the same figures of real clips."""
    from vasa_core.evaluation.setup import held_out_clips

    found = held_out_clips(data or [])  # before models are loaded
    from vasa_core.evaluation.video.measure import evaluate as measure
    from vasa_core.evaluation.video.report import video_table

    with progress_bar("evaluate", "video") as progress:
        result = measure(load_pipeline(device, checkpoints, face_model), found, out, clips, progress)
    report(result, as_json, f"{video_table(result)}\n{out / 'evaluation.json'}")


@cli.command("evaluate-renderer")
def evaluate_renderer(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for render.json and the sheets.")] = Path("out/renderer"),
    clips: Annotated[int, typer.Option(help="At most so many of the held-out clips.")] = 12,
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Render held-out clips from their own first frames, and report the painted frames beside the bare warp."""
    from vasa_core.assets import resolve
    from vasa_core.evaluation.renderer.measure import measure_renderer
    from vasa_core.evaluation.renderer.report import render_table
    from vasa_core.evaluation.setup import held_out_clips
    from vasa_core.training.losses.perceptual import Perceptual

    found = held_out_clips(data)
    with progress_bar("evaluate-renderer", "clip") as progress:
        result = measure_renderer(checkpoints, found, out, clips, Perceptual(resolve("perceptual")), progress)
    report(result, as_json, f"{render_table(result)}\n{out / 'render.json'}")


@cli.command("evaluate-motion")
def evaluate_motion(
    data: Data,
    speech: Annotated[list[Path] | None, typer.Option(help="Folder of recordings with transcripts.csv.")] = None,
    portraits: Annotated[Path | None, typer.Option(help="Folder of photos, for the emotions.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for motion.json.")] = Path("out/motion"),
    clips: Annotated[int, typer.Option(help="At most so many held-out clips, or recordings, of each folder.")] = 24,
    steps: Annotated[int, typer.Option(help="Sampling steps per window.")] = DEFAULTS.steps,
    guidance_audio: Annotated[float, typer.Option(help="CFG scale of the speech.")] = DEFAULTS.guidance_audio,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Report generated motion beside real clips, motion from another voice and a still face, before it is rendered."""
    from vasa_core.data.tracking import track_clips
    from vasa_core.evaluation.motion.measure import measure_motion
    from vasa_core.evaluation.motion.report import motion_table
    from vasa_core.evaluation.setup import held_out_clips, spread

    tracked = [
        (folder.resolve().name, clip)
        for folder in data
        for clip in track_clips(spread(held_out_clips([folder]), clips), cache / "tracking")
    ]
    with progress_bar("evaluate-motion", "recording") as progress:
        pipeline = load_pipeline(device, checkpoints)
        options = GenerationOptions(steps=steps, guidance_audio=guidance_audio)
        result = measure_motion(pipeline, tracked, speech or [], out, clips, portraits, progress, options)
    report(result, as_json, f"{motion_table(result)}\n{out / 'motion.json'}")


@cli.command("lip-sheet")
def lip_sheet(
    portrait: Path,
    speech: Path,
    out: Annotated[Path, typer.Argument(metavar="OUT.png")],
    seed: Seed = DEFAULTS.seed,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    as_json: Json = False,
) -> None:
    """Draw a sheet of the rendered lips under the waveform of any voice, its first 12 s, and score their sync."""
    check_paths(portrait, speech, out=out, suffix=".png")
    check_photo(portrait)
    open_speech(speech)
    from vasa_core.evaluation.video.lip_sheet import make_lip_sheet

    with progress_bar("lip-sheet", "frame") as progress:
        pipeline = load_pipeline(device, checkpoints)
        figures = make_lip_sheet(pipeline, portrait, speech, out, GenerationOptions(seed=seed), progress)
    shown = "; ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in figures.items() if value is not None)
    report(figures, as_json, f"{out}: {shown}")


@cli.command("evaluate-face")
def evaluate_face(
    data: Data,
    volume: Annotated[Path, typer.Option(help="Checkpoint of the volume face model.")] = CHECKPOINTS / "volume",
    out: Annotated[Path, typer.Option(help="Folder for volume.json and sheet.png.")] = Path("out/face"),
    clips: Annotated[int, typer.Option(help="At most so many of the held-out clips.")] = 15,
    seed: Annotated[int, typer.Option(help="Of who moves like whom.")] = 0,
    checkpoints: Checkpoints = CHECKPOINTS,
    cache: Cache = DEFAULT_CACHE,
    as_json: Json = False,
) -> None:
    """Report the volume face model on held-out people beside copying the source and the mesh face model."""
    from vasa_core.assets import resolve
    from vasa_core.evaluation.volume.measure import measure_volume
    from vasa_core.evaluation.volume.rendering import held_out_faces, load_models
    from vasa_core.evaluation.volume.report import volume_table
    from vasa_core.training.losses.perceptual import Perceptual

    networks, mesh = load_models(volume, checkpoints)
    faces = held_out_faces(data, networks, mesh, cache)
    with progress_bar("evaluate-face", "clip") as progress:
        result = measure_volume(networks, mesh, faces, out, clips, Perceptual(resolve("perceptual")), seed, progress)
    report(result, as_json, f"{volume_table(result)}\n{out / 'volume.json'}")
