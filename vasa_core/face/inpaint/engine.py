"""What runs a renderer network on this machine: torch in float32 or bfloat16, or onnxruntime, by the kind of CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.cpu import cpu_precision
from vasa_core.errors import InputError
from vasa_core.face.inpaint.folded import BLOCK, FoldedNetwork, fold, unfold
from vasa_core.face.inpaint.network import CHANNELS, PatchNetwork, SourceFeatures
from vasa_core.onnx import open_session
from vasa_core.rates import exact_div

ONNX_FILE = "driving.onnx"  # beside the weights that it was exported from
WEIGHTS_KEY = "weights_sha256"  # of its metadata: which weights those were
HALVED_WIDTH = 32  # first width of a network from which bfloat16 pays on a CPU that is fast in it

Channels = UInt8[np.ndarray, "b patch patch c"]
Change = Float[np.ndarray, "b patch patch 3"]


@runtime_checkable
class Engine(Protocol):
    """A network made ready to run; may be called by several threads at once."""

    name: str

    def encode(self, photo: Channels) -> SourceFeatures:
        """Features of the photo's own patches (4 channels), once a portrait."""
        ...

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """What the network adds to the warped photo (9 channels), in grey levels.

        driving: patches of one frame, or of several after one another, as many of each as `source` is of.
        """
        ...


class TorchEngine:
    """The network in torch, on any device and in any precision."""

    def __init__(self, network: PatchNetwork, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        self.name = f"torch {str(precision).removeprefix('torch.')}"
        self._device, self._precision = torch.device(device), precision
        placed = FoldedNetwork(network).eval().requires_grad_(False).to(self._device, precision)
        self._network = placed.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def encode(self, photo: Channels) -> SourceFeatures:
        """See Engine."""
        with torch.inference_mode():
            return self._network.network.source(self._tensor(photo).permute(0, 3, 1, 2))  # (b, 4, patch, patch)

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """See Engine."""
        with torch.inference_mode():
            change = self._network(self._tensor(fold(driving)), _for_each(source, len(driving)))
            return unfold(change.contiguous().cpu().numpy())  # (b, patch, patch, 3)

    def _tensor(self, channels: Channels) -> Tensor:
        return (torch.from_numpy(channels).to(self._device).float() / 127.5 - 1).to(self._precision)


class OnnxEngine:
    """The exported network in onnxruntime, float32 on the CPU; the photo is encoded by torch."""

    name = "onnxruntime float32"

    def __init__(self, network: PatchNetwork, exported: Path, weights_sha256: str) -> None:
        """exported: file of `export_driving`. Raises InputError if it was exported from other weights."""
        self._session = open_session(exported)
        found = self._session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
        if found != weights_sha256 or self._session.get_inputs()[0].shape[-1] != BLOCK * CHANNELS:
            raise InputError(
                f"{exported} is of other weights than the checkpoint beside it, or of another layout; `python -m "
                "vasa_core export-renderer` writes it anew."
            )
        self._encoder = TorchEngine(network)
        self._names = [value.name for value in self._session.get_inputs()]

    def encode(self, photo: Channels) -> SourceFeatures:
        """See Engine."""
        return self._encoder.encode(photo)

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """See Engine."""
        x = fold(driving).astype(np.float32)  # (b, patch/2, patch/2, 36)
        x *= 1 / 127.5
        x -= 1
        values = [x, *(features.numpy() for features in _for_each(source, len(driving)))]
        (change,) = self._session.run(None, dict(zip(self._names, values, strict=True)))
        return unfold(np.asarray(change))  # (b, patch, patch, 3)


def _for_each(source: SourceFeatures, patches: int) -> SourceFeatures:
    """Features of a photo's patches, repeated for every frame of so many patches in all."""
    frames = exact_div(patches, len(source[0]))
    return source if frames == 1 else tuple(features.repeat(frames, 1, 1, 1) for features in source)


def open_engine(
    network: PatchNetwork, folder: Path | None, weights_sha256: str, instructions: str | None = None
) -> Engine:
    """The engine for a CPU with these instructions (see `cpu_precision`), by what was measured to be fastest.

    bfloat16 in torch for networks of HALVED_WIDTH and more where the CPU is fast in it, else onnxruntime; torch in
    float32 where `folder`, of the checkpoint, holds no export. Raises InputError for an export of other weights.
    """
    precision = cpu_precision(instructions)
    if precision != torch.float32 and network.config.widths[0] >= HALVED_WIDTH:
        return TorchEngine(network, precision=precision)
    if folder and (folder / ONNX_FILE).is_file():
        return OnnxEngine(network, folder / ONNX_FILE, weights_sha256)
    return TorchEngine(network)
