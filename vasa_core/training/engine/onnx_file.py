"""Export of a network to an ONNX file beside the checkpoint that it was made of, so that onnxruntime can run it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vasa_core.assets import file_sha256
from vasa_core.errors import MissingModelError
from vasa_core.files import whole_file
from vasa_core.onnx import WEIGHTS_KEY
from vasa_core.weights import WEIGHTS


def write_onnx(
    target: Path,
    network: nn.Module,
    example: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    opset: int,
    *,
    any_size: Mapping[str, Mapping[int, str]] | None = None,
    change: Callable[[Any], None] | None = None,
) -> Path:
    """Write what a network does with inputs like `example`; returns the file, which names the hash of the weights.

    names: of inputs and of outputs. any_size: the axes of them that are left open, and what each counts. change: what
    is done to the ONNX model before it is written. Raises MissingModelError if the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingModelError("onnx is not installed; `pip install onnx` gets it.") from error
    inputs, outputs = (list(each) for each in names)
    with whole_file(target) as part:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes become constants: they are
            warnings.filterwarnings("ignore", "Constant folding")
            torch.onnx.export(
                network.eval(),
                example,
                part,
                input_names=inputs,
                output_names=outputs,
                dynamic_axes={name: dict(axes) for name, axes in (any_size or {}).items()},
                opset_version=opset,
                dynamo=False,
            )
        model = onnx.load(part)
        if change:
            change(model)
        onnx.helper.set_model_props(model, {WEIGHTS_KEY: file_sha256(target.parent / WEIGHTS)})
        onnx.checker.check_model(model)
        part.write_bytes(model.SerializeToString())
    return target


def halve_weights(model: Any) -> None:
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
