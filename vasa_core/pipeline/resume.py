"""Videos that a killed run leaves in segments, and that the same call goes on with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import vasa_core
from vasa_core.assets import file_sha256
from vasa_core.cpu import instruction_set
from vasa_core.errors import InputError
from vasa_core.io.audio import AudioFile
from vasa_core.io.segments import SegmentWriter
from vasa_core.options import SPIN, GenerationOptions
from vasa_core.pipeline.pipeline import Photo, Pipeline
from vasa_core.pipeline.sound import opened
from vasa_core.pipeline.video import Stopped, Video, VideoResult, check_out, sound_file
from vasa_core.provenance.mark import METADATA
from vasa_core.rates import FPS
from vasa_core.types import Progress

SEGMENT_SECONDS = 40  # of video: at most so much is drawn again
OTHERS = "Segments of other inputs, options or another version lay there: they are deleted, and all frames made anew."
_FOLDER = ".{name}.{key}.segments"
_KEPT_OF_NAME = 100  # characters of the video's name


def generate_resumable(
    pipeline: Pipeline,
    portrait: Photo,
    speech: str | Path | AudioFile | np.ndarray,
    out: Path | str,
    options: GenerationOptions | None = None,
    cancelled: Stopped | None = None,
    progress: Progress | None = None,
    segment_seconds: int = SEGMENT_SECONDS,
) -> VideoResult:
    """`Pipeline.generate` in segments, which stay in a hidden folder beside `out` until the video is whole.

    The same call after a kill makes what is missing: the frames are those of a run that was not interrupted. Motion is
    computed again from the start, which takes a tenth of the time that drawing does. Segments for `out` of other
    inputs, options, weights, version or segment length are deleted, which the result's warnings tell of.

    Raises InputError as `Pipeline.generate` does, and for a .gif.
    """
    options = GenerationOptions.of(options)
    check_out(out, portrait, speech, options.style, options.head_pose, options.backdrop)
    if not 1 <= segment_seconds <= 600:
        raise InputError(f"segment_seconds is {segment_seconds}; expected a number from 1 to 600.")
    audio, target = opened(speech), Path(out)
    key = _key(pipeline, portrait, speech, options, f"{segment_seconds} {target.suffix.lower()}")
    folder = target.with_name(_FOLDER.format(name=target.name[:_KEPT_OF_NAME], key=key))
    others = _remove_others(folder, key)
    video = pipeline.animate(portrait, audio, options)
    if others:
        video = replace(video, warnings=(*video.warnings, OTHERS))
    return _save(video, target, folder, segment_seconds * FPS, (cancelled, progress))


def _save(
    video: Video, target: Path, folder: Path, frames_each: int, watchers: tuple[Stopped | None, Progress | None]
) -> VideoResult:
    frames = video.frames or 0
    with (
        sound_file(video.sound, target) as sound,
        SegmentWriter(
            target,
            folder,
            video.size,
            frames_each,
            frames,
            sound,
            METADATA,
            video.transparent,
            video.origin.signing(target.suffix),
        ) as writer,
    ):
        if writer.kept < frames:
            for frame in video.make(*watchers, writer.kept):
                writer.write(frame)
    height, width = video.size
    wall_seconds = time.perf_counter() - video.started
    said = (video.framing, video.warnings, writer.kept)
    return VideoResult(str(target), frames, frames / FPS, wall_seconds, width, height, video.seed, *said)


def _key(pipeline: Pipeline, portrait: object, speech: object, options: GenerationOptions, kind: str) -> str:
    """The same for the same frames."""
    values: dict[str, Any] = asdict(options)
    for name in ("style", "head_pose", "background"):
        value = values[name]
        if value is not None and value != SPIN and (name != "background" or options.backdrop is not None):
            values[name] = file_sha256(Path(value))
    weights = {path.name: file_sha256(path) for path in sorted(pipeline.checkpoints.rglob("*.safetensors"))}
    models = [vasa_core.__version__, pipeline.face_name, pipeline.device, instruction_set(), weights]
    said = json.dumps([_digest(portrait), _digest(speech), values, models, kind])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _digest(source: object) -> str:
    """Of a file's or an array's content."""
    if isinstance(source, np.ndarray):
        return hashlib.sha256(f"{source.shape} {source.dtype}".encode() + source.tobytes()).hexdigest()
    if isinstance(source, AudioFile):
        source = source.path
    if not isinstance(source, str | Path):
        raise InputError(f"{type(source).__name__} cannot be gone on with; expected a file or an array.")
    return file_sha256(Path(source))


def _remove_others(folder: Path, key: str) -> bool:
    """Remove the segments of other runs for the same video; whether there were any."""
    name = re.escape(folder.name.removesuffix(f"{key}.segments"))
    found = [
        entry
        for entry in folder.parent.iterdir()
        if re.fullmatch(rf"{name}[0-9a-f]{{16}}\.segments", entry.name) and entry.name != folder.name
    ]
    for entry in found:
        shutil.rmtree(entry)
    return bool(found)
