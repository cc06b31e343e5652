"""The expressions that emotions add to speech: known facial actions, as this face basis can show them.

The clips hardly hold acted emotions, so nothing is learned from them here. Each emotion is a few points of the face
moved as its facial actions move them (EMFACS: Ekman and Friesen's action units, AU, of each emotion), and its
expression the likeliest one of the basis, in which one standard deviation is as likely in every direction, that moves
them so while the lips stay as far apart as they are: those belong to the speech.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.errors import InputError
from vasa_core.face.basis import FaceBasis
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.options import EMOTIONS

# Landmarks of the image-left half or the middle of the face; those of the other half do the same in a mirror.
POINTS: dict[str, tuple[int, ...]] = {
    "inner brow": (107, 55),
    "middle of brow": (105, 52),
    "outer brow": (70, 46),
    "below the eye": (230, 229),
    "cheek": (50, 101),
    "nostril": (129,),
    "lip corner": (61,),
    "upper lip": (0,),
    "lower lip": (17,),
    "chin's boss": (199,),
    "chin": (152,),
}
MOVE_NOISE, GAP_NOISE = 0.003, 0.0015  # face widths: how exactly points move as asked, and lips stay as far apart

Pull = tuple[float | None, float]


@dataclass(frozen=True)
class Actions:
    """pulls: (towards the middle, down) of POINTS in face widths; None is free. lids: opening against the usual one."""

    pulls: Mapping[str, Pull]
    lids: float


ACTIONS: dict[str, Actions] = {
    "anger": Actions(  # AU 4 brows lowered and drawn together, 5 upper lids raised, 10 nostrils, 23 lips tightened
        {
            "inner brow": (0.02, 0.04),
            "middle of brow": (0.01, 0.028),
            "outer brow": (0.0, -0.008),
            "lip corner": (0.008, 0.014),
            "nostril": (-0.008, -0.012),
            "upper lip": (None, 0.0),
            "lower lip": (None, -0.003),
        },
        1.05,
    ),
    "fear": Actions(  # AU 1 + 2 + 4 brows raised and drawn together, 5 upper lids raised, 20 lips stretched
        {
            "inner brow": (0.01, -0.04),
            "middle of brow": (0.006, -0.025),
            "outer brow": (0.0, 0.005),
            "lip corner": (-0.03, 0.012),
            "upper lip": (None, -0.008),
            "lower lip": (None, 0.008),
        },
        1.5,
    ),
    "happiness": Actions(  # AU 6 cheeks raised, 12 lip corners pulled out and up
        {
            "lip corner": (-0.05, -0.045),
            "upper lip": (None, -0.005),
            "lower lip": (None, -0.002),
            "cheek": (-0.006, -0.026),
            "below the eye": (0.0, -0.008),
            "inner brow": (0.0, 0.0),
            "outer brow": (0.0, 0.0),
        },
        0.9,
    ),
    "sadness": Actions(  # AU 1 + 4 inner brows raised, 15 lip corners lowered, 17 chin raised
        {
            "inner brow": (0.004, -0.038),
            "middle of brow": (0.0, -0.008),
            "outer brow": (0.0, 0.018),
            "lip corner": (0.002, 0.033),
            "upper lip": (None, 0.0),
            "lower lip": (None, -0.006),
            "chin's boss": (0.0, -0.01),
        },
        0.9,
    ),
    "surprise": Actions(  # AU 1 + 2 brows raised, 5 upper lids raised, 26 jaw dropped (behind closed lips)
        {
            "inner brow": (0.0, -0.045),
            "middle of brow": (0.0, -0.052),
            "outer brow": (0.0, -0.038),
            "lip corner": (0.012, 0.0),
            "chin": (0.0, 0.02),
        },
        1.38,
    ),
}


def emotion_rests(basis: FaceBasis) -> Float[np.ndarray, "7 face"]:
    """What each of options.EMOTIONS adds to a face at full strength: `MotionModel`'s emotion_rest.

    The first two columns are what the lids' opening grows by, as a share of it, the others are expression.
    """
    rests = np.zeros((len(EMOTIONS), 2 + len(basis.dynamics)))
    for name, actions in ACTIONS.items():
        rests[EMOTIONS.index(name)] = [*[actions.lids - 1] * 2, *likeliest_expression(basis, actions.pulls)]
    return rests


def likeliest_expression(basis: FaceBasis, pulls: Mapping[str, Pull]) -> Float[np.ndarray, " expressions"]:
    """The likeliest expression of the basis that moves POINTS so and leaves the lips' gaps as they are."""
    moves, wanted = [], []
    for name, (inwards, down) in pulls.items():
        for point in POINTS[name]:
            other = int(basis.mirror_index[point])
            for place, side in {point: 1, other: -1}.items():  # a point of the middle is its own mirror image
                asked = (0.0 if other == point or inwards is None else side * inwards, down)
                for axis in (0, 1) if inwards is not None else (1,):
                    moves.append(basis.dynamics[:, place, axis] / MOVE_NOISE)
                    wanted.append(asked[axis] / MOVE_NOISE)
    gaps = lip_gaps(basis.dynamics).T / GAP_NOISE  # (pairs, expressions)
    design = np.concatenate([np.array(moves), gaps])
    target = np.concatenate([np.array(wanted), np.zeros(len(gaps))])
    return np.linalg.solve(design.T @ design + np.eye(design.shape[1]), design.T @ target)


def write_emotions(motion: Path, mesh: Path) -> dict[str, float]:
    """Put the emotions of the face basis `mesh` into the checkpoint `motion`, whatever emotions it had.

    Returns how far each emotion moves the face at most, in face widths. Raises InputError if either is not a
    checkpoint, or the motion is of another face basis.
    """
    basis, _ = load_basis(mesh)
    checkpoint = load_checkpoint(motion)
    rests = emotion_rests(basis)
    channels = checkpoint.config.get("motion_channels")
    if channels != 6 + basis.dimensions:
        raise InputError(f"{motion} has {channels} channels of motion; expected {6 + basis.dimensions}, as {mesh} has.")
    tensors = {**checkpoint.tensors, "emotion_rest": torch.from_numpy(rests).float()}
    save_checkpoint(motion, checkpoint.config, tensors)
    shifts = np.linalg.norm(np.tensordot(rests[:, 2:], basis.dynamics, 1), axis=-1).max(1)  # (7,)
    return {name: float(shifts[EMOTIONS.index(name)]) for name in ACTIONS}
