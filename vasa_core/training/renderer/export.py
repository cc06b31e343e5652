"""Export of the renderer's networks to ONNX, so that onnxruntime can run them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from vasa_core.checkpoint import WEIGHTS, file_sha256
from vasa_core.errors import MissingModelError
from vasa_core.face.inpaint.engine import ONNX_FILE, WEIGHTS_KEY
from vasa_core.face.inpaint.network import CHANNELS, SOURCE_CHANNELS, PatchNetwork
from vasa_core.face.inpaint.renderer import load_network
from vasa_core.files import whole_file

OPSET = 17


class _Driving(nn.Module):
    """The part of a network that runs for every frame, with the photo's features as plain inputs."""

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, driving: Tensor, *source: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(driving, source)


def export_driving(folder: Path) -> Path:
    """Write the per-frame part of a renderer checkpoint as ONNX beside it, weights in float16; returns the file.

    Raises InputError if the folder holds no renderer network, MissingModelError if the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingModelError("onnx is not installed; `pip install onnx` gets it.") from error
    network = load_network(folder)
    patch = network.config.patch
    with torch.no_grad():
        source = network.source(torch.zeros(2, SOURCE_CHANNELS, patch, patch))
    names = ["driving", *(f"source_{index}" for index in range(len(source)))]
    outputs = ["change", "weight"]
    target = folder / ONNX_FILE
    with whole_file(target) as part:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            torch.onnx.export(
                _Driving(network.eval()),
                (torch.zeros(2, CHANNELS, patch, patch), *source),
                part,
                input_names=names,
                output_names=outputs,
                dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
                opset_version=OPSET,
                dynamo=False,
            )
        model = onnx.load(part)
        _halve_weights(model)
        onnx.helper.set_model_props(model, {WEIGHTS_KEY: file_sha256(folder / WEIGHTS)})
        onnx.checker.check_model(model)
        part.write_bytes(model.SerializeToString())
    return target


def _halve_weights(model) -> None:  # noqa: ANN001 - onnx is only there when it is installed
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
