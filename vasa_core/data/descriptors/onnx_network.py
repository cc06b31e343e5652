"""An image network's ONNX graph run as torch operations, so that a gradient reaches its input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from google.protobuf.message import DecodeError
from jaxtyping import Float
from onnx import numpy_helper
from torch import Tensor, nn

from vasa_core.errors import InputError

Attributes = dict[str, Any]
Operator = Callable[[list[Tensor], Attributes], Tensor]
# Attributes that may have only one value here: (operator, attribute) -> the value
_FIXED = {
    ("Conv", "auto_pad"): b"NOTSET",
    ("BatchNormalization", "spatial"): 1,
    ("BatchNormalization", "training_mode"): 0,
    ("Reshape", "allowzero"): 0,
}


class OnnxNetwork(nn.Module):
    """The graph of one file, weights frozen; what depends on constants alone is computed once, at the start.

    input_shape: as the file declares it, 0 where it is free. output_dimensions: how many the output has.
    operators: of the whole graph, in order.
    """

    def __init__(self, file: Path) -> None:
        """Raises InputError if the file is no ONNX graph with one input and output, or has an operator unknown here."""
        super().__init__()
        graph = _read(file)
        values = {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in graph.initializer}
        inputs = [item for item in graph.input if item.name not in values]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise InputError(f"{file} has {len(inputs)} inputs and {len(graph.output)} outputs; expected one of each.")
        self.input, self.output = inputs[0].name, graph.output[0].name
        self.input_shape = tuple(size.dim_value for size in inputs[0].type.tensor_type.shape.dim)
        self.output_dimensions = len(graph.output[0].type.tensor_type.shape.dim)
        self.operators = [node.op_type for node in graph.node]

        self._steps: list[tuple[Operator, list[str], Attributes, str]] = []
        for node in graph.node:
            attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            names = [name for name in node.input if name]  # an optional input left out has no name
            operator, result = OPERATORS[node.op_type], node.output[0]
            if set(names) <= set(values):
                values[result] = operator([values[name] for name in names], attributes)
            else:
                self._steps.append((operator, names, attributes, result))
        last = {name: index for index, (_, names, _, _) in enumerate(self._steps) for name in names}
        self._done_with = [
            [n for n, at in last.items() if at == index and n != self.output] for index in range(len(self._steps))
        ]
        constants = {name: values[name] for name in last if name in values}
        self._whole_numbers = {name: value for name, value in constants.items() if not value.is_floating_point()}
        self._buffer_names: dict[str, str] = {}
        for name in constants.keys() - self._whole_numbers.keys():
            self._buffer_names[name] = f"constant_{len(self._buffer_names)}"
            layout = torch.channels_last if values[name].dim() == 4 else torch.contiguous_format  # a fifth faster
            buffer = values[name].float().contiguous(memory_format=layout)
            self.register_buffer(self._buffer_names[name], buffer, persistent=False)
        # A file for one image may say so in its reshapes; those take one image at a time.
        self._one_by_one = self.input_shape[:1] == (1,) and any(o is _reshape for o, _, _, _ in self._steps)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b *out"]:
        """The graph's output for its input."""
        return torch.cat([self._run(one) for one in x.split(1)]) if self._one_by_one else self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        values = {self.input: x, **self._whole_numbers}
        values |= {name: getattr(self, buffer) for name, buffer in self._buffer_names.items()}
        for (operator, names, attributes, result), done_with in zip(self._steps, self._done_with, strict=True):
            values[result] = operator([values[name] for name in names], attributes)
            for name in done_with:
                del values[name]
        return values[self.output]


def _read(file: Path) -> onnx.GraphProto:
    try:
        graph = onnx.load(str(file)).graph
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise InputError(f"{file} cannot be read ({str(error).splitlines()[0]}); expected an ONNX model.") from None
    if unknown := sorted({node.op_type for node in graph.node} - set(OPERATORS)):
        raise InputError(f"{file} has the operators {', '.join(unknown)}; expected only {', '.join(OPERATORS)}.")
    for node in graph.node:
        for item in node.attribute:
            value = onnx.helper.get_attribute_value(item)
            expected = _FIXED.get((node.op_type, item.name), value)
            if value != expected:
                raise InputError(f"{file} has {node.op_type} with {item.name}={value}; expected {expected}.")
    return graph


def _constant(_: list[Tensor], attributes: Attributes) -> Tensor:
    if len(attributes) != 1:
        raise InputError(f"An ONNX Constant has the attributes {', '.join(attributes)}; expected one.")
    value = next(iter(attributes.values()))
    if isinstance(value, onnx.TensorProto):
        return torch.from_numpy(numpy_helper.to_array(value).copy())
    return torch.tensor(value if isinstance(value, int | float) else list(value))


def _convolution(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    x, *weights = inputs
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    strides, dilations = tuple(attributes.get("strides", (1, 1))), tuple(attributes.get("dilations", (1, 1)))
    return F.conv2d(
        x, *weights, stride=strides, padding=(top, left), dilation=dilations, groups=attributes.get("group", 1)
    )


def _batch_norm(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    x, gain, offset, mean, variance = inputs
    return F.batch_norm(x, mean, variance, gain, offset, eps=attributes.get("epsilon", 1e-5))


def _prelu(inputs: list[Tensor], _: Attributes) -> Tensor:
    x, slope = inputs
    if slope.dim() == x.dim() - 1 and slope.numel() == slope.shape[0]:  # one per channel
        return F.prelu(x, slope.flatten())
    return x.clamp(min=0) + slope * x.clamp(max=0)


def _gemm(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    a, b, *c = inputs
    a, b = (a.T if attributes.get("transA", 0) else a), (b.T if attributes.get("transB", 0) else b)
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product + attributes.get("beta", 1.0) * c[0] if c else product


def _flatten(inputs: list[Tensor], attributes: Attributes) -> Tensor:
    axis = attributes.get("axis", 1) % (inputs[0].dim() + 1)
    return inputs[0].reshape(inputs[0].shape[:axis].numel(), -1)


def _reshape(inputs: list[Tensor], _: Attributes) -> Tensor:
    x, sizes = inputs
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(sizes.tolist())])


def _first(inputs: list[Tensor], _: Attributes) -> Tensor:
    return inputs[0]


OPERATORS: dict[str, Operator] = {
    "Conv": _convolution,
    "BatchNormalization": _batch_norm,
    "PRelu": _prelu,
    "Relu": lambda inputs, _: F.relu(inputs[0]),
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Mul": lambda inputs, _: inputs[0] * inputs[1],
    "Div": lambda inputs, _: inputs[0] / inputs[1],
    "GlobalAveragePool": lambda inputs, _: inputs[0].mean((2, 3), keepdim=True),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "Reshape": _reshape,
    "Identity": _first,
    "Dropout": _first,
    "Constant": _constant,
}
