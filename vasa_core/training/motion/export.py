"""Export of the motion model's denoiser to ONNX, so that onnxruntime can run it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.exported import BOUND, ESTIMATE, GIVEN, NOISY, ONNX_FILE, STEP
from vasa_core.motion.model import MotionModel
from vasa_core.training.engine.onnx_file import halve_weights, share_weights, write_onnx

OPSET = 17
BATCH = 2  # of the example


class _Both(nn.Module):
    """Conditions to their tokens, and a denoising step with such tokens, beside one another."""

    def __init__(self, model: MotionModel) -> None:
        super().__init__()
        self.denoiser = model.denoiser
        self.conditions = len(fields(Conditions))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        asked, (noisy, step, *given) = inputs[: self.conditions], inputs[self.conditions :]
        return *self.denoiser.bound(Conditions(*asked)), self.denoiser.estimated(noisy, step, given)


def export_denoiser(folder: Path) -> Path:
    """Write the denoiser of a motion model's checkpoint as ONNX beside it, weights in float16; returns the file.

    Raises InputError if the folder holds no motion model, MissingModelError if the package onnx is not installed.
    """
    model = MotionModel.load(folder)
    config = model.config
    frames = config.context + config.window
    yes = torch.ones(BATCH, dtype=torch.bool)
    asked = Conditions(
        torch.zeros(BATCH, frames, config.audio_channels),
        torch.ones(BATCH, frames, dtype=torch.bool),
        torch.zeros(BATCH, config.context, config.motion_channels),
        yes,
        torch.zeros(BATCH, 2),
        yes,
        torch.zeros(BATCH, 1),
        yes,
        torch.zeros(BATCH, 7),
        yes,
        torch.zeros(BATCH, 4),
        yes,
    )
    with torch.no_grad():
        bound = model.denoiser.bound(asked)
    noisy = torch.zeros(BATCH, config.window, config.motion_channels)
    names = [field.name for field in fields(Conditions)]
    return write_onnx(
        folder / ONNX_FILE,
        _Both(model),
        (*(getattr(asked, name).clone() for name in names), noisy, torch.ones(BATCH, dtype=torch.long), *bound),
        (
            [*names, NOISY, STEP, *(f"{GIVEN}{i}" for i in range(len(bound)))],
            [*(f"{BOUND}{i}" for i in range(len(bound))), ESTIMATE],
        ),
        OPSET,
        any_batch=True,
        change=_smaller,
    )


def _smaller(model: Any) -> None:
    share_weights(model)
    halve_weights(model)
