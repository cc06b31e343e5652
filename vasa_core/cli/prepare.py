"""The command that makes training data of raw videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vasa_core.cli.options import Json, cli, positive, report
from vasa_core.cli.terminal import progress_bar
from vasa_core.errors import InputError


@cli.command("prepare-data")
def prepare_data(
    videos: Annotated[Path, typer.Argument(help="Folder of raw videos, any length and format.")],
    out: Annotated[Path, typer.Argument(help="Folder for the shards and report.json.")],
    size: Annotated[int, typer.Option(help="Most px of a clip's side; smaller faces are not enlarged.")] = 512,
    min_seconds: Annotated[float, typer.Option(help="Of a clip.")] = 2.0,
    max_seconds: Annotated[float, typer.Option(help="Of a clip.")] = 10.0,
    min_face: Annotated[int, typer.Option(help="Px of the video from forehead to chin.")] = 96,
    min_inside: Annotated[
        float, typer.Option(help="Share of a clip's picture in the video's; beyond it the edge is repeated.")
    ] = 0.5,
    min_expression: Annotated[
        float, typer.Option(help="Face heights that lips or eyelids move; photos and rendered bodies move less.")
    ] = 0.008,
    shard_mb: Annotated[int, typer.Option(help="Most megabytes of a shard.")] = 500,
    gaze: Annotated[str, typer.Option(help="What labels the gaze: landmarks or l2cs:FILE.")] = "landmarks",
    distance: Annotated[str, typer.Option(help="What labels the distance: landmarks or deep3d:FILE.")] = "landmarks",
    emotion: Annotated[str, typer.Option(help="What labels the emotion: fer or hsemotion:FILE.")] = "fer",
    unsynced: Annotated[
        str, typer.Option(help="Clips whose lips do not follow their sound: silent (kept without it), drop or keep.")
    ] = "silent",
    workers: Annotated[int, typer.Option(help="Processes, each on a video of its own.")] = 1,
    as_json: Json = False,
) -> None:
    """Cut raw VIDEOS into clips of single talking heads, label them, and pack them as WebDataset shards into OUT.

    A clip keeps its sound only where its lips follow it; report.json says which do not, and why. The same command again
    resumes what was interrupted. `train-motion` takes its conditions from these labels. A manifest.csv beside the
    videos (file, split, identity) says who is in them; without one, every tenth video is held out as val.
    """
    from vasa_core.data.prepare.config import PreparationConfig
    from vasa_core.data.prepare.prepare import prepare_data as prepare
    from vasa_core.data.prepare.prepare import table

    if not videos.is_dir():
        raise InputError(f"{videos} is not a folder; expected a folder of videos.")
    config = PreparationConfig(
        size,
        min_seconds,
        max_seconds,
        min_face,
        min_inside,
        min_expression=min_expression,
        gaze=gaze,
        distance=distance,
        emotion=emotion,
        unsynced=unsynced,
    ).validate()
    positive("workers", workers)
    positive("shard_mb", shard_mb)
    with progress_bar("prepare-data", "video") as progress:
        made = prepare(videos, out, config, shard_mb, workers, progress)
    report(made, as_json, f"{table(made)}\n{out}: shards and report.json written")
