"""Export of the renderer's networks to ONNX, so that onnxruntime can run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vasa_core.face.inpaint.engine import ONNX_FILE
from vasa_core.face.inpaint.folded import BLOCK, FoldedNetwork
from vasa_core.face.inpaint.network import CHANNELS, SOURCE_CHANNELS, PatchNetwork
from vasa_core.face.inpaint.renderer import load_network
from vasa_core.training.engine.onnx_file import write_onnx

OPSET = 17


class _Driving(nn.Module):
    """The part of a network that runs for every frame, with the photo's features as plain inputs."""

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = FoldedNetwork(network)

    def forward(self, driving: Tensor, *source: Tensor) -> Tensor:
        return self.network(driving, source)


def export_driving(folder: Path) -> Path:
    """Write the per-frame part of a renderer checkpoint as ONNX beside it, weights in float16; returns the file.

    Raises InputError if the folder holds no renderer network, MissingModelError if the package onnx is not installed.
    """
    network = load_network(folder)
    patch = network.config.patch
    with torch.no_grad():
        source = network.source(torch.zeros(2, SOURCE_CHANNELS, patch, patch))
    inputs = ["driving", *(f"source_{index}" for index in range(len(source)))]
    return write_onnx(
        folder / ONNX_FILE,
        _Driving(network),
        (torch.zeros(2, patch // 2, patch // 2, BLOCK * CHANNELS), *source),
        (inputs, ["added"]),
        OPSET,
        any_batch=True,
        change=_halve_weights,
    )


def _halve_weights(model: Any) -> None:
    """Store the float32 weights as float16, cast back when the file is loaded: half the size, the same numbers."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 0:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
