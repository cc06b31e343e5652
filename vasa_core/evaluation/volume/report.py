"""The volume face model's figures over all clips, as numbers and as a table that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vasa_core.evaluation.volume.figures import MOVED, OPENING_DIFFERENCE, POSE_DIFFERENCE, Faces, gain, joined

Values = dict[str, Float[np.ndarray, " _n"]]

# Figure, title, unit.
ROWS: tuple[tuple[str, str, str], ...] = (
    ("psnr", "PSNR", "dB"),
    ("ssim", "SSIM", ""),
    ("distance", "perceptual distance", ""),
    ("landmarks", "landmarks", "% face height"),
    ("landmarks_mouth", "mouth landmarks", "% face height"),
    ("landmarks_eyes", "eye landmarks", "% face height"),
    ("face_found", "face found", "of frames"),
)
KINDS = {"copy": "copy", "mesh": "mesh", "render": "render", "render_read": "own pose", "truth": "truth"}


def summarise_reenactment(
    clips: Sequence[dict[str, Values]], moved: Sequence[Float[np.ndarray, " _n"]]
) -> dict[str, Any]:
    """Mean of every figure over all frames, and over those that moved; the gain in PSNR over copying on these.

    clips: figures of each kind of picture, a value a frame, NaN where there is none. moved: % of face height.
    """
    far = np.concatenate(moved) > MOVED
    pooled: dict[str, Values] = {
        kind: {name: np.concatenate([clip[kind][name] for clip in clips]) for name in clips[0][kind]}
        for kind in clips[0]
    }
    return {
        "frames": len(far),
        "all": {kind: _means(figures, np.ones(len(far), bool)) for kind, figures in pooled.items()},
        "moved": {kind: _means(figures, far) for kind, figures in pooled.items()},
        "gain_when_moved": {
            kind: gain(figures["psnr"], pooled["copy"]["psnr"], far)
            for kind, figures in pooled.items()
            if "psnr" in figures and kind != "copy"
        },
    }


def summarise_identity(pairs: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float | int]]:
    """Median distance and cosine of each set of pictures' descriptors to their source's."""
    return {
        name: {
            "distance": float(np.median([distance for distance, _ in values])),
            "cosine": float(np.median([cosine for _, cosine in values])),
            "pictures": len(values),
        }
        for name, values in pairs.items()
    }


def summarise_noise(pairs: Sequence[tuple[Faces, Faces]]) -> dict[str, float]:
    """How much the landmarker's reading at this size differs from that of the clips: 95th percentiles."""
    labelled, seen = (joined(faces) for faces in zip(*pairs, strict=True))
    found = seen.found
    away = {
        "pose": np.linalg.norm(labelled.angles - seen.angles, axis=1),
        "lips": np.abs(labelled.lips - seen.lips),
        "eyes": np.abs(labelled.eyes - seen.eyes),
    }
    return {name: float(np.percentile(values[found], 95)) for name, values in away.items()}


def volume_table(result: dict[str, Any]) -> str:
    """The result of `measure_volume` as text."""
    reenactment = result["reenactment"]
    lines = [f"{result['people']} people at {result['size']} px"]
    for part, title in (("all", "all frames"), ("moved", f"moved > {MOVED:g} % of face height")):
        figures = reenactment[part]
        lines.append(f"-- Own motion, {title} ({_count(reenactment, part)})")
        lines.append(f"{'':24}{'':15}" + "".join(f"{title:>10}" for title in KINDS.values()))
        for name, title, unit in ROWS:
            if any(name in figures[kind] for kind in KINDS):
                cells = "".join(_cell(figures[kind].get(name)) for kind in KINDS)
                lines.append(f"{title:24}{unit:15}{cells}")
    for kind, entry in reenactment["gain_when_moved"].items():
        better = f"{entry['better']}/{entry['frames']} frames better"
        lines.append(f"{KINDS[kind]}: {_number(entry['gain'])} dB over copying when moved, {better}")
    lines.append(
        f"-- Pose of one frame, dynamics of another; differing by > {POSE_DIFFERENCE:g} deg and "
        f"> {OPENING_DIFFERENCE:g} % of face height"
    )
    for part, title in (("swap_same_person", "same person"), ("swap_two_people", "two people")):
        lines += _swap_lines(title, result[part], result[f"mesh_{part}"])
    consistency = result["consistency"]
    if consistency["pairs"]:
        lines.append(
            f"drawn from either frame ({consistency['pairs']} pairs): landmarks {_number(consistency['landmarks'])} % "
            f"of face height (the frames {_number(consistency['frames_landmarks'])}), L1 {_number(consistency['l1'])} "
            f"(the frames {_number(consistency['frames_l1'])})"
        )
    lines.append("-- Identity: descriptor against the source's, median")
    for name, entry in result["identity"].items():
        shown = f"distance {_number(entry['distance'])}, cosine {_number(entry['cosine'])}"
        lines.append(f"{name.replace('_', ' '):24}{shown} ({entry['pictures']} pictures)")
    noise = ", ".join(f"{name} {_number(value)}" for name, value in result["noise"].items())
    lines.append(f"landmarker at this size against at the clips' own, 95th percentile: {noise}")
    lines += [f"not measured: {line}" for line in result["not_measured"]]
    return "\n".join(lines)


def _means(figures: Values, counts: np.ndarray) -> dict[str, float]:
    means = {}
    for name, values in figures.items():
        there = values[counts & np.isfinite(values)]
        if len(there):
            means[name] = float(there.mean())
    return means


def _count(reenactment: dict[str, Any], part: str) -> int:
    return reenactment["frames"] if part == "all" else reenactment["gain_when_moved"]["render"]["frames"]


def _swap_lines(title: str, scores: dict[str, Any], mesh: dict[str, Any]) -> list[str]:
    if not scores:
        return [f"{title}: no pair of frames differs enough"]
    lines = [f"{title} ({scores['pairs']} pairs, face found in {_number(scores['found'])})"]
    for name in ("pose", "lips", "eyes"):
        share, by_mesh = _number(scores[f"{name}_kept"]), _number(mesh[f"{name}_kept"])
        lines.append(f"  {name:8}as its own frame in {share} of {scores[f'{name}_pairs']}, by the mesh in {by_mesh}")
    for name in ("yaw", "pitch", "lips", "eyes"):
        follows, leaks = _number(scores[f"{name}_follows"]), _number(scores[f"{name}_leaks"])
        lines.append(f"  {name:8}correlation with its own frame {follows}, with the other {leaks}")
    return lines


def _cell(value: float | None) -> str:
    return f"{_number(value):>10}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
