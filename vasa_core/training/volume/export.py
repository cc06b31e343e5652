"""Export of the volume face model's per-frame part to ONNX: canonical volume, codes and pose to colour and alpha."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.engine import fixed
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, load_volume
from vasa_core.training.engine.onnx_file import write_onnx

RENDER_FILE = "render.onnx"  # beside the weights that it was exported from
INPUTS = ("canonical", "identity", "pose", "dynamics")
OUTPUT = "picture"
OPSET = 20  # the first whose GridSample takes volumes
_CONTIGUOUS = "aten::contiguous"


class _Render(nn.Module):
    """`VolumeNetworks.render` with plain tensors for inputs."""

    def __init__(self, networks: VolumeNetworks) -> None:
        super().__init__()
        self.networks = networks

    def forward(
        self,
        canonical: Float[Tensor, "b c d h w"],
        identity: Float[Tensor, "b identity"],
        pose: Float[Tensor, "b 6"],
        dynamics: Float[Tensor, "b dynamics"],
    ) -> Float[Tensor, "b 4 s s"]:
        return self.networks.render(canonical, identity, MotionCode(pose, dynamics))


def export_render(folder: Path, batch: int = 1) -> Path:
    """Write what runs for every frame of a volume checkpoint as ONNX beside it; returns the file.

    Inputs `canonical` (batch, C, D, h, w), `identity`, `pose` (batch, 6) and `dynamics` (z_dyn), output `picture`
    (batch, 4, s, s): colour -1..1 and alpha 0..1; all float32, the batch fixed. Raises InputError if the folder holds
    no volume checkpoint, MissingModelError if the package onnx is not installed.
    """
    networks = fixed(load_volume(folder))
    config = networks.config
    example = (
        torch.zeros(batch, config.canonical_channels, config.depth, config.side, config.side),
        torch.zeros(batch, config.identity),
        torch.zeros(batch, 6),
        torch.zeros(batch, config.dynamics),
    )
    with _any_memory_format():
        return write_onnx(folder / RENDER_FILE, _Render(networks), example, (INPUTS, [OUTPUT]), OPSET)


@contextmanager
def _any_memory_format() -> Generator[None, None, None]:
    """Let the exporter pass over changes of memory format: ONNX has none."""
    torch.onnx.register_custom_op_symbolic(_CONTIGUOUS, lambda graph, tensor, _: tensor, OPSET)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(_CONTIGUOUS, OPSET)
