"""The evaluation: render, track the rendered frames afresh, and set every figure beside the same figure of real video.

Four parts: real clips as they are; self-reenactment (portrait = a clip's first frame, driving = the clip itself), with
landmark, gaze, distance and picture errors against the truth; generation from speech; and the sliders, each swept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.assets import ASSETS, CHECKPOINTS, resolve
from vasa_core.audio import SpeechEncoder, features, open_encoder
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.errors import InputError, MissingModelError
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.liveliness import lively_half
from vasa_core.evaluation.report import score_liveness, summarise, write_report
from vasa_core.evaluation.video.controls import sweep_controls
from vasa_core.evaluation.video.rendering import sweep_drawing
from vasa_core.evaluation.video.tracks import (
    Box,
    Footage,
    Sound,
    Track,
    Tracker,
    cropped,
    describe,
    describe_speech,
    video,
    visible_box,
)
from vasa_core.evaluation.video.truth import compare
from vasa_core.face.topology import canonical_mesh
from vasa_core.io.audio import read_audio
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.options import PORTRAIT_SIZE, GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.rates import FPS

JUDGE = CHECKPOINTS / "sync_judge"
CLIP_SECONDS = 8  # longer clips are cut
PART_NAMES = ("real", "lively", "reenacted", "generated")  # lively: the livelier half of the real clips

Progress = Callable[[int, int], None]  # videos measured, videos in all


@dataclass(frozen=True)
class Bench:
    """What measuring needs, opened once. descriptor, voice: None where what they need is not installed."""

    pipeline: Pipeline
    tracker: Tracker
    judge: SyncJudge
    encoder: SpeechEncoder
    descriptor: Descriptor | None
    voice: VoiceActivity | None
    out: Path

    @property
    def window(self) -> int:
        """Frames from one generated window to the next."""
        return int(self.pipeline.motion_model.config.window)


def evaluate(
    pipeline: Pipeline, data: Sequence[Path], out: Path, clips: int = 4, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure the pipeline; videos and `evaluation.json` are written to the folder `out`, the figures returned.

    data: real clips of talking faces, held out from training; empty: only the bundled portrait and speech are used,
    and what needs a truth is listed as not measured. clips: at most so many of them. progress: videos done, in all.
    Raises InputError for a clip that cannot be read or a folder that cannot be written.
    """
    if clips < 0:
        raise InputError(f"clips is {clips}; expected 0 or more.")
    out.mkdir(parents=True, exist_ok=True)
    chosen = list(data)[:clips]
    done, total = 0, 3 * len(chosen) + 3

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    missing: list[str] = [] if chosen else ["reenactment and real video: needs clips (--data FOLDER)"]
    task = resolve("face_landmarker")
    with Landmarker(task) as landmarker:
        judge = SyncJudge.load(JUDGE)
        bench = Bench(
            pipeline,
            Tracker(landmarker, canonical_mesh(task)[0]),
            judge,
            open_encoder(judge.config.encoder),
            optional_descriptor(missing),
            optional_voice(missing),
            out,
        )
        videos = [figures for clip in chosen for figures in _measure_clip(bench, clip, missing, step)]
        example = pipeline.prepare(ASSETS / "portrait.jpg")
        for speech in sorted(ASSETS.glob("*.wav"))[:2]:
            videos.append(_measure_generated(bench, example, speech, "asset"))
            step()
        controls = sweep_controls(pipeline, bench.tracker, ASSETS / "portrait.jpg", ASSETS / "speech.wav", out)
        drawing = sweep_drawing(pipeline, bench.tracker, example)
        step()
    lively = [video | {"part": "lively"} for video in lively_half([v for v in videos if v["part"] == "real"])]
    summary = summarise(videos + lively, PART_NAMES)
    score_liveness(summary)
    result = {
        "summary": summary,
        "controls": controls,
        "drawing": drawing,
        "not_measured": missing,
        "videos": videos,
    }
    write_report(out / "evaluation.json", result)
    return result


def optional_voice(missing: list[str]) -> VoiceActivity | None:
    """What tells speech from pauses; None where its model is not there, which is then said in `missing`."""
    try:
        return VoiceActivity(resolve("voice_activity"))
    except MissingModelError as error:
        missing.append(f"lips in pauses, opening against loudness: {error}")
        return None


@dataclass(frozen=True)
class Truth:
    """A real clip, cut out as its first frame's portrait is, with its track and sound."""

    prepared: Prepared
    footage: Footage
    track: Track
    visible: Box
    sound: Sound | None


def _measure_clip(bench: Bench, clip: Path, missing: list[str], step: Callable[[], None]) -> list[dict[str, Any]]:
    """Figures of the real clip, of its reenactment and, if it has sound, of its first frame speaking that sound."""
    with tempfile.TemporaryDirectory() as folder:
        driving = shortened(clip, Path(folder) / f"{clip.stem}.mp4")
        try:
            truth = _truth(bench, driving)
        except InputError as error:
            missing.append(f"{clip.name}: {error}")
            for _ in range(3):
                step()
            return []
        real = describe(truth.footage, truth.track, bench.window, truth.visible) | _speech(
            bench, truth.track, truth.sound
        )
        step()
        reenacted = _measure_reenacted(bench, truth, driving)
        if "background_motion" in reenacted:
            reenacted["background_ratio"] = _ratio(reenacted["background_motion"], real["background_motion"])
        step()
        videos = [{"part": "real", "clip": clip.name, **real}, {"part": "reenacted", "clip": clip.name, **reenacted}]
        if truth.sound:
            videos.append(_measure_generated(bench, truth.prepared, driving, clip.stem))
        step()
    return videos


def _truth(bench: Bench, clip: Path) -> Truth:
    """Raises InputError if the clip has no usable face in its first frame, or none that can be followed."""
    photo = next(read_frames(clip))
    prepared = bench.pipeline.prepare(photo)
    footage = cropped(clip, prepared.crop.matrix, PORTRAIT_SIZE)
    track = bench.tracker(footage)
    if track is None:
        raise InputError("No face could be followed; expected a clip of one face.")
    visible = visible_box(prepared.crop.matrix, photo.shape[:2], PORTRAIT_SIZE)
    return Truth(prepared, footage, track, visible, read_sound(clip, bench.encoder))


def _measure_reenacted(bench: Bench, truth: Truth, driving: Path) -> dict[str, Any]:
    target = bench.out / f"{driving.stem}.reenacted.mp4"
    bench.pipeline.reenact(truth.prepared, driving, target)
    footage = video(target)
    track = bench.tracker(footage)
    if track is None:
        return {"face_found": 0.0}
    figures = describe(footage, track, bench.window, truth.visible) | _speech(bench, track, truth.sound)
    return figures | compare(footage, track, truth.footage, truth.track, truth.visible, bench.descriptor)


def _speech(bench: Bench, track: Track, sound: Sound | None) -> dict[str, Any]:
    return describe_speech(track, sound, bench.judge, bench.voice) if sound else {}


def _measure_generated(bench: Bench, prepared: Prepared, speech: Path, name: str) -> dict[str, Any]:
    target = bench.out / f"{name}.{speech.stem}.generated.mp4"
    bench.pipeline.generate(prepared, speech, target, GenerationOptions())
    figures: dict[str, Any] = {"part": "generated", "clip": target.name}
    footage = video(target)
    track = bench.tracker(footage)
    if track is None:
        return figures | {"face_found": 0.0}
    return figures | describe(footage, track, bench.window) | _speech(bench, track, read_sound(speech, bench.encoder))


def read_sound(path: Path, encoder: SpeechEncoder) -> Sound | None:
    """The sound of a file; None if it has none."""
    try:
        waveform = read_audio(path)
    except InputError:
        return None
    return Sound(waveform, features(encoder, waveform)) if np.abs(waveform).max() > 0 else None


def shortened(clip: Path, target: Path, seconds: float = CLIP_SECONDS) -> Path:
    """The clip itself, or its first seconds written to `target` where it is longer."""
    limit = round(seconds * FPS)
    if sum(1 for _ in islice(read_frames(clip), limit + 1)) <= limit:
        return clip
    height, width = next(read_frames(clip)).shape[:2]
    even = (height // 2 * 2, width // 2 * 2)
    try:
        read_audio(clip)
        sound = clip
    except InputError:
        sound = None
    with VideoWriter(target, even, sound) as writer:
        for frame in islice(read_frames(clip), limit):
            writer.write(frame[: even[0], : even[1]])
    return target


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None
