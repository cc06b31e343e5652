"""Export of the volume face model's per-frame part to ONNX: canonical volume, codes and pose to colour and alpha."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.checkpoint import WEIGHTS, file_sha256
from vasa_core.errors import MissingModelError
from vasa_core.face.inpaint.engine import WEIGHTS_KEY
from vasa_core.face.volume.engine import fixed
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, load_volume
from vasa_core.files import whole_file

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
    try:
        import onnx
    except ImportError as error:
        raise MissingModelError("onnx is not installed; `pip install onnx` gets it.") from error
    networks = fixed(load_volume(folder))
    config = networks.config
    example = (
        torch.zeros(batch, config.canonical_channels, config.depth, config.side, config.side),
        torch.zeros(batch, config.identity),
        torch.zeros(batch, 6),
        torch.zeros(batch, config.dynamics),
    )
    target = folder / RENDER_FILE
    with whole_file(target) as part:
        with warnings.catch_warnings(), _any_memory_format():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes become constants: they are
            warnings.filterwarnings("ignore", "Constant folding")
            torch.onnx.export(
                _Render(networks).eval(),
                example,
                part,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=False,
            )
        model = onnx.load(part)
        onnx.helper.set_model_props(model, {WEIGHTS_KEY: file_sha256(folder / WEIGHTS)})
        onnx.checker.check_model(model)
        part.write_bytes(model.SerializeToString())
    return target


@contextmanager
def _any_memory_format() -> Iterator[None]:
    """Let the exporter pass over changes of memory format: ONNX has none."""
    torch.onnx.register_custom_op_symbolic(_CONTIGUOUS, lambda graph, tensor, _: tensor, OPSET)
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(_CONTIGUOUS, OPSET)
