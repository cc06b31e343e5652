"""What runs a renderer network on this machine: torch in float32 or bfloat16, or onnxruntime, by the kind of CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.cpu import cpu_precision
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import BLOCK, CHANNELS, PatchConfig, fold, unfold
from vasa_core.onnx import open_exported
from vasa_core.rates import exact_div
from vasa_core.weights import checked_config, config_from

ONNX_FILE, SOURCE_FILE = "driving.onnx", "source.onnx"  # beside the weights that they were exported from

Channels = UInt8[np.ndarray, "b patch patch c"]
Change = Float[np.ndarray, "b patch patch 3"]

# Of a photo at 1/4, 1/8 ... of the patch, then the style as one column: arrays or tensors, the engine's own.
Features = tuple[Any, ...]


@runtime_checkable
class Engine(Protocol):
    """A network made ready to run; may be called by several threads at once."""

    name: str

    def encode(self, photo: Channels) -> Features:
        """Features of the photo's own patches (4 channels), once a portrait."""
        ...

    def __call__(self, driving: Channels, source: Features) -> Change:
        """What the network adds to the warped photo (9 channels), in grey levels.

        driving: patches of one frame, or of several after one another, as many of each as `source` is of.
        """
        ...


class OnnxEngine:
    """The exported network in onnxruntime, float32 on the CPU, without torch."""

    name = "onnxruntime float32"

    def __init__(self, folder: Path, weights_sha256: str) -> None:
        """folder: a checkpoint's, with what `export_networks` writes. Raises InputError if that is of other weights."""
        files = (folder / name for name in (ONNX_FILE, SOURCE_FILE))
        self._driving, self._source = (open_exported(file, weights_sha256, "export-renderer") for file in files)
        if self._driving.get_inputs()[0].shape[-1] != BLOCK * CHANNELS:
            raise InputError(
                f"{folder / ONNX_FILE} takes pixels in another layout; "
                "`python -m vasa_core export-renderer` writes it anew."
            )
        self._names = [value.name for value in self._driving.get_inputs()]

    def encode(self, photo: Channels) -> Features:
        """See Engine."""
        return tuple(self._source.run(None, {"photo": _scaled(photo.transpose(0, 3, 1, 2))}))

    def __call__(self, driving: Channels, source: Features) -> Change:
        """See Engine."""
        frames = frames_of(source, len(driving))
        features = source if frames == 1 else [np.tile(each, (frames, 1, 1, 1)) for each in source]
        values = [_scaled(fold(driving)), *features]
        (added,) = self._driving.run(None, dict(zip(self._names, values, strict=True)))
        return unfold(np.asarray(added))  # (b, patch, patch, 3)


def _scaled(pixels: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Pixels as networks see them, -1 to 1."""
    x = np.ascontiguousarray(pixels, np.float32)
    x *= 1 / 127.5
    x -= 1
    return x


def frames_of(source: Sequence[Any], patches: int) -> int:
    """Of how many frames so many patches are, with the features of one frame's."""
    return exact_div(patches, len(source[0]))


def open_engine(folder: Path, patch: int, instructions: str | None = None) -> Engine:
    """The engine for a checkpoint's network on a CPU: onnxruntime, which is as fast as torch in bfloat16 where that is
    fastest, and starts without it; torch, as these instructions have it (see `cpu_precision`), where `folder` holds no
    export.

    Raises InputError for an export of other weights, or a network of another patch.
    """
    values, sha256 = checked_config(folder)
    config = config_from(PatchConfig, values)
    if config.patch != patch:
        raise InputError(f"{folder} paints {config.patch} px; expected {patch}.")
    if (folder / ONNX_FILE).is_file() and (folder / SOURCE_FILE).is_file():
        return OnnxEngine(folder, sha256)
    return open_torch_engine(folder, patch, "cpu", cpu_precision(instructions))


def open_torch_engine(folder: Path, patch: int, device: str, precision: str) -> Engine:
    """A checkpoint's network in torch. precision: "float32", "float16" or "bfloat16". Raises InputError for a network
    of another patch."""
    import torch

    from vasa_core.face.inpaint.network import load_network
    from vasa_core.face.inpaint.torch_engine import TorchEngine

    network = load_network(folder)
    if network.config.patch != patch:
        raise InputError(f"{folder} paints {network.config.patch} px; expected {patch}.")
    return TorchEngine(network, device, getattr(torch, precision))
