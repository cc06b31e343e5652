"""The motion model in onnxruntime: sampling as `model`, `guidance`, `sampler` and `continuity` do it, in numpy.

What those are to training and to a GPU, this is to a CPU; torch need not be imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float32

from vasa_core.errors import InputError
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.noise import torch_noise
from vasa_core.motion.numbers import MotionNumbers
from vasa_core.motion.representation import GAZE, LIDS
from vasa_core.motion.seam import continued
from vasa_core.motion.steps import sampling_steps
from vasa_core.motion.window import WITHHELD, Window
from vasa_core.onnx import open_session
from vasa_core.weights import HASH, config_from, load_arrays

ONNX_FILE = "denoiser.onnx"  # beside the weights that it was exported from
# The file holds two networks that share their weights: conditions -> BOUND0, BOUND1 ..., once a window; and NOISY, STEP
# and those, as GIVEN0, GIVEN1 ... -> ESTIMATE, in every step.
BOUND, GIVEN, NOISY, STEP, ESTIMATE = "bound_", "given_", "noisy", "step", "estimate"
_TYPES = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}

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
        self._session = open_session(folder / ONNX_FILE, in_parts=True)
        if self._session.get_modelmeta().custom_metadata_map.get(HASH) != stored.sha256:
            raise InputError(
                f"{folder / ONNX_FILE} is of other weights than the checkpoint beside it; "
                "`python -m vasa_core export-motion` writes it anew."
            )
        self._given = [value.name for value in self._session.get_inputs() if value.name.startswith(GIVEN)]
        self._unused = {
            value.name: np.zeros((1, *value.shape[1:]), _TYPES[value.type]) for value in self._session.get_inputs()
        }
        self._only_needed = onnxruntime.RunOptions()
        self._only_needed.only_execute_path_to_fetches = True

    def sampled(
        self, window: Window, scales: Mapping[str, float], steps: int, seed: int
    ) -> Float32[np.ndarray, "window channels"]:
        """See `MotionSampler`."""
        denoise = self._guided(window, scales)
        shape = (self.config.window, self.config.motion_channels)
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
        bound = dict(zip(self._given, self._run([f"{BOUND}{i}" for i in range(len(self._given))], batch), strict=True))

        def denoise(x: Float32[np.ndarray, "window channels"], t: int) -> Float32[np.ndarray, "window channels"]:
            noisy = np.repeat(x[None], len(terms), 0)
            (x0,) = self._run([ESTIMATE], {NOISY: noisy, STEP: np.full(len(terms), t), **bound})
            return (weights * x0).sum(0)

        return denoise

    def _run(self, outputs: list[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Those outputs, of these inputs alone."""
        found = self._session.run(outputs, {**self._unused, **inputs}, self._only_needed)
        return [np.asarray(value) for value in found]


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
