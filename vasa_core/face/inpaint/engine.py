"""What runs a renderer network on this machine: torch in float32 or bfloat16, or onnxruntime, whichever is fastest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import onnxruntime
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vasa_core.errors import InputError
from vasa_core.face.inpaint.network import CHANNELS, SOURCE_CHANNELS, PatchNetwork, SourceFeatures
from vasa_core.rates import exact_div

ONNX_FILE = "driving.onnx"  # beside the weights that it was exported from
WEIGHTS_KEY = "weights_sha256"  # of its metadata: which weights those were
WORTH_HALVING = 0.87  # bfloat16 is used where it takes less than this share of the time of the best other engine
WORTH_CHANGING = 0.9  # the same for torch against onnxruntime, which is the steadier of the two
TIMING_ROUNDS = 15

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
        placed = PatchNetwork(network.config)
        placed.load_state_dict(network.state_dict())
        placed = placed.eval().requires_grad_(False).to(self._device, precision)
        self._network = placed.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def encode(self, photo: Channels) -> SourceFeatures:
        """See Engine."""
        with torch.inference_mode():
            return self._network.source(self._tensor(photo))

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """See Engine."""
        with torch.inference_mode():
            change, weight = self._network(self._tensor(driving), _for_each(source, len(driving)))
            return (127.5 * weight * change).permute(0, 2, 3, 1).cpu().numpy()  # (b, patch, patch, 3)

    def _tensor(self, channels: Channels) -> Tensor:
        pixels = torch.from_numpy(channels).to(self._device)
        return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).to(self._precision)  # (b, c, patch, patch)


class OnnxEngine:
    """The exported network in onnxruntime, float32 on the CPU; the photo is encoded by torch."""

    name = "onnxruntime float32"

    def __init__(self, network: PatchNetwork, exported: Path, weights_sha256: str) -> None:
        """exported: file of `export_driving`. Raises InputError if it was exported from other weights."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
        found = self._session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
        if found != weights_sha256:
            raise InputError(
                f"{exported} is of other weights than the checkpoint beside it; `python -m vasa_core export-renderer` "
                "writes it anew."
            )
        self._encoder = TorchEngine(network)
        self._names = [value.name for value in self._session.get_inputs()]

    def encode(self, photo: Channels) -> SourceFeatures:
        """See Engine."""
        return self._encoder.encode(photo)

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """See Engine."""
        x = np.ascontiguousarray(driving.transpose(0, 3, 1, 2), np.float32)  # (b, 9, patch, patch)
        x *= 1 / 127.5
        x -= 1
        values = [x, *(features.numpy() for features in _for_each(source, len(driving)))]
        change, weight = self._session.run(None, dict(zip(self._names, values, strict=True)))
        return (127.5 * np.asarray(weight) * np.asarray(change)).transpose(0, 2, 3, 1)  # (b, patch, patch, 3)


def _for_each(source: SourceFeatures, patches: int) -> SourceFeatures:
    """Features of a photo's patches, repeated for every frame of so many patches in all."""
    frames = exact_div(patches, len(source[0]))
    return source if frames == 1 else tuple(features.repeat(frames, 1, 1, 1) for features in source)


def fastest_engine(network: PatchNetwork, folder: Path | None, weights_sha256: str, batch: int) -> Engine:
    """The engine that runs `batch` patches with the least processor time on one thread of this machine.

    folder: of the checkpoint; where it holds no export, onnxruntime is not tried. The engines take turns and the best
    time of each counts: other work on the machine must not tip the scales, or the same seed would not give the same
    video. Raises InputError for an export of other weights.
    """
    engines: list[Engine] = [TorchEngine(network, precision=kind) for kind in (torch.float32, torch.bfloat16)]
    if folder and (folder / ONNX_FILE).is_file():
        engines.append(OnnxEngine(network, folder / ONNX_FILE, weights_sha256))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = _processor_times(engines, network.config.patch, batch)
    finally:
        torch.set_num_threads(threads)
    best = engines[-1] if len(engines) > 2 else engines[0]
    if seconds[engines[0].name] < WORTH_CHANGING * seconds[best.name]:
        best = engines[0]
    return engines[1] if seconds[engines[1].name] < WORTH_HALVING * seconds[best.name] else best


def _processor_times(engines: list[Engine], patch: int, batch: int) -> dict[str, float]:
    """Seconds of processor time of each engine's best run."""
    photo = np.zeros((batch, patch, patch, SOURCE_CHANNELS), np.uint8)
    driving = np.zeros((batch, patch, patch, CHANNELS), np.uint8)
    sources = [engine.encode(photo) for engine in engines]
    best = {engine.name: float("inf") for engine in engines}
    for _ in range(TIMING_ROUNDS):
        for engine, source in zip(engines, sources, strict=True):
            start = time.process_time()
            engine(driving, source)
            best[engine.name] = min(best[engine.name], time.process_time() - start)
    return best
