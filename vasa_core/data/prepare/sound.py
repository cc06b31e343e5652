"""Whose sound is it? Cut clips get the sound that the lips of their track follow, moved into step, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from vasa_core.audio.lip_sync import MIN_FRAMES, lag_curve
from vasa_core.data.prepare import source
from vasa_core.data.prepare.clip import CutClip, remove_clip
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.source import Span
from vasa_core.data.prepare.sync import Curve, TrackSync, clip_reason, track_sync
from vasa_core.rates import FPS, SAMPLES_PER_FRAME

NO_SOUND = "no sound"
_SILENT = 33  # of 32768, peak of a sound that cannot be heard


@dataclass(frozen=True)
class Heard:
    """A track of a video with sound. start, end: seconds of its clips. clips, with_sound: how many, and which keep it.

    lag: frames by which the lips come after the sound; it and the confidence are None if too short to tell. moved:
    frames by which the sound was moved later. reasons: why clips do not keep it, each once.
    """

    track: int
    start: float
    end: float
    clips: int
    with_sound: int
    lag: int | None
    confidence: float | None
    moved: int
    reasons: list[str]


def give_sound(
    path: Path, clips: Sequence[CutClip], folder: Path, config: PreparationConfig, tools: Tools
) -> tuple[list[str], list[Heard], list[tuple[CutClip, str]]]:
    """Make the clips of a video whole, or remove them as `config.unsynced` wants it.

    Returns the keys of those kept, what was found of each track with sound, and the removed with their reasons.
    """
    file = folder / "sound.part"
    has_sound = bool(clips) and source.write_sound(path, file)
    audible = [clip for clip in clips if has_sound and _audible(_samples(file, clip.span))]
    curves = _curves(file, audible, tools)
    for clip in clips:
        if clip not in audible:
            clip.write(folder, None, {"sync": None, "sound_moved": 0, "sound_reason": NO_SOUND})
    removed: list[tuple[CutClip, str]] = []
    heard = []
    for track in sorted({clip.plan.track for clip in audible}):
        own = [clip for clip in audible if clip.plan.track == track]
        sync = track_sync([curves[c.plan.key] for c in own if c.plan.key in curves])
        reasons = [clip_reason(sync, curves.get(c.plan.key)) for c in own]
        moved = sync.moved if sync else 0
        for clip, reason in zip(own, reasons, strict=True):
            if reason and config.unsynced == "drop":
                remove_clip(folder, clip.plan.key)
                removed.append((clip, reason))
                continue
            by = 0 if reason else moved
            sound = None if reason and config.unsynced == "silent" else _samples(file, clip.span, by)
            about = {"sync": _reading(sync), "sound_moved": by, "sound_reason": reason}
            clip.write(folder, sound, about)
        heard.append(_heard(track, own, sync, reasons))
    file.unlink(missing_ok=True)
    gone = {clip.plan.key for clip, _ in removed}
    return sorted(c.plan.key for c in clips if c.plan.key not in gone), heard, removed


def _curves(file: Path, clips: Sequence[CutClip], tools: Tools) -> dict[str, tuple[int, Curve]]:
    """Frames and curve of each clip that is long enough, by key."""
    expected: dict[Span, Float[np.ndarray, "n channels"]] = {}  # clips of several faces may have the same sound
    curves = {}
    for clip in clips:
        if len(clip.lips) < MIN_FRAMES:
            continue
        if clip.span not in expected:
            expected[clip.span] = tools.expected_lips((_samples(file, clip.span) / 32768).astype(np.float32))
        curves[clip.plan.key] = len(clip.lips), lag_curve(expected[clip.span], clip.lips).mean(1)
    return curves


def _heard(track: int, clips: Sequence[CutClip], sync: TrackSync | None, reasons: Sequence[str | None]) -> Heard:
    start, end = min(c.span[0] for c in clips) / FPS, max(c.span[1] for c in clips) / FPS
    lag, confidence = (sync.lag, sync.confidence) if sync else (None, None)
    told = list(dict.fromkeys(reason for reason in reasons if reason))
    return Heard(track, start, end, len(clips), reasons.count(None), lag, confidence, sync.moved if sync else 0, told)


def _reading(sync: TrackSync | None) -> dict[str, int | float] | None:
    return {"lag": sync.lag, "confidence": sync.confidence} if sync else None


def _audible(sound: Int16[np.ndarray, " samples"]) -> bool:
    return int(np.abs(sound.astype(np.int32)).max(initial=0)) >= _SILENT


def _samples(file: Path, span: Span, moved: int = 0) -> Int16[np.ndarray, " samples"]:
    """Sound of a span of frames, moved later by `moved` frames; silence before the file's start and after its end."""
    first, after = ((frame - moved) * SAMPLES_PER_FRAME for frame in span)
    start = max(0, first)
    found = np.fromfile(file, "<i2", after - start, offset=2 * start).astype(np.int16)
    return np.pad(found, (start - first, after - start - len(found)))
