"""How much of a halo a portrait's frames show where its head moves away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from vasa_core.evaluation.metrics.halo import Halo, halo
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.topology import CHIN, FOREHEAD
from vasa_core.types import Motion


def opacities(model: MeshFaceModel, portrait: Portrait, motion: Motion) -> list[Float[np.ndarray, "height width"]]:
    """Opacity of the person in each frame, 0..1: what a black and a white background tell."""
    layers = portrait.layers
    black, white = (
        model.decode(replace(portrait, layers=replace(layers, plate=np.full_like(layers.plate, level))), motion)
        for level in (0, 255)
    )
    return [
        1 - (bright.astype(np.float64) - dark.astype(np.float64)).mean(-1) / 255  # (h, w, 3) -> (h, w)
        for dark, bright in zip(black, white, strict=True)
    ]


def measure_halo(model: MeshFaceModel, portrait: Portrait, motion: Motion) -> list[Halo | None]:
    """The halo of each frame of a portrait that moves so; None where the head has hardly moved."""
    height = float(np.linalg.norm(portrait.landmarks[FOREHEAD, :2] - portrait.landmarks[CHIN, :2]))
    before = opacities(model, portrait, portrait.motion)[0]
    return [
        halo(frame, now, before, height)
        for frame, now in zip(model.decode(portrait, motion), opacities(model, portrait, motion), strict=True)
    ]
