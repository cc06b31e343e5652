"""The volume face model's figures over all clips, as numbers and as a table that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vasa_core.evaluation.report import Table, listed, shown
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
    """Show the result of `measure_volume` as text."""
    reenactment = result["reenactment"]
    moved = reenactment["gain_when_moved"]["render"]["frames"]
    table = Table(list(KINDS.values()), f"{result['people']} people at {result['size']} px")
    for part, title, frames in (
        ("all", "all frames", reenactment["frames"]),
        ("moved", f"moved > {MOVED:g} % of face height", moved),
    ):
        table.heading(f"Own motion, {title} ({frames})")
        for name, title, unit in ROWS:
            table.row(title, unit, [reenactment[part][kind].get(name) for kind in KINDS])
    for kind, entry in reenactment["gain_when_moved"].items():
        better = f"{entry['better']}/{entry['frames']} frames better"
        table.lines.append(f"{KINDS[kind]}: {shown(entry['gain'])} dB over copying when moved, {better}")
    table.heading(
        f"Pose of one frame, dynamics of another; differing by > {POSE_DIFFERENCE:g} deg and "
        f"> {OPENING_DIFFERENCE:g} % of face height"
    )
    for part, title in (("swap_same_person", "same person"), ("swap_two_people", "two people")):
        table.lines += _swap_lines(title, result[part], result[f"mesh_{part}"])
    table.lines.append(f"rendered from either frame: {listed(result['consistency'])}")
    table.listing("Identity: descriptor against the source's, median", result["identity"])
    noise = listed(result["noise"])
    table.lines.append(f"landmarker at this size against at the clips' own, 95th percentile: {noise}")
    return table.text(result["not_measured"])


def _means(figures: Values, counts: np.ndarray) -> dict[str, float]:
    means = {}
    for name, values in figures.items():
        there = values[counts & np.isfinite(values)]
        if len(there):
            means[name] = float(there.mean())
    return means


def _swap_lines(title: str, scores: dict[str, Any], mesh: dict[str, Any]) -> list[str]:
    if not scores:
        return [f"{title}: no pair of frames differs enough"]
    lines = [f"{title} ({scores['pairs']} pairs, face found in {shown(scores['found'])})"]
    for name in ("pose", "lips", "eyes"):
        share, by_mesh = shown(scores[f"{name}_kept"]), shown(mesh[f"{name}_kept"])
        lines.append(f"  {name:8}as its own frame in {share} of {scores[f'{name}_pairs']}, by the mesh in {by_mesh}")
    for name in ("yaw", "pitch", "lips", "eyes"):
        follows, leaks = shown(scores[f"{name}_follows"]), shown(scores[f"{name}_leaks"])
        lines.append(f"  {name:8}correlation with its own frame {follows}, with the other {leaks}")
    return lines
