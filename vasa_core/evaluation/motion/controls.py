"""Controls on the level of motion - gaze, distance, what else moves when one is moved - and seeds and emotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import angular_error, face_height
from vasa_core.evaluation.metrics.leakage import LIP_OPENING, relative_moves
from vasa_core.evaluation.metrics.liveliness import diversity
from vasa_core.evaluation.metrics.motion import delta_pose, slope
from vasa_core.evaluation.motion.figures import Moves, aperture
from vasa_core.evaluation.motion.phones import lips_at_phones
from vasa_core.evaluation.motion.recordings import Face, Generator, Take
from vasa_core.evaluation.video.sweep import open_emotion
from vasa_core.face.basis import EXPRESSION, GAZE
from vasa_core.face.limits import limited
from vasa_core.face.pose import LOG_DISTANCE, PITCH, YAW
from vasa_core.options import EMOTION_CHOICES, EMOTIONS, GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.eye_contact import EyeContact
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.types import Motion

GAZE_YAWS = (-20.0, -10.0, 0.0, 10.0, 20.0)  # degrees
GAZE_PITCHES = (-12.0, 0.0, 12.0)
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


def measure_controls(generate: Generator, takes: Sequence[Take]) -> dict[str, dict[str, Any]]:
    """Gaze at 15 targets, distance, and cross-talk in % of each measure's own range; means over the takes."""
    face = Face.usual(generate.basis)
    takes = [replace(take, features=take.features[:CONTROL_FRAMES]) for take in takes]
    errors, main_errors, asked, seen, far = [], [], [], [], []
    for take in takes:
        for yaw in GAZE_YAWS:
            for pitch in GAZE_PITCHES:
                motion = generate(take.features, face.motion, GenerationOptions(gaze_yaw=yaw, gaze_pitch=pitch))
                gaze, target = camera_gaze(motion), np.array([yaw, pitch])
                main = np.median(gaze, 0)
                errors.append(angular_error(gaze, target).mean())
                main_errors.append(angular_error(main[None], target)[0])
                asked.append(target)
                seen.append(main)
        for distance in DISTANCES:
            motion = generate(take.features, face.motion, GenerationOptions(distance=distance))
            far.append(np.exp(np.median(motion.pose[:, LOG_DISTANCE])) / distance - 1)
    x, y = np.array(asked), np.array(seen)
    crossed = [cross_talk(generate, take, face) for take in takes]
    table = {
        f"moving_{control}": {name: float(np.mean([c[control][name] for c in crossed])) for name in crossed[0][control]}
        for control in RANGES
    }
    return {
        "gaze": {
            "targets": len(GAZE_YAWS) * len(GAZE_PITCHES),
            "error_per_frame_degrees": float(np.mean(errors)),
            "error_of_main_gaze": float(np.mean(main_errors)),
            "slope_yaw": slope(x[:, 0], y[:, 0]),
            "slope_pitch": slope(x[:, 1], y[:, 1]),
        },
        "distance": {"mean_error_percent": float(100 * np.abs(far).mean())},
        **table,
    }


def cross_talk(generate: Generator, take: Take, face: Face) -> dict[str, dict[str, float]]:
    """{control moved: {measure: how far it moved, % of what its own control moves it}}.

    Lip opening's range is its 95th percentile. An emotion's measure is the mean expression along the direction in which
    that emotion moves it.
    """
    runs = {
        control: [generate(take.features, face.motion, options) for options in ends] for control, ends in RANGES.items()
    }
    directions = {
        name: runs[name][1].dynamics[:, EXPRESSION].mean(0) - runs[name][0].dynamics[:, EXPRESSION].mean(0)
        for name in EMOTION_CHOICES
    }
    usual = runs[EMOTION_CHOICES[0]][0]
    wide = float(np.percentile(aperture(face.moved(generate.basis, usual).shapes), 95))

    def read(motion: Motion) -> dict[str, float]:
        gaze = np.median(camera_gaze(motion), 0)
        mean = motion.dynamics[:, EXPRESSION].mean(0)
        return {
            "gaze_yaw": float(gaze[0]),
            "gaze_pitch": float(gaze[1]),
            "distance": float(np.median(motion.pose[:, LOG_DISTANCE])),
            "head_motion": delta_pose(motion.pose[:, :3]),
            **{name: float(mean @ along / max(along @ along, 1e-9)) for name, along in directions.items()},
            LIP_OPENING: float(aperture(face.moved(generate.basis, motion).shapes).mean()),
        }

    return relative_moves({control: (read(low), read(high)) for control, (low, high) in runs.items()}, wide)


def measure_seeds(generate: Generator, takes: Sequence[Take]) -> dict[str, dict[str, Any]]:
    """How much motion differs over SEEDS seeds: spread at each frame, beside the spread over time of one run.

    landmarks_percent: of the landmarks without the head's pose, in % of face height.
    """
    face = Face.usual(generate.basis)
    rows = []
    for take in takes:
        runs = [generate(take.features, face.motion, GenerationOptions(seed=seed)) for seed in range(SEEDS)]
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
    pipeline: Pipeline, generate: Generator, portraits: Sequence[Path], takes: Sequence[Take], missing: list[str]
) -> dict[str, dict[str, Any]]:
    """In what share of (portrait, voice) pairs the asked emotion's probability rises on rendered frames.

    Beside it, what that costs the lips: their correlation with the run without emotion, closures at /p b m/ of both.
    Portraits that cannot be used, or the classifier that is not there, are listed in `missing`.
    """
    classify = open_emotion()
    if classify is None:
        missing.append("emotion: needs ai-edge-litert and the classifier, `pip install ai-edge-litert`")
        return {}
    rows: list[dict[str, Any]] = []
    for path in portraits:
        try:
            portrait = pipeline.prepare(path).portrait
        except InputError as error:
            missing.append(f"{path.name}: {error}")
            continue
        face = Face(portrait.rest, portrait.motion)
        for take in takes:
            moments = np.linspace(0, len(take.features) - 1, EMOTION_FRAMES + 2).astype(int)[1:-1]
            plain = generate(take.features, face.motion)
            contact = EyeContact.of(portrait.motion)
            before = _emotion(pipeline, classify, portrait, contact.kept(plain), moments)
            plain_moves = face.moved(generate.basis, plain)
            for name in EMOTION_CHOICES:
                felt = generate(take.features, face.motion, GenerationOptions(emotion=name))
                after = _emotion(pipeline, classify, portrait, contact.kept(felt), moments)
                index = EMOTIONS.index(name)
                row = {"emotion": name, "before": float(before[index]), "after": float(after[index])}
                rows.append(row | _lips(plain_moves, face.moved(generate.basis, felt), take))
    return {name: _emotion_figures([row for row in rows if row["emotion"] == name]) for name in EMOTION_CHOICES if rows}


def _emotion(
    pipeline: Pipeline, classify: EmotionClassifier, portrait: Any, motion: Motion, moments: np.ndarray
) -> Float[np.ndarray, " 7"]:
    """Mean probabilities of EMOTIONS over some rendered frames."""
    chosen = motion[moments]
    points = pipeline.face.landmarks(portrait, limited(chosen, portrait.motion, portrait.freedom))
    frames = pipeline.face.decode(portrait, chosen)
    return np.mean([classify(frame, p.astype(np.float32)) for frame, p in zip(frames, points, strict=True)], 0)


def _lips(plain: Moves, felt: Moves, take: Take) -> dict[str, Any]:
    a, b = aperture(plain.shapes), aperture(felt.shapes)
    row: dict[str, Any] = {"lip_correlation": float(np.corrcoef(a, b)[0, 1])}
    if take.phones:
        before, after = lips_at_phones(a, take.phones), lips_at_phones(b, take.phones)
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
