"""How much each loss of the volume model counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.errors import InputError


@dataclass(frozen=True)
class LossWeights:
    """Weights, 0 or more; 0 turns a loss off.

    MegaPortraits (arXiv 2207.07621, supplement): perceptual 20, face 4, gaze 5, adversarial 1, feature matching 40,
    cosine 2. EMOPortraits: canonical 1. VASA-1 states none for transfer (l_consist) and cross_identity (l_cross_id).
    This project's own: pixel, alpha, head_pose (L1 to the landmarks' pose), teacher (z_dyn to what the mesh face
    model's dynamics say), guided (learned warps to how these move landmarks, in face widths), unseen (where the mouth
    is open), close_up (perceptual, of the face alone) and speech (the mouth's box).
    """

    pixel: float = 1.0
    alpha: float = 1.0
    head_pose: float = 10.0
    teacher: float = 5.0
    guided: float = 20.0
    unseen: float = 2.0
    perceptual: float = 20.0
    close_up: float = 0.0
    face: float = 4.0
    gaze: float = 5.0
    speech: float = 5.0
    adversarial: float = 1.0
    feature_matching: float = 40.0
    cosine: float = 2.0
    canonical: float = 1.0
    transfer: float = 1.0
    cross_identity: float = 1.0

    def __post_init__(self) -> None:
        """Raises InputError for a weight that is negative or no number."""
        for name, value in self.named().items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"The weight of the {name} loss is {value}; expected a number of 0 or more.")

    @classmethod
    def of(cls, changed: Mapping[str, float]) -> LossWeights:
        """The defaults with some changed. Raises InputError for a name that is no weight's."""
        if unknown := sorted(set(changed) - {field.name for field in fields(cls)}):
            names = ", ".join(field.name for field in fields(cls))
            raise InputError(f"There is no loss named {', '.join(unknown)}; expected {names}.")
        return cls(**changed)

    def named(self) -> dict[str, float]:
        """Name -> weight."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Sum of weight x loss; losses of weight 0 are left out, so that not even a NaN of theirs gets in.

        Losses that a step does not have are simply not passed. Raises InputError for a name that is no weight's, or if
        nothing remains.
        """
        weights = self.named()
        for name in losses:
            if name not in weights:
                raise InputError(f"There is no weight for a loss named {name!r}; expected one of {', '.join(weights)}.")
        parts = [weights[name] * loss for name, loss in losses.items() if weights[name] > 0]
        if not parts:
            raise InputError(f"No loss is left of {', '.join(losses) or 'none'}; expected one of a weight above 0.")
        return torch.stack(parts).sum()
