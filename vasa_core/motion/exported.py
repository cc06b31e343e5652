"""The motion model in onnxruntime: sampling as `model`, `guidance`, `sampler` and `continuity` do it, in numpy.

What those are to training and to a GPU, this is to a CPU; torch need not be imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.noise import torch_noise
from vasa_core.motion.numbers import MotionNumbers
from vasa_core.motion.representation import GAZE, LIDS
from vasa_core.motion.seam import continued
from vasa_core.motion.steps import sampling_steps
from vasa_core.motion.window import WITHHELD, Window
from vasa_core.onnx import open_exported
from vasa_core.weights import config_from, load_arrays

# Beside the weights that they were exported from: the conditions of a window -> BOUND0, BOUND1 ..., once; and NOISY,
# STEP and those -> ESTIMATE, in every step.
CONDITIONS_FILE, ONNX_FILE = "conditions.onnx", "denoiser.onnx"
BOUND, NOISY, STEP, ESTIMATE = "bound_", "noisy", "step", "estimate"

Frames = Float32[np.ndarray, "terms window channels"]


class ExportedMotion:
    """A `MotionSampler` of the network that `export_denoiser` wrote; may be called by several threads at once."""

    def __init__(self, folder: Path) -> None:
        """folder: a checkpoint's. Raises InputError if it is missing or damaged, or the export is of other weights."""
        stored = load_arrays(folder)
        values = dict(stored.config)
        self.audio_encoder = str(values.pop("audio_encoder", ""))
        self.config = config_from(DenoiserConfig, values)
        self.numbers = MotionNumbers.of(stored.arrays)
        files = (folder / name for name in (CONDITIONS_FILE, ONNX_FILE))
        self._binding, self._denoising = (open_exported(file, stored.sha256, "export-motion") for file in files)
        self._bound = [value.name for value in self._binding.get_outputs()]

    def sampled(
        self, window: Window, scales: Mapping[str, float], steps: int, seed: int
    ) -> Float32[np.ndarray, "window channels"]:
        """See `MotionSampler`."""
        denoise = self._guided(window, scales)
        shape = (window.audio.shape[1] - self.config.context, self.config.motion_channels)
        x = torch_noise(seed, math.prod(shape)).reshape(shape)
        before = x
        for time, ahead, kept, taken in sampling_steps(self.config.schedule, self.config.diffusion_steps, steps):
            x0 = denoise(x, time)
            if window.has_previous[0]:
                x0 = continued(x0, window.previous[0])
            x = kept * x + taken * (x0 + ahead * (x0 - before))
            before = x0
        return before

    def _guided(
        self, window: Window, scales: Mapping[str, float]
    ) -> Callable[[Float32[np.ndarray, "window channels"], int], Float32[np.ndarray, "window channels"]]:
        """x_t, t -> X_0, as `guidance.guided` has it."""
        context = self.config.context
        given = vars(window)
        for name, scale in scales.items():
            if scale == WITHHELD:
                given = _without(given, name, context)
        active = {name: scale for name, scale in scales.items() if scale != 0 and _present(given, name, context)}
        terms = [given, *(_without(given, name, context) for name in active)]
        batch = {name: np.concatenate([term[name] for term in terms]) for name in given}
        weights = np.ones((len(terms), 1, self.config.motion_channels), np.float32)
        for row, (name, scale) in enumerate(active.items(), 1):
            weights[row] = -scale
            if name == "liveliness":  # lively people do not blink more: their lids are not guided to
                weights[row, :, GAZE] = weights[row, :, LIDS] = 0
        weights[0] = 1 - weights[1:].sum(0)
        bound = dict(zip(self._bound, self._binding.run(self._bound, batch), strict=True))

        def denoise(x: Float32[np.ndarray, "window channels"], t: int) -> Float32[np.ndarray, "window channels"]:
            noisy = np.repeat(x[None], len(terms), 0)
            (x0,) = self._denoising.run([ESTIMATE], {NOISY: noisy, STEP: np.full(len(terms), t), **bound})
            return (weights * np.asarray(x0)).sum(0)

        return denoise


def _present(window: Mapping[str, np.ndarray], name: str, context: int) -> bool:
    """As `Conditions.present`."""
    return bool(window["has_audio"][:, context:].any() if name == "audio" else window[f"has_{name}"].any())


def _without(window: Mapping[str, np.ndarray], name: str, context: int) -> dict[str, np.ndarray]:
    """As `Conditions.without`."""
    result = dict(window)
    if name != "audio":
        result[f"has_{name}"] = np.zeros_like(window[f"has_{name}"])
    if name in ("audio", "previous"):
        result["has_audio"] = window["has_audio"].copy()
        result["has_audio"][:, slice(context, None) if name == "audio" else slice(context)] = False
    return result
