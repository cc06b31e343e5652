"""One raw video to the clips in it: shots, tracks, crops, quality; what is left out is noted with its reason."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vasa_core.data.prepare import source
from vasa_core.data.prepare.clip import ClipPlan, Cut, CutClip
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.crops import choose_crop, needed
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.quality import reason_before, shared
from vasa_core.data.prepare.sound import Heard, give_sound
from vasa_core.data.prepare.source import LOOK_EVERY, Span
from vasa_core.data.prepare.tracks import Sighting, Track, find_faces, find_tracks, spans
from vasa_core.errors import InputError
from vasa_core.rates import FPS


@dataclass(frozen=True)
class RawVideo:
    """A file to prepare. name: its path in the folder. key: its name in keys. given: whether identity was given."""

    path: Path
    name: str
    key: str
    identity: str
    split: str
    given: bool


@dataclass(frozen=True)
class Drop:
    """Part of a video that was left out. start, end: seconds; both 0 for a whole file."""

    file: str
    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a video: keys of its clips, what was left out, ffmpeg's complaint, and whose sound it is."""

    kept: list[str]
    dropped: list[Drop]
    complaint: str | None = None
    heard: list[Heard] = field(default_factory=list)


def prepare_video(video: RawVideo, folder: Path, config: PreparationConfig, tools: Tools) -> Outcome:
    """Write the files of each clip of a video into `folder`, which is emptied first.

    A file that cannot be read is an outcome, not an error. Raises OSError if something cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _, first = next(source.whole_frames(video.path, [(0, 1)]))
        size: tuple[int, int] = first.shape[:2]
        plans, dropped = _plans(video, size, config, tools)
        clips = _cut(video, plans, dropped, folder, config, tools)
        kept, heard, mute = give_sound(video.path, clips, folder, config, tools)
        dropped += [_drop(video, clip.span, reason) for clip, reason in mute]
    except InputError as error:
        return Outcome([], [Drop(video.name, 0.0, 0.0, f"cannot be read: {error}")])
    dropped.sort(key=lambda d: (d.start, d.end, d.reason))
    return Outcome(kept, dropped, source.complaint(video.path), heard)


def _plans(
    video: RawVideo, size: tuple[int, int], config: PreparationConfig, tools: Tools
) -> tuple[list[ClipPlan], list[Drop]]:
    looks = source.Looks(video.path)
    faces = find_faces(looks, size, tools.detector, tools.landmarker)
    starts = [0, *looks.cuts]
    tracks = find_tracks(faces, starts)
    shots = list(zip(starts, [*starts[1:], len(faces) * LOOK_EVERY], strict=True))
    dropped = [
        _drop(video, span, "no face")
        for number, span in enumerate(shots, 1)
        if not any(track.shot == number for track in tracks)
    ]
    plans = []
    for number, track in enumerate(tracks, 1):
        others = [t.sightings for t in tracks if t is not track and _meet(t, track)]
        identity = video.identity if video.given and not others else f"{video.identity}-{number}"
        parts = spans(track, config.max_frames)
        if not parts:
            dropped.append(_drop(video, track.span, "no landmarks: in profile, covered, or no face"))
        for part in parts:
            span = _span(track, part, shots[track.shot - 1], config.max_frames)
            crop = choose_crop(part, config.size)
            face = float(np.median([s.face[2] for s in part if s.face]))
            inside, share = crop.inside(size), shared(part, others, crop)
            if reason := reason_before(config, span[1] - span[0], face, inside, share):
                dropped.append(_drop(video, span, reason))
                continue
            key = f"{video.key}-{number:03d}-{span[0]:07d}"
            who = (key, identity, video.split, video.name, number)
            plans.append(ClipPlan(*who, span, crop, size, face, inside, share))
    return plans, dropped


def _span(track: Track, part: Sequence[Sighting], shot: Span, most: int) -> Span:
    """Frames of a part of a track: to the next look if the face is still seen there, and to its shot's near ends."""
    first, last = part[0].frame, part[-1].frame
    if first - shot[0] < LOOK_EVERY:
        first = shot[0]
    after = last + LOOK_EVERY if track.near(last + LOOK_EVERY) else last + 1
    if shot[1] - last <= LOOK_EVERY:
        after = shot[1]
    return first, min(after, first + most)


def _meet(a: Track, b: Track) -> bool:
    return a.span[0] < b.span[1] and b.span[0] < a.span[1]


def _drop(video: RawVideo, span: Span, reason: str) -> Drop:
    return Drop(video.name, span[0] / FPS, span[1] / FPS, reason)


def _cut(
    video: RawVideo,
    plans: Sequence[ClipPlan],
    dropped: list[Drop],
    folder: Path,
    config: PreparationConfig,
    tools: Tools,
) -> list[CutClip]:
    """Cut the planned clips in one pass over the video; returns those kept, without sound, and adds to `dropped`."""
    if not plans:
        return []
    part = needed([p.crop for p in plans], plans[0].size)
    waiting = sorted(plans, key=lambda p: (p.span, p.track))
    active: list[Cut] = []
    kept: list[CutClip] = []

    def end(cut: Cut) -> None:
        done = cut.finish(config)
        if isinstance(done, str):
            dropped.append(_drop(video, cut.plan.span, done))
        else:
            kept.append(done)

    try:
        for number, frame in source.whole_frames(video.path, [p.span for p in plans], part):
            for cut in [c for c in active if c.plan.span[1] <= number]:
                active.remove(cut)
                end(cut)
            while waiting and waiting[0].span[0] <= number:
                active.append(Cut(waiting.pop(0), folder, tools, part[:2]))
            for cut in active:
                cut.add(frame)
        while active:
            end(active.pop(0))
    finally:
        for cut in active:
            cut.drop()
    return sorted(kept, key=lambda c: c.plan.key)
