"""Export of the motion model's denoiser to ONNX, so that onnxruntime can run it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor, nn

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.exported import BOUND, CONDITIONS_FILE, ESTIMATE, NOISY, ONNX_FILE, STEP
from vasa_core.motion.model import MotionModel
from vasa_core.training.engine.onnx_file import halve_weights, write_onnx

OPSET = 17
BATCH = 2  # of the example


class _Binding(nn.Module):
    """Conditions to what the denoiser's steps take of them."""

    def __init__(self, model: MotionModel) -> None:
        super().__init__()
        self.denoiser = model.denoiser

    def forward(self, *conditions: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.denoiser.bound(Conditions(*conditions)))


class _Denoising(nn.Module):
    """A denoising step with conditions so bound."""

    def __init__(self, model: MotionModel) -> None:
        super().__init__()
        self.denoiser = model.denoiser

    def forward(self, noisy: Tensor, step: Tensor, *bound: Tensor) -> Tensor:
        return self.denoiser.estimated(noisy, step, list(bound))


def export_denoiser(folder: Path) -> list[Path]:
    """Write the denoiser of a motion model's checkpoint as ONNX beside it, weights in float16: what runs once a window,
    what runs in every step. Returns the files, which take windows of any length up to the configured one.

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
        bound = tuple(model.denoiser.bound(asked))
    noisy = torch.zeros(BATCH, config.window, config.motion_channels)
    names, kept = [field.name for field in fields(Conditions)], [f"{BOUND}{i}" for i in range(len(bound))]
    given = tuple(getattr(asked, name).clone() for name in names)
    steps = (noisy, torch.ones(BATCH, dtype=torch.long), *bound)
    parts = (
        (CONDITIONS_FILE, _Binding(model), given, (names, kept)),
        (ONNX_FILE, _Denoising(model), steps, ([NOISY, STEP, *kept], [ESTIMATE])),
    )
    return [
        write_onnx(folder / name, part, example, tensors, OPSET, any_size=_open_axes(tensors), change=halve_weights)
        for name, part, example, tensors in parts
    ]


def _open_axes(tensors: tuple[list[str], list[str]]) -> dict[str, dict[int, str]]:
    """Axes of any length, of inputs and outputs. What is bound has tokens of every frame on its third axis, but for the
    last, which is of the context."""
    names = [name for each in tensors for name in each]
    found = {name: {0: "batch"} for name in names}
    bound = [name for name in names if name.startswith(BOUND)]
    frames = {**dict.fromkeys(("audio", "has_audio"), 1), **dict.fromkeys((NOISY, ESTIMATE), 1)}
    frames |= dict.fromkeys(bound[:-1], 2)
    for name in names:
        if name in frames:
            found[name][frames[name]] = "tokens" if name in bound else "frames"
    return found
