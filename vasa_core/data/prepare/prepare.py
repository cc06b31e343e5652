"""A folder of raw videos to shards of clips: finds the files, shares them among processes, packs, and reports.

What a video gave is kept in OUT/.work until all are done, so a run that was ended in any way goes on where it was. A
repeated run on a changed folder takes the clips of unchanged videos from the old shards.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vasa_core.data.clips import VIDEO_SUFFIXES, read_manifest, split_by_hash
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.labels import tools
from vasa_core.data.prepare.sound import NO_SOUND
from vasa_core.data.prepare.video import RawVideo, prepare_video
from vasa_core.data.shards import SPLITS, SUFFIXES, holds_shards, read_files, shard_files, write_shards
from vasa_core.errors import InputError
from vasa_core.files import write_bytes, write_text
from vasa_core.types import Progress

RAW_SUFFIXES = (
    VIDEO_SUFFIXES
    | {".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".vob", ".wmv", ".asf", ".flv"}
    | {".3gp", ".ogv", ".dv", ".gif", ".mp2", ".mpe", ".divx", ".f4v", ".ogm"}
)
REPORT = "report.json"
_WORK, _STATE, _PACKED = ".work", "state.json", "packed"

Stamp = list[str | int]
Job = tuple[RawVideo, Path, PreparationConfig, Stamp]


def prepare_data(
    videos: Path,
    out: Path,
    config: PreparationConfig,
    shard_mb: int = 500,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make shards of all talking heads in the videos of a folder, and the report that is returned.

    progress: called with (videos done, videos in all). Raises InputError if there is no video.
    """
    found = find_videos(videos, out)
    if not found:
        raise InputError(f"{videos} holds no video; expected a folder of video files.")
    stamps = {video.key: _stamp(video, config) for video in found}
    inputs = hashlib.sha256(json.dumps([stamps, shard_mb], sort_keys=True).encode()).hexdigest()
    report = _read_json(out / REPORT)
    work = out / _WORK
    if report and report["inputs"] == inputs and all((out / name).is_file() for name in report["shards"]):
        return report
    work.mkdir(parents=True, exist_ok=True)
    _restore(out, work)
    states = {video.key: _ready(video, work, stamps[video.key]) for video in found}
    pending = [video for video in found if states[video.key] is None]
    if pending:
        tools(config).check()
    if progress:
        progress(len(found) - len(pending), len(found))
    jobs = [(video, work, config, stamps[video.key]) for video in pending]
    for done, (key, state) in enumerate(_run(jobs, workers), 1):
        states[key] = state
        if progress:
            progress(len(found) - len(pending) + done, len(found))
    report = _pack(out, work, found, states, shard_mb, inputs)
    for video in found:
        _remove_clips(work / video.key)
    return report


def find_videos(folder: Path, out: Path) -> list[RawVideo]:
    """The raw videos of a folder and its subfolders, those in `out` left out; who and which split as `find_clips`."""
    paths = (p for p in folder.rglob("*") if p.suffix.lower() in RAW_SUFFIXES and p.is_file())
    result = []
    for path in sorted(p for p in paths if out.resolve() not in p.resolve().parents):
        name = path.relative_to(folder).as_posix()
        row = read_manifest(path.parent).get(path.name)
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:60]
        key = f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        split = row["split"] if row else split_by_hash(path.stem)
        if split not in SPLITS:
            raise InputError(f"split of {name} is {split!r} in its manifest; expected one of {', '.join(SPLITS)}.")
        result.append(RawVideo(path, name, key, row["identity"] if row else key, split, row is not None))
    return result


def _stamp(video: RawVideo, config: PreparationConfig) -> Stamp:
    """Changes when the video, who is in it, or the configuration does."""
    stat = video.path.stat()
    return [video.name, stat.st_size, stat.st_mtime_ns, video.identity, video.split, config.fingerprint]


def _run(jobs: list[Job], workers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if workers <= 1 or len(jobs) <= 1:
        yield from (_job(*job) for job in jobs)
        return
    # Not forked: threads of the libraries that are loaded by now would not come along.
    with ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_job, *zip(*jobs, strict=True))


def _job(video: RawVideo, work: Path, config: PreparationConfig, stamp: Stamp) -> tuple[str, dict[str, Any]]:
    outcome = prepare_video(video, work / video.key, config, tools(config))
    state = {"stamp": stamp, **asdict(outcome)}
    _write_json(work / video.key / _STATE, state)
    return video.key, state


def _ready(video: RawVideo, work: Path, stamp: Stamp) -> dict[str, Any] | None:
    """A video's state if it was prepared like this before and its clips are there."""
    folder = work / video.key
    state = _read_json(folder / _STATE)
    if state is None or state["stamp"] != stamp:
        return None
    return state if all((folder / f"{key}.json").is_file() for key in state["kept"]) else None


def _restore(out: Path, work: Path) -> None:
    """Clips of the old shards back to where they were packed from; the json, which makes one whole, comes last."""
    if not holds_shards(out):
        return
    owners = {}
    for path in work.glob(f"*/{_STATE}"):
        owners |= dict.fromkeys((_read_json(path) or {"kept": []})["kept"], path.parent)
    for key, files in read_files(out):
        folder = owners.get(key)
        if folder is None or (folder / f"{key}.json").is_file():
            continue
        for suffix in (*(s for s in files if s != "json"), "json"):
            write_bytes(folder / f"{key}.{suffix}", files[suffix])


def _pack(
    out: Path, work: Path, found: list[RawVideo], states: dict[str, Any], shard_mb: int, inputs: str
) -> dict[str, Any]:
    """Pack all clips into new shards, which then take the place of old ones, and write the report."""
    packed = work / _PACKED
    shutil.rmtree(packed, ignore_errors=True)
    packed.mkdir()
    clips = [work / video.key / key for video in found for key in states[video.key]["kept"]]
    about = {clip.name: json.loads(clip.with_name(f"{clip.name}.json").read_text()) for clip in clips}
    names = []
    for split in SPLITS:
        # By a hash, so that neighbours in a shard are seldom from one video.
        chosen = [clip for clip in clips if about[clip.name]["split"] == split]
        chosen.sort(key=lambda clip: hashlib.sha256(clip.name.encode()).digest())
        names += write_shards(packed, split, map(_files, chosen), shard_mb * 1_000_000)
    (out / REPORT).unlink(missing_ok=True)
    for name in names:
        (packed / name).replace(out / name)
    for old in (p for split in SPLITS for p in shard_files(out, split) if p.name not in names):
        old.unlink()
    report = _report(found, states, about, names, inputs)
    _write_json(out / REPORT, report)
    return report


def _files(clip: Path) -> tuple[str, dict[str, bytes]]:
    paths = {suffix: clip.with_name(f"{clip.name}.{suffix}") for suffix in SUFFIXES}
    return clip.name, {suffix: path.read_bytes() for suffix, path in paths.items() if path.is_file()}


def _report(
    found: list[RawVideo], states: dict[str, Any], about: dict[str, Any], names: list[str], inputs: str
) -> dict[str, Any]:
    dropped = [drop for video in found for drop in states[video.key]["dropped"]]
    clips = list(about.values())
    return {
        "videos": len(found),
        "clips": len(clips),
        "minutes": round(sum(c["seconds"] for c in clips) / 60, 3),
        "with_sound": sum(c["sound"] for c in clips),
        "unsynced": dict(Counter(_short(why) for c in clips if (why := c["sound_reason"]) not in (None, NO_SOUND))),
        "identities": len({c["identity"] for c in clips}),
        **{split: sum(c["split"] == split for c in clips) for split in SPLITS},
        "reasons": dict(Counter(_short(drop["reason"]) for drop in dropped).most_common()),
        "dropped": dropped,
        "tracks": [{"file": v.name, **heard} for v in found for heard in states[v.key]["heard"]],
        "complaints": {v.name: said for v in found if (said := states[v.key]["complaint"])},
        "shards": names,
        "inputs": inputs,
    }


def _short(reason: str) -> str:
    return reason.split(":")[0]


def table(report: dict[str, Any]) -> str:
    """The report for people: a few lines."""
    lines = [
        f"{report['clips']} clips of {report['minutes']:.1f} minutes kept from {report['videos']} videos: "
        f"{report['train']} train, {report['val']} val, {report['with_sound']} with sound, "
        f"{report['identities']} identities, {len(report['shards'])} shards",
        *(f"{count:6d} dropped  {reason}" for reason, count in report["reasons"].items()),
        *(f"{count:6d} kept, their sound not trusted  {reason}" for reason, count in report["unsynced"].items()),
    ]
    broken = [d for d in report["dropped"] if d["reason"].startswith("cannot be read")]
    return "\n".join([*lines, *(f"{d['file']}: {d['reason']}" for d in broken)])


def _remove_clips(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _STATE:
            path.unlink()


def _read_json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.is_file() else None


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False))
