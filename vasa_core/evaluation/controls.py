"""Each slider swept, and read back from the rendered frames: slope, monotonicity, and what should not have moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.config import EMOTION_CHOICES, EMOTIONS, GenerationOptions, MissingModelError
from vasa_core.evaluation.footage import Tracker, video
from vasa_core.evaluation.geometry import BLINK_FREE, eye_opening, gaze_in_camera, relative_opening
from vasa_core.evaluation.motion_figures import delta_pose, is_monotone, slope
from vasa_core.io.audio import read_audio
from vasa_core.io.video import VideoWriter
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.provenance.mark import METADATA
from vasa_core.rates import SAMPLE_RATE
from vasa_core.registry import resolve

SECONDS = 3.0
GAZE_YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees
GAZE_PITCHES = (-12.0, 0.0, 12.0)
DISTANCES = (0.8, 1.0, 1.15, 1.3)
EMOTION_EVERY = 5  # frames between two readings of the emotion


@dataclass(frozen=True)
class Reading:
    """What one rendered video shows. gaze: median degrees, eyes and head together; head: mean angles in degrees;

    scale: median face width over the picture's side; spread: of the head's angles over time, degrees.
    """

    gaze: tuple[float, float]
    head: tuple[float, float, float]
    scale: float
    delta_pose: float
    spread: float
    emotion: tuple[float, ...]


class Sweep:
    """Renders the same portrait and speech under different options and reads each video back."""

    def __init__(self, pipeline: Pipeline, tracker: Tracker, prepared: Prepared, speech: Path, folder: Path) -> None:
        """folder: where the rendered videos stay."""
        self._pipeline, self._tracker, self._prepared, self._folder = pipeline, tracker, prepared, folder
        self._waveform = read_audio(speech)[: round(SECONDS * SAMPLE_RATE)]
        self._emotion = open_emotion()

    def __call__(self, name: str, options: GenerationOptions) -> Reading | None:
        """Render and read one video; None if no face is found in it."""
        path = self._folder / f"control.{name}.mp4"
        with VideoWriter(path, (options.size, options.size), None, METADATA) as writer:
            for frame in self._pipeline.stream(self._prepared, self._waveform, options):
                writer.write(frame)
        track = self._tracker(video(path))
        if track is None:
            return None
        opened = relative_opening(eye_opening(track.head)) > BLINK_FREE
        gaze = np.degrees(np.median(gaze_in_camera(track.head)[opened if opened.any() else slice(None)], 0))
        head = np.degrees(track.head.angles)
        emotion = []
        if self._emotion:
            for index, frame in enumerate(video(path)()):
                if index % EMOTION_EVERY == 0:
                    emotion.append(self._emotion(frame, track.landmarks[index]))
        return Reading(
            (float(gaze[0]), float(gaze[1])),
            (float(head[:, 0].mean()), float(head[:, 1].mean()), float(head[:, 2].mean())),
            float(np.median(track.head.scale)) / track.size[1],
            delta_pose(track.head.angles),
            float(head.std(0).mean()),
            tuple(np.mean(emotion, 0).tolist()) if emotion else (),
        )


def open_emotion() -> EmotionClassifier | None:
    """The emotion classifier; None where it is not installed."""
    try:
        return EmotionClassifier(resolve("emotion_classifier"))
    except (MissingModelError, ImportError):
        return None


def sweep_controls(
    pipeline: Pipeline, tracker: Tracker, portrait: Path, speech: Path, out: Path
) -> dict[str, dict[str, Any]]:
    """Figures per slider. Values that could not be read (no face found) are None."""
    sweep = Sweep(pipeline, tracker, pipeline.prepare(portrait), speech, out)
    yaws = [sweep(f"gaze_yaw{yaw:+.0f}", GenerationOptions(gaze_yaw=yaw)) for yaw in GAZE_YAWS]
    neutral = yaws[GAZE_YAWS.index(0.0)]
    pitches = [
        sweep(f"gaze_pitch{pitch:+.0f}", GenerationOptions(gaze_pitch=pitch)) if pitch else neutral
        for pitch in GAZE_PITCHES
    ]
    distances = [
        sweep(f"distance{distance}", GenerationOptions(distance=distance)) if distance != 1 else neutral
        for distance in DISTANCES
    ]
    frozen = sweep("head_motion0", GenerationOptions(head_motion=0.0))
    result: dict[str, dict[str, Any]] = {
        "gaze_yaw": _line(GAZE_YAWS, [r and r.gaze[0] for r in yaws]) | _head_moved(yaws, neutral),
        "gaze_pitch": _line(GAZE_PITCHES, [r and r.gaze[1] for r in pitches]) | _head_moved(pitches, neutral),
        "distance": _distance(distances, neutral),
        "head_motion_0": {
            "delta_pose": frozen and frozen.delta_pose,
            "spread": frozen and frozen.spread,
            "delta_pose_at_1": neutral and neutral.delta_pose,
            "spread_at_1": neutral and neutral.spread,
        },
    }
    for emotion in EMOTION_CHOICES:
        felt = sweep(f"emotion_{emotion}", GenerationOptions(emotion=emotion))
        if felt and neutral and felt.emotion and neutral.emotion:
            index = EMOTIONS.index(emotion)
            before, after = neutral.emotion[index], felt.emotion[index]
            gain = math.log(_odds(after) / _odds(before))
            result[f"emotion_{emotion}"] = {"probability": before, "probability_asked": after, "log_odds_gain": gain}
    return result


def _odds(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return probability / (1 - probability)


def _line(asked: Sequence[float], measured: Sequence[float | None]) -> dict[str, Any]:
    known = [(a, m) for a, m in zip(asked, measured, strict=True) if m is not None]
    if len(known) < 2:
        return {"asked": list(asked), "measured": list(measured), "slope": None, "monotone": None}
    x, y = (np.array(values) for values in zip(*known, strict=True))
    return {
        "asked": list(asked),
        "measured": list(measured),
        "slope": slope(x, y),
        "monotone": is_monotone(y),
        "mean_error": float(np.abs(y - x).mean()),
    }


def _head_moved(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """How far the head's mean angles went from those at 0: what the gaze slider should leave alone, in degrees."""
    if neutral is None:
        return {}
    moved = [np.abs(np.subtract(r.head, neutral.head)).max() for r in readings if r is not None]
    return {"head_moved": float(max(moved))}


def _distance(readings: Sequence[Reading | None], neutral: Reading | None) -> dict[str, Any]:
    """Face size against 1 / distance, in %."""
    if neutral is None:
        return {}
    sizes = [r and r.scale / neutral.scale for r in readings]
    errors = [100 * (size * d - 1) for size, d in zip(sizes, DISTANCES, strict=True) if size is not None]
    return {"asked": list(DISTANCES), "face_size": sizes, "largest_error_percent": float(np.abs(errors).max())}
