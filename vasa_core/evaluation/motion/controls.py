"""Controls on the level of motion - gaze, distance, what else moves when one is moved - and seeds and emotions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.controls import GAZE_PITCHES, GAZE_YAWS, LIP_OPENING, control_leakage, gaze_figures
from vasa_core.evaluation.metrics.liveliness import diversity
from vasa_core.evaluation.metrics.motion import delta_pose
from vasa_core.evaluation.motion.figures import Moves
from vasa_core.evaluation.motion.phones import lips_at_phones
from vasa_core.evaluation.motion.recordings import Face, Generator, Recording
from vasa_core.evaluation.video.sweep import open_emotion
from vasa_core.face.basis import EXPRESSION, GAZE
from vasa_core.face.limits import limited
from vasa_core.face.measure import aperture, face_height
from vasa_core.face.pose import LOG_DISTANCE, PITCH, YAW
from vasa_core.options import EMOTION_CHOICES, EMOTIONS, GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.eye_contact import EyeContact
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.types import Motion

DISTANCES = (0.7, 0.85, 1.0, 1.2, 1.5)
SEEDS = 4
EMOTION_FRAMES = 8  # rendered of each voice
CONTROL_FRAMES = 150  # of a voice
# Each control at the two ends of its range.
RANGES: dict[str, tuple[GenerationOptions, GenerationOptions]] = {
    "gaze_yaw": (GenerationOptions(gaze_yaw=GAZE_YAWS[0]), GenerationOptions(gaze_yaw=GAZE_YAWS[-1])),
    "gaze_pitch": (GenerationOptions(gaze_pitch=GAZE_PITCHES[0]), GenerationOptions(gaze_pitch=GAZE_PITCHES[-1])),
    "distance": (GenerationOptions(distance=DISTANCES[0]), GenerationOptions(distance=DISTANCES[-1])),
    "head_motion": (GenerationOptions(head_motion=0.0), GenerationOptions(head_motion=2.0)),
    **{name: (GenerationOptions(), GenerationOptions(emotion=name)) for name in EMOTION_CHOICES},
}


def camera_gaze(motion: Motion) -> Float[np.ndarray, "n 2"]:
    """(yaw, pitch) of the gaze in the camera that the motion asks for, degrees."""
    return np.degrees(motion.dynamics[:, GAZE] + motion.pose[:, [YAW, PITCH]])


def measure_controls(generate: Generator, recordings: Sequence[Recording]) -> dict[str, dict[str, Any]]:
    """Measure gaze at 15 targets, distance, and control leakage in % of each measure's own range, over recordings."""
    face = Face.usual(generate.basis)
    voices = [recording.features[:CONTROL_FRAMES] for recording in recordings]
    seen, far = [], []
    for voice in voices:
        for yaw in GAZE_YAWS:
            for pitch in GAZE_PITCHES:
                motion = generate(voice, face.motion, GenerationOptions(gaze_yaw=yaw, gaze_pitch=pitch))
                seen.append(((yaw, pitch), camera_gaze(motion)))
        for distance in DISTANCES:
            motion = generate(voice, face.motion, GenerationOptions(distance=distance))
            far.append(np.exp(np.median(motion.pose[:, LOG_DISTANCE])) / distance - 1)
    leaks = [leakage(generate, voice, face) for voice in voices]
    return {
        "gaze": gaze_figures(seen),
        "distance": {"mean_error_percent": float(100 * np.abs(far).mean())},
        **{
            f"moving_{control}": {name: float(np.mean([leak[control][name] for leak in leaks])) for name in figures}
            for control, figures in leaks[0].items()
        },
    }


def leakage(generate: Generator, voice: Float32[np.ndarray, "n channels"], face: Face) -> dict[str, dict[str, float]]:
    """Measure `control_leakage` of the mean expression; lip opening's range is its 95th percentile."""

    def opening(motion: Motion) -> Float[np.ndarray, " n"]:
        return aperture(face.moved(generate.basis, motion).shapes)

    def read(motion: Motion) -> dict[str, float]:
        gaze = np.median(camera_gaze(motion), 0)
        return {
            "gaze_yaw": float(gaze[0]),
            "gaze_pitch": float(gaze[1]),
            "distance": float(np.median(motion.pose[:, LOG_DISTANCE])),
            "head_motion": delta_pose(motion.pose[:, :3]),
            LIP_OPENING: float(opening(motion).mean()),
        }

    ends = {
        control: (generate(voice, face.motion, low), generate(voice, face.motion, high))
        for control, (low, high) in RANGES.items()
    }
    wide = float(np.percentile(opening(ends[EMOTION_CHOICES[0]][0]), 95))
    return control_leakage(ends, read, lambda motion: motion.dynamics[:, EXPRESSION].mean(0), wide)


def measure_seeds(generate: Generator, recordings: Sequence[Recording]) -> dict[str, dict[str, Any]]:
    """How much motion differs over SEEDS seeds: spread at each frame, beside the spread over time of one run.

    landmarks_percent: of the landmarks without the head's pose, in % of face height.
    """
    face = Face.usual(generate.basis)
    rows = []
    for recording in recordings:
        runs = [generate(recording.features, face.motion, GenerationOptions(seed=seed)) for seed in range(SEEDS)]
        angles = np.degrees([run.pose[:, :3] for run in runs])  # (seeds, n, 3)
        dynamics = np.stack([run.dynamics[:, EXPRESSION] for run in runs])  # (seeds, n, E)
        shapes = np.stack([face.moved(generate.basis, run).shapes for run in runs])  # (seeds, n, 478, 3)
        gaps = [aperture(moved) for moved in shapes]
        rows.append(
            {
                "head_degrees": diversity(angles),
                "head_over_time": angles.std(1).mean(),
                "dynamics": diversity(dynamics),
                "landmarks_percent": 100 * diversity(shapes[..., :2]) / float(face_height(face.rest[None])[0]),
                "dynamics_over_time": dynamics.std(1).mean(),
                "lip_correlation": np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(gaps, 2)]),
            }
        )
    return {"spread_over_seeds": {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}}


def measure_emotions(
    pipeline: Pipeline,
    generate: Generator,
    portraits: Sequence[Path],
    recordings: Sequence[Recording],
    missing: list[str],
) -> dict[str, dict[str, Any]]:
    """In what share of (portrait, voice) pairs the chosen emotion's probability rises on rendered frames.

    Beside it, what that costs the lips: their correlation with the run without emotion, closures at /p b m/ of both.
    Portraits that cannot be used, or the classifier that is not there, are listed in `missing`.
    """
    classify = open_emotion(missing)
    if classify is None:
        return {}
    rows: list[dict[str, Any]] = []
    for path in portraits:
        try:
            portrait = pipeline.prepare(path).portrait
        except InputError as error:
            missing.append(f"{path.name}: {error}")
            continue
        face = Face(portrait.rest, portrait.motion)
        for recording in recordings:
            moments = np.linspace(0, len(recording.features) - 1, EMOTION_FRAMES + 2).astype(int)[1:-1]
            plain = generate(recording.features, face.motion)
            contact = EyeContact.of(portrait.motion)
            before = _emotion(pipeline, classify, portrait, contact.kept(plain), moments)
            plain_moves = face.moved(generate.basis, plain)
            for name in EMOTION_CHOICES:
                felt = generate(recording.features, face.motion, GenerationOptions(emotion=name))
                after = _emotion(pipeline, classify, portrait, contact.kept(felt), moments)
                index = EMOTIONS.index(name)
                row = {"emotion": name, "before": float(before[index]), "after": float(after[index])}
                rows.append(row | _lips(plain_moves, face.moved(generate.basis, felt), recording))
    return {name: _emotion_figures([row for row in rows if row["emotion"] == name]) for name in EMOTION_CHOICES if rows}


def _emotion(
    pipeline: Pipeline, classify: EmotionClassifier, portrait: Any, motion: Motion, moments: np.ndarray
) -> Float[np.ndarray, " 7"]:
    """Mean probabilities of EMOTIONS over some rendered frames."""
    chosen = motion[moments]
    points = pipeline.face.landmarks(portrait, limited(chosen, portrait.motion, portrait.freedom))
    frames = pipeline.face.decode(portrait, chosen)
    return np.mean([classify(frame, p.astype(np.float32)) for frame, p in zip(frames, points, strict=True)], 0)


def _lips(plain: Moves, felt: Moves, recording: Recording) -> dict[str, Any]:
    a, b = aperture(plain.shapes), aperture(felt.shapes)
    row: dict[str, Any] = {"lip_correlation": float(np.corrcoef(a, b)[0, 1])}
    if recording.phones:
        before, after = lips_at_phones(a, recording.phones), lips_at_phones(b, recording.phones)
        row |= {"closures": before.closures, "closed_before": before.closed, "closed": after.closed}
    return row


def _emotion_figures(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    closures = sum(row.get("closures", 0) for row in rows)
    figures: dict[str, Any] = {
        "pairs": len(rows),
        "rises_percent": float(100 * np.mean([row["after"] > row["before"] for row in rows])),
        "probability": float(np.mean([row["before"] for row in rows])),
        "probability_asked": float(np.mean([row["after"] for row in rows])),
        "lip_correlation": float(np.mean([row["lip_correlation"] for row in rows])),
    }
    if closures:
        figures["lips_closed_percent"] = 100 * sum(row.get("closed_before", 0) for row in rows) / closures
        figures["lips_closed_percent_asked"] = 100 * sum(row.get("closed", 0) for row in rows) / closures
    return figures
