"""The command that makes many videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vasa_core.assets import CHECKPOINTS
from vasa_core.cli.options import (
    Certificate,
    Checkpoints,
    Device,
    FaceModel,
    Json,
    Key,
    cli,
    load_pipeline,
    report,
    signing,
)
from vasa_core.cli.terminal import INTERRUPT, progress_bar
from vasa_core.options import MESH

if TYPE_CHECKING:
    from vasa_core.io.jobs import Broken, Job

SOME_FAILED = 1


@cli.command()
def batch(
    jobs: Annotated[Path, typer.Argument(metavar="JOBS.csv|JOBS.jsonl")],
    out: Annotated[Path, typer.Argument(metavar="FOLDER")],
    at_once: Annotated[int, typer.Option(help="Videos that are made side by side.")] = 1,
    face_model: FaceModel = MESH,
    device: Device = "auto",
    checkpoints: Checkpoints = CHECKPOINTS,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a video of every row of JOBS, in FOLDER: portrait, speech or text, and any option of `generate`.

    The same command again goes on where it stopped. Rows that fail are told of on stderr, a line each; the exit code is
    then 1. Paths in JOBS are relative to it.
    """
    from vasa_core.io.jobs import read_jobs

    rows = read_jobs(jobs)

    def failed(job: Job | Broken, error: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"row {job.row} ({job.name}): {error}", file=sys.stderr)

    signer = signing(certificate, key)
    with progress_bar("batch", "video") as progress:
        pipeline = load_pipeline(device, checkpoints, face_model, signer)
        from vasa_core.pipeline.batch import batch as make_all

        with INTERRUPT.asks() as cancelled:
            made = make_all(pipeline, rows, out, cancelled, progress, failed, at_once)
    said = f"{out}: {made.made} videos made, {made.skipped} there already, {made.failed} failed"
    report(made, as_json, said)
    if made.failed:
        raise typer.Exit(SOME_FAILED)
