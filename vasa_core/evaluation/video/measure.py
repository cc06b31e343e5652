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
from vasa_core.data.clips import Clip
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.identity import Descriptor, optional_descriptor
from vasa_core.evaluation.metrics.liveliness import lively_half
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.setup import Steps, check_count, optional
from vasa_core.evaluation.video.controls import sweep_controls
from vasa_core.evaluation.video.rendering import sweep_rendering
from vasa_core.evaluation.video.report import score_liveness, summarise
from vasa_core.evaluation.video.sweep import Sweep
from vasa_core.evaluation.video.tracks import (
    Box,
    Figures,
    RealVideo,
    Sound,
    Track,
    Tracker,
    describe,
    describe_speech,
    open_tracker,
    real_video,
    video,
)
from vasa_core.evaluation.video.truth import compare
from vasa_core.io.audio import has_sound, read_audio
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.rates import FPS
from vasa_core.types import Progress

CLIP_SECONDS = 8  # longer clips are cut
PART_NAMES = ("real", "lively", "reenacted", "generated")  # lively: the livelier half of the real clips


@dataclass(frozen=True)
class Bench:
    """What measuring needs, opened once. descriptor, voice: None where what they need is not installed."""

    pipeline: Pipeline
    tracker: Tracker
    scorer: SyncJudge
    encoder: SpeechEncoder
    descriptor: Descriptor | None
    voice: VoiceActivity | None
    out: Path

    def describe(self, path: Path, sound: Sound | None, visible: Box | None = None) -> tuple[Track | None, Figures]:
        """Track and describe a rendered video. visible: the part of the picture in which background counts."""
        track = self.tracker(video(path))
        if track is None:
            return None, {"face_found": 0.0}
        return track, describe(video(path), track, self.window, visible) | self.speech(track, sound)

    def speech(self, track: Track, sound: Sound | None) -> Figures:
        """Describe a track beside its sound."""
        return describe_speech(track, sound, self.scorer, self.voice) if sound else {}

    @property
    def window(self) -> int:
        """Frames from one generated window to the next."""
        return int(self.pipeline.motion_model.config.window)


def evaluate(
    pipeline: Pipeline, clips: Sequence[Clip], out: Path, most: int = 4, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure the pipeline; videos and `evaluation.json` are written to the folder `out`, the figures returned.

    clips: real clips of talking faces, held out from training, of which at most `most` are taken; without any, only the
    bundled portrait and speech are used, and what needs a truth is listed as not measured. progress: videos done.
    Raises InputError for a clip that cannot be read or a folder that cannot be written.
    """
    check_count(most, 0)
    out.mkdir(parents=True, exist_ok=True)
    chosen = list(clips)[:: max(1, len(clips) // max(1, most))][:most]
    step = Steps(progress, 3 * len(chosen) + 3)
    missing: list[str] = [] if chosen else ["reenactment and real video: needs clips (--data FOLDER)"]
    with open_tracker() as tracker:
        scorer = SyncJudge.load(CHECKPOINTS / "sync_judge")
        encoder, descriptor = open_encoder(scorer.config.encoder), optional_descriptor(missing)
        voice = optional(
            lambda: VoiceActivity(resolve("voice_activity")), missing, "lips in pauses, opening against loudness"
        )
        bench = Bench(pipeline, tracker, scorer, encoder, descriptor, voice, out)
        videos = [figures for clip in chosen for figures in _measure_clip(bench, clip.path, missing, step)]
        example = pipeline.prepare(ASSETS / "portrait.jpg")
        for speech in sorted(ASSETS.glob("*.wav"))[:2]:
            videos.append(_measure_generated(bench, example, speech, "asset"))
            step()
        controls = sweep_controls(Sweep(pipeline, tracker, example, ASSETS / "speech.wav", out, missing))
        rendering = sweep_rendering(pipeline, tracker, example)
        step()
    lively = [video | {"part": "lively"} for video in lively_half([v for v in videos if v["part"] == "real"])]
    summary = summarise(videos + lively, PART_NAMES)
    score_liveness(summary)
    result = {"summary": summary, "controls": controls, "rendering": rendering, "not_measured": missing}
    return write_report(out / "evaluation.json", result | {"videos": videos})


def _measure_clip(bench: Bench, clip: Path, missing: list[str], step: Callable[[], None]) -> list[dict[str, Any]]:
    """Measure the real clip, its reenactment and, if it has sound, its first frame speaking that sound."""
    with tempfile.TemporaryDirectory() as folder:
        driving = shortened(clip, Path(folder) / f"{clip.stem}.mp4")
        try:
            truth = real_video(driving, bench.pipeline.prepare, bench.tracker)
        except InputError as error:
            missing.append(f"{clip.name}: {error}")
            for _ in range(3):
                step()
            return []
        sound = read_sound(driving, bench.encoder)
        real = describe(truth.frames, truth.track, bench.window, truth.visible) | bench.speech(truth.track, sound)
        step()
        reenacted = _measure_reenacted(bench, truth, driving, sound)
        if reenacted.get("background_motion") is not None and real["background_motion"]:
            reenacted["background_ratio"] = reenacted["background_motion"] / real["background_motion"]
        step()
        videos = [{"part": "real", "clip": clip.name, **real}, {"part": "reenacted", "clip": clip.name, **reenacted}]
        if sound:
            videos.append(_measure_generated(bench, truth.prepared, driving, clip.stem))
        step()
    return videos


def _measure_reenacted(bench: Bench, truth: RealVideo, driving: Path, sound: Sound | None) -> dict[str, Any]:
    target = bench.out / f"{driving.stem}.reenacted.mp4"
    bench.pipeline.reenact(truth.prepared, driving, target)
    track, figures = bench.describe(target, sound, truth.visible)
    if track is None:
        return figures
    return figures | compare(video(target), track, truth.frames, truth.track, truth.visible, bench.descriptor)


def _measure_generated(bench: Bench, prepared: Prepared, speech: Path, name: str) -> dict[str, Any]:
    target = bench.out / f"{name}.{speech.stem}.generated.mp4"
    bench.pipeline.generate(prepared, speech, target)
    return {"part": "generated", "clip": target.name} | bench.describe(target, read_sound(speech, bench.encoder))[1]


def read_sound(path: Path, encoder: SpeechEncoder) -> Sound | None:
    """Read the sound of a file; None if it has none."""
    try:
        waveform = read_audio(path)
    except InputError:
        return None
    return Sound(waveform, features(encoder, waveform)) if np.abs(waveform).max() > 0 else None


def shortened(clip: Path, target: Path, seconds: float = CLIP_SECONDS) -> Path:
    """Give the clip itself, or its first seconds written to `target` where it is longer."""
    limit = round(seconds * FPS)
    if sum(1 for _ in islice(read_frames(clip), limit + 1)) <= limit:
        return clip
    height, width = (side // 2 * 2 for side in next(read_frames(clip)).shape[:2])
    with VideoWriter(target, (height, width), clip if has_sound(clip) else None) as writer:
        for frame in islice(read_frames(clip), limit):
            writer.write(frame[:height, :width])
    return target
