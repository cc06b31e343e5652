"""Pose and dynamics edited apart, side by side (VASA-1, section 4: disentanglement): one labelled video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from vasa_core.errors import Cancelled
from vasa_core.io.audio import AudioFile
from vasa_core.motion.representation import with_head
from vasa_core.options import FACE, PORTRAIT_SIZE, SPIN, GenerationOptions
from vasa_core.pipeline.grid import Grid
from vasa_core.pipeline.head import back_and_forth, spinning
from vasa_core.pipeline.pipeline import Photo, Pipeline
from vasa_core.pipeline.prepared import Frame, Prepared
from vasa_core.pipeline.sound import Heard, SpeechFile, Waveform, open_sound, opened, played_sound
from vasa_core.pipeline.video import Stopped, Video, VideoResult, check_out
from vasa_core.types import Motion, Progress


@dataclass(frozen=True)
class Column:
    """One way to move the portrait."""

    label: str
    motion: Motion


def showcase(
    pipeline: Pipeline,
    portrait: Photo | Prepared,
    speech: SpeechFile,
    out: Path,
    options: GenerationOptions | None = None,
    pose_from: Path | str | None = None,
    dynamics_from: Path | None = None,
    cancelled: Stopped | None = None,
    progress: Progress | None = None,
) -> VideoResult:
    """A video of the portrait speaking, once for each of `columns`, each frame marked by itself and as a whole.

    pose_from (a video, or "spin"), dynamics_from (a video): a last column with that head and that face; what is not
    given is generated. Videos shorter than the speech go on backwards.
    """
    started = time.perf_counter()
    options = GenerationOptions.of(options, size=PORTRAIT_SIZE, framing=FACE, head_pose=None, background=None)
    check_out(out, portrait, speech, pose_from, dynamics_from)
    audio = opened(speech)
    prepared = portrait if isinstance(portrait, Prepared) else pipeline.prepare(portrait, FACE)
    generated = _generated(pipeline, prepared, audio, options, cancelled)
    shown = columns(generated, prepared.portrait.motion)
    if pose_from is not None or dynamics_from is not None:
        shown.append(_mix(pipeline, prepared, generated, pose_from, dynamics_from, cancelled))
    grid = Grid([(column.label,) for column in shown], len(shown))
    videos = [pipeline.render(prepared, column.motion, options) for column in shown]

    def make(stopped: Stopped | None, advance: Progress | None) -> Iterator[Frame]:
        for done, frames in enumerate(zip(*(video.make(stopped, None) for video in videos), strict=True), 1):
            yield grid.frame(frames, done - 1)
            if advance:
                advance(done, len(generated))

    sound = played_sound(audio)
    origin = pipeline.origin(options, prepared.source, sound, pose_from, dynamics_from)
    video = Video(make, grid.size, int(options.seed), sound, started, frames=len(generated), origin=origin)
    return video.save(out, cancelled, progress)


def columns(generated: Motion, own: Motion) -> list[Column]:
    """VASA-1's edits of one generated motion. own: the photo's pose and dynamics, one frame."""
    frames = len(generated)
    still = np.repeat(own.pose, frames, 0)
    return [
        Column("head and face generated", generated),
        Column("head still, face generated", with_head(generated, still)),
        Column("head spinning, face generated", with_head(generated, still + spinning(0, frames))),
        Column("head generated, face still", Motion(generated.pose, np.repeat(own.dynamics, frames, 0))),
    ]


def _generated(
    pipeline: Pipeline,
    prepared: Prepared,
    audio: AudioFile | Waveform | Heard,
    options: GenerationOptions,
    cancelled: Stopped | None,
) -> Motion:
    parts: list[Motion] = []
    for motion in pipeline.speech_motion(prepared.portrait, open_sound(audio, Event()), options):
        if cancelled and cancelled():
            raise Cancelled("stopped before the first frame")
        parts.append(motion)
    return Motion.joined(parts)


def _mix(
    pipeline: Pipeline,
    prepared: Prepared,
    generated: Motion,
    pose_from: Path | str | None,
    dynamics_from: Path | None,
    cancelled: Stopped | None,
) -> Column:
    """A head and a face, at least one of them from a video."""
    portrait, frames = prepared.portrait, len(generated)
    label = f"head {_named(pose_from)}, face {_named(dynamics_from)}"
    face, pose = generated, generated.pose
    if dynamics_from is not None:
        face = pipeline.reenacted_motion(portrait, dynamics_from, dynamics_from, cancelled)
        order = back_and_forth(len(face), 0, frames)
        face = face[order]
    if pose_from == SPIN:
        pose = portrait.motion.pose + spinning(0, frames)
    elif pose_from is not None:
        pose = pipeline.reenacted_motion(portrait, pose_from, None, cancelled).pose
        pose = pose[back_and_forth(len(pose), 0, frames)]
    return Column(label, with_head(face, pose))


def _named(source: Path | str | None) -> str:
    if source is None:
        return "generated"
    return "spinning" if source == SPIN else "filmed"
