"""Batches: broken rows, what is shared, what a second run skips, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.jobs import read_jobs
from vasa_core.io.video import read_frames
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.batch import RESULTS, SUMMARY, batch

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 600  # on a busy machine
QUICK: dict[str, Any] = {"size": 256, "steps": 1}


def write_jobs(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "jobs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_good_rows_are_made_and_broken_ones_named(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Path] = []
    prepare = pipeline.prepare
    monkeypatch.setattr(pipeline, "prepare", lambda photo, *rest: prepared.append(photo) or prepare(photo, *rest))
    (tmp_path / "me.jpg").write_bytes(portrait.read_bytes())
    (tmp_path / "text.jpg").write_text("no picture")
    rows = [
        {"portrait": "me.jpg", "speech": str(brief_speech), **QUICK, "seed": 1},
        {"portrait": "text.jpg", "speech": str(brief_speech), **QUICK},
        {"portrait": "me.jpg", "text": "Hello there.", "name": "hello", **QUICK},
        {"portrait": "me.jpg", "speech": "none.wav", **QUICK},
        {"portrait": "me.jpg", "speech": str(brief_speech), "gaze_yaw": 99},
    ]
    jobs, out = read_jobs(write_jobs(tmp_path, rows)), tmp_path / "out"
    failed: list[tuple[int, str]] = []
    seen: list[tuple[int, int]] = []
    made = batch(
        pipeline, jobs, out, None, lambda *steps: seen.append(steps), lambda job, e: failed.append((job.row, e))
    )
    assert (made.jobs, made.made, made.skipped, made.failed) == (5, 2, 0, 3)
    assert [row for row, _ in failed] == [2, 4, 5]
    assert "text.jpg is not an image" in failed[0][1]
    assert "none.wav does not exist" in failed[1][1]
    assert seen == [(done, 5) for done in range(1, 6)]
    assert prepared == [tmp_path / "me.jpg", tmp_path / "text.jpg"]
    names = sorted(path.name for path in out.iterdir())
    assert names == ["0001_me_brief.mp4", "hello.mp4", RESULTS, SUMMARY]
    assert len(list(read_frames(out / "0001_me_brief.mp4"))) == 15
    assert json.loads((out / SUMMARY).read_text())["failures"][1]["row"] == 4

    rows[2]["seed"], rows[3]["speech"] = 2, str(brief_speech)
    before = (out / "0001_me_brief.mp4").stat().st_mtime_ns
    again = batch(pipeline, read_jobs(write_jobs(tmp_path, rows)), out)
    assert (again.made, again.skipped, again.failed) == (2, 1, 2)
    assert (out / "0001_me_brief.mp4").stat().st_mtime_ns == before


@pytest.mark.slow
def test_videos_made_side_by_side_are_those_made_one_by_one(
    pipeline: Pipeline, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    ada = ROOT / "assets" / "faces" / "ada.jpg"
    rows = [
        {"portrait": str(photo), "speech": str(short_speech), "seed": seed, **QUICK}
        for photo, seed in ((portrait, 1), (ada, 1), (portrait, 2))
    ]
    jobs = read_jobs(write_jobs(tmp_path, rows))
    made = batch(pipeline, jobs, tmp_path / "three", at_once=3)
    assert (made.made, made.failed) == (3, 0)
    batch(pipeline, jobs[1:2], tmp_path / "one")
    alone, beside = ((tmp_path / folder / f"{jobs[1].name}.mp4") for folder in ("one", "three"))
    for one, other in zip(read_frames(alone), read_frames(beside), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(InputError, match="at_once is 0; expected a number from 1 to 16"):
        batch(pipeline, jobs, tmp_path / "none", at_once=0)


def test_a_stopped_batch_says_how_far_it_came(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path
) -> None:
    rows = [{"portrait": str(portrait), "speech": str(brief_speech), "seed": seed, **QUICK} for seed in (1, 2)]
    done = 0

    def count(jobs: int, _: int) -> None:
        nonlocal done
        done = jobs

    with pytest.raises(Cancelled):
        batch(pipeline, read_jobs(write_jobs(tmp_path, rows)), tmp_path / "out", lambda: done >= 1, count)
    assert json.loads((tmp_path / "out" / SUMMARY).read_text())["made"] == 1
    with (tmp_path / "out" / RESULTS).open("a") as stream:
        stream.write('{"row": 2, "na')  # as a run that is killed while it writes
    assert batch(pipeline, read_jobs(tmp_path / "jobs.jsonl"), tmp_path / "out").skipped == 1
    last = (tmp_path / "out" / RESULTS).read_text().splitlines()[-1]
    assert json.loads(last)["row"] == 2


def test_a_killed_command_goes_on_where_it_was(portrait: Path, brief_speech: Path, tmp_path: Path) -> None:
    rows = [{"portrait": str(portrait), "speech": str(brief_speech), "seed": seed, **QUICK} for seed in range(4)]
    rows.insert(1, {"portrait": str(portrait)})
    command = [sys.executable, "-m", "vasa_core", "batch", str(write_jobs(tmp_path, rows)), str(tmp_path / "out")]
    results = tmp_path / "out" / RESULTS
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not (results.is_file() and '"row": 3' in results.read_text()) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    first = next((tmp_path / "out").glob("0001_*.mp4"))
    before = first.stat().st_mtime_ns
    done = subprocess.run(
        [*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    made = json.loads(done.stdout)
    assert done.returncode == 1
    assert made["skipped"] >= 2
    assert made["made"] == 4 - made["skipped"]
    assert first.stat().st_mtime_ns == before
    assert "row 2 (0002_" in done.stderr
    assert "it has portrait; expected portrait, and either speech or text." in done.stderr
    assert sorted(path.name[:4] for path in (tmp_path / "out").iterdir()) == [
        "0001",
        "0003",
        "0004",
        "0005",
        "resu",
        "summ",
    ]
