"""Learn the linear face basis from talking video: mean, identity, dynamics, lids, irises (closed form, minutes)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from vasa_core.assets import resolve
from vasa_core.checkpoint import save_checkpoint
from vasa_core.data.clips import few_per_person, find_clips
from vasa_core.data.tracking import TrackedClip, track_clips
from vasa_core.face.basis import FaceBasis, iris_offset, move_lips
from vasa_core.face.measure import eye_gap, face_height, lip_gap, lip_gaps, most_closed
from vasa_core.face.mesh.model import ARRAYS, NUMBERS
from vasa_core.face.pose import fit_similarity, rotation_angles, unproject
from vasa_core.face.topology import EYES, FACE_OVAL, LIPS_INNER, LIPS_OUTER, STABLE, canonical_mesh

EYEBALL_OF_IRIS = 0.9  # distance from the eyeball's centre to the iris (10.5 mm) over the iris's diameter (11.7 mm)
LIP_WEIGHT, OVAL_WEIGHT, DEPTH_WEIGHT = 2.0, 0.5, 0.5  # what matters to the eye, against what the landmarker guesses
CLOSED_GAP = 0.004  # face widths, mid-mouth: what the landmarker reads of a closed mouth
TURNING, FIXATING = np.radians(3), -0.7  # standard deviation of head yaw; its correlation with the eyes' yaw
AWAKE = 0.6  # of the open gap: below, a lid is blinking


@dataclass(frozen=True)
class BasisTrainingConfig:
    """components: of the dynamics. frames_per_clip: at most, so that no clip rules."""

    identities: int = 40
    components: int = 32
    frames_per_clip: int = 150
    clips_per_identity: int = 8
    alignment_rounds: int = 4


@dataclass(frozen=True)
class _AlignedClip:
    identity: str
    shapes: Float[np.ndarray, "n 478 3"]  # canonical
    neutral: Float[np.ndarray, "478 3"]
    open_gap: Float[np.ndarray, " 2"]
    yaw: Float[np.ndarray, " n"]  # of the head, rad


def train_basis(data: list[Path], out: Path, cache: Path, config: BasisTrainingConfig | None = None) -> dict[str, Any]:
    """Fit the basis to the train clips of `data` and write it to `out`; returns its scores on the val clips."""
    config = config or BasisTrainingConfig()
    clips = [clip for folder in data for clip in track_clips(find_clips(folder), cache)]
    chosen = set(few_per_person([c.clip for c in clips if c.clip.split == "train"], config.clips_per_identity))
    train = [clip for clip in clips if clip.clip in chosen]
    mean = _aligned_mean(train, config.alignment_rounds)
    aligned = [_align_clip(clip, mean, config.frames_per_clip) for clip in train]
    basis = fit_basis(mean, aligned, config)
    scores = {
        split: reconstruction_scores(basis, [c for c in clips if c.clip.split == split][:60])
        for split in ("train", "val")
    }
    save_basis(out, basis, canonical_mesh(resolve("face_landmarker"))[1])
    return {"clips": len(train), "frames": sum(len(a.shapes) for a in aligned), **scores}


def save_basis(folder: Path, basis: FaceBasis, triangles: Int[np.ndarray, "898 3"]) -> None:
    """Write the basis and the face's own triangles as a checkpoint."""
    arrays = {name: getattr(basis, name) for name in ARRAYS}
    tensors = {
        name: torch.tensor(a, dtype=torch.float32 if a.dtype.kind == "f" else None) for name, a in arrays.items()
    }
    config = {"face_model": "mesh", **{name: getattr(basis, name) for name in NUMBERS}}
    save_checkpoint(folder, config, {**tensors, "triangles": torch.tensor(triangles)}, half=False)


def _aligned_mean(clips: list[TrackedClip], rounds: int) -> Float[np.ndarray, "478 3"]:
    """Generalised Procrustes mean of the clips' mean shapes, started from the landmarker's canonical mesh."""
    canonical, _ = canonical_mesh(resolve("face_landmarker"))
    reference, stable = canonical, list(STABLE)
    for _ in range(rounds):
        means = []
        for clip in clips:
            points = clip.landmarks[clip.valid][:: max(1, len(clip.landmarks) // 40)].astype(np.float64)
            means.append(unproject(points, *fit_similarity(reference[stable], points[:, stable])).mean(0))
        mean = np.mean(means, 0)
        mirrored = mean[mirror_index(mean)] * [-1, 1, 1]
        mean = (mean + mirrored) / 2
        mean -= mean[stable].mean(0)
        reference = mean / np.linalg.norm(mean[234] - mean[454])
    return reference


def mirror_index(shape: Float[np.ndarray, "478 3"]) -> np.ndarray:
    """For each landmark the one at its mirrored place."""
    distance = np.linalg.norm(shape[:468, None] * [-1, 1, 1] - shape[None, :468], axis=-1)
    index = np.arange(478)
    index[:468] = distance.argmin(1)
    left, right = EYES[0].iris, EYES[1].iris
    order = [0, 3, 2, 1, 4]  # rim points run right, top, left, bottom in both irises
    for a, b in zip(left, (right[i] for i in order), strict=True):
        index[a], index[b] = b, a
    return index


def _align_clip(clip: TrackedClip, mean: Float[np.ndarray, "478 3"], most: int) -> _AlignedClip:
    """Canonical shapes of a clip, its neutral (mean of its most closed-mouth sixth) and its open-eye gap."""
    stable = list(STABLE)
    points = clip.landmarks[clip.valid].astype(np.float64)
    points = points[:: max(1, len(points) // most)]
    similarity = fit_similarity(mean[stable], points[:, stable])
    shapes = unproject(points, *similarity)
    gap = eye_gap(shapes)
    open_gap = np.percentile(gap, 60, axis=0)
    awake = (gap > 0.8 * open_gap).all(1)
    neutral = shapes[most_closed(np.where(awake, lip_gap(shapes, 3), np.inf))].mean(0)
    return _AlignedClip(clip.clip.person, shapes, neutral, open_gap, rotation_angles(similarity[0])[:, 1])


def fit_basis(mean: Float[np.ndarray, "478 3"], clips: list[_AlignedClip], config: BasisTrainingConfig) -> FaceBasis:
    """Basis from aligned clips; mirrored copies of every clip make it symmetric."""
    mirror = mirror_index(mean)
    floor = float(np.median([np.percentile(eye_gap(c.shapes) / c.open_gap, 1) for c in clips if _blinks(c)]))
    closing = [np.clip((1 - eye_gap(c.shapes) / c.open_gap) / (1 - floor), -0.5, 1) for c in clips]
    difference = [c.shapes - c.neutral for c in clips]
    lids = _fit_lids(closing, difference, mirror)
    residual = [d - np.tensordot(c, lids, 1) for c, d in zip(closing, difference, strict=True)]
    weights = _weights()
    dynamics = _principal(_with_mirrored(residual, mirror), weights, config.components)
    neutrals: dict[str, list[np.ndarray]] = {}
    for clip in clips:
        neutrals.setdefault(clip.identity, []).append(clip.neutral)
    people = np.stack([np.mean(group, 0) for group in neutrals.values()])
    closed = CLOSED_GAP * np.maximum(lip_gaps(mean), 0) / lip_gaps(mean).max()
    people = move_lips(people, dynamics, closed)
    mean_neutral = (people.mean(0) + people.mean(0)[mirror] * [-1, 1, 1]) / 2
    identity = _principal(_with_mirrored([people - mean_neutral], mirror), weights, config.identities)
    diameter = np.mean([np.linalg.norm(people[:, e.iris[1]] - people[:, e.iris[3]], axis=-1) for e in EYES])
    rest = np.mean([np.median(iris_offset(c.shapes), 0) for c in clips], 0)
    rest = (rest + rest[::-1] * [-1, 1]) / 2  # (eye, xy)
    radius = float(EYEBALL_OF_IRIS * diameter)
    basis = FaceBasis(mean_neutral, identity, dynamics, lids, rest, mirror, radius, 1.0, floor, 0.0, 1.0)
    basis = replace(basis, noise=_unexplained(basis, residual), iris_gain=_fit_iris_gain(basis, clips))
    return replace(basis, lid_follow=_fit_lid_follow(basis, clips))


def _blinks(clip: _AlignedClip) -> bool:
    return bool((eye_gap(clip.shapes).min(0) < 0.4 * clip.open_gap).all())


def _weights() -> Float[np.ndarray, "478 3"]:
    weights = np.ones((478, 3))
    weights[list(FACE_OVAL)] = OVAL_WEIGHT
    weights[list(LIPS_INNER + LIPS_OUTER)] = LIP_WEIGHT
    weights[:, 2] *= DEPTH_WEIGHT
    weights[[p for eye in EYES for p in (*eye.upper, *eye.lower)]] = 0
    weights[468:] = 0
    return weights


def _with_mirrored(values: list[np.ndarray], mirror: np.ndarray) -> Float[np.ndarray, "n 478 3"]:
    stacked = np.concatenate(values)
    return np.concatenate([stacked, stacked[:, mirror] * [-1, 1, 1]])


def _fit_lids(closing: list[np.ndarray], difference: list[np.ndarray], mirror: np.ndarray) -> np.ndarray:
    """Least-squares displacement per unit of closing, near each eye only; the lids' edges are placed exactly later."""
    target = np.concatenate(difference)[:, :468]
    design = np.concatenate(closing)
    blink = design.min(1) > 0.35  # both lids well on their way: nothing else moves that fast
    design, target = design[blink], target[blink]
    both = design.mean(1)
    field = np.einsum("n,npc->pc", both, target) / (both @ both)  # (468, 3) both eyes closing together
    field = np.concatenate([field, np.zeros((10, 3))])
    field = (field + field[mirror] * [-1, 1, 1]) / 2
    lids = np.zeros((2, 478, 3))
    edges = [p for eye in EYES for p in eye.contour]
    neighbours = _eye_regions()
    for index, points in enumerate(neighbours):
        lids[index, points] = field[points]
    lids[:, edges] = 0
    return lids


def _eye_regions() -> tuple[list[int], list[int]]:
    """Landmarks of the upper and lower lids' skin (two rings) of the image-left and image-right eye."""
    left = [
        *(247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25, 130),
        *(113, 225, 224, 223, 222, 221, 189, 226),
    ]
    right = [
        *(467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255, 359),
        *(342, 445, 444, 443, 442, 441, 413, 446),
    ]
    return left, right


def _principal(samples: np.ndarray, weights: np.ndarray, count: int) -> Float[np.ndarray, "count 478 3"]:
    """Displacement per standard deviation of the leading principal components of weighted samples."""
    flat = (samples * weights).reshape(len(samples), -1)
    covariance = flat.T @ flat / len(flat)
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1][:, : min(count, len(samples))]
    scores = flat @ vectors / np.sqrt(values[::-1][: vectors.shape[1]])  # (n, count), unit variance
    return np.einsum("nk,npc->kpc", scores, samples) / len(samples)


def _unexplained(basis: FaceBasis, residual: list[np.ndarray]) -> float:
    """What the dynamics leave of the training shapes: standard deviation per coordinate."""
    stacked = np.concatenate(residual)[::7].reshape(-1, 478 * 3)
    design = basis.dynamics.reshape(len(basis.dynamics), -1).T
    left = stacked - np.linalg.lstsq(design, stacked.T, rcond=None)[0].T @ design.T
    return float(left.std())


def _fit_iris_gain(basis: FaceBasis, clips: list[_AlignedClip]) -> float:
    """How much of an eye's rotation the landmarker shows, from people who keep looking at one place as they turn.

    Their eyes turn back in the head exactly as far as the head turns, so the slope of the one over the other is -1.
    """
    slopes = []
    for clip in clips:
        yaw, eyes = clip.yaw, basis.gaze(clip.shapes)[:, 0]
        if yaw.std() > TURNING and np.corrcoef(yaw, eyes)[0, 1] < FIXATING:
            slopes.append(-np.polyfit(yaw, eyes, 1)[0])
    return float(np.median(slopes)) if slopes else 1.0


def _fit_lid_follow(basis: FaceBasis, clips: list[_AlignedClip]) -> float:
    """Slope of the relative eye opening over the sine of vertical gaze, within clips, blinks left out."""
    moments = np.zeros(2)
    for clip in clips:
        opening = (eye_gap(clip.shapes) / clip.open_gap).mean(1)
        awake = opening > AWAKE
        if awake.sum() > 10:
            sine = np.sin(basis.gaze(clip.shapes[awake])[:, 1])
            sine, opening = sine - sine.mean(), opening[awake] - opening[awake].mean()
            moments += [sine @ opening, sine @ sine]
    return float(moments[0] / moments[1])


def reconstruction_scores(basis: FaceBasis, clips: list[TrackedClip]) -> dict[str, float]:
    """Mean landmark error of encode -> decode over clips, as a share of face height, all points and lips."""
    errors, lips = [], []
    for clip in clips:
        points = clip.landmarks[clip.valid][::5].astype(np.float64)
        shapes, _ = basis.align(points, clip.size)
        neutral = basis.neutral(shapes)
        shapes, _ = basis.align(points, clip.size, neutral)
        open_gap = np.percentile(eye_gap(shapes), 60, axis=0)
        z = basis.encode(shapes, neutral, open_gap)
        rebuilt = basis.decode(z, shapes[0], z[0])
        height = face_height(neutral, 3)
        error = np.linalg.norm((rebuilt - shapes)[..., :2], axis=-1) / height
        errors.append(error.mean())
        lips.append(error[:, list(LIPS_INNER + LIPS_OUTER)].mean())
    return {"landmark_error": float(np.mean(errors)), "lip_error": float(np.mean(lips))}
