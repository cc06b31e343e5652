"""ONNX graphs as ArcFace models have them give in torch what onnxruntime gives, with gradients to the picture only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from vasa_core.data.descriptors import IdentityDescriptor, open_descriptor
from vasa_core.data.descriptors.arcface import LANDMARKS, TEMPLATE, ArcFaceNetwork
from vasa_core.data.descriptors.onnx_network import OnnxNetwork
from vasa_core.errors import InputError, MissingModelError

WIDTH, CODE = 6, 16


class Graph:
    """A small graph with random weights, written node by node."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, *shape: int, positive: bool = False) -> str:
        values = (self.random.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)
        return self.constant(np.abs(values) + 0.5 if positive else values)

    def constant(self, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [result], **attributes))
        return result

    def norm(self, x: str, width: int) -> str:
        several = (self.weight(width, positive=True), self.weight(width), self.weight(width))
        return self.node("BatchNormalization", x, *several, self.weight(width, positive=True), epsilon=1e-3)

    def block(self, x: str, entering: int, width: int, stride: int) -> str:
        """IResNet's: norm, convolution, PReLU, convolution, plus the way past."""
        y = self.norm(x, entering)
        y = self.node("Conv", y, self.weight(width, entering, 3, 3), self.weight(width), pads=[1, 1, 1, 1])
        y = self.node("PRelu", y, self.weight(width, 1, 1))
        weights = (self.weight(width, width, 3, 3), self.weight(width))
        y = self.node("Conv", y, *weights, pads=[1, 1, 1, 1], strides=[stride, stride], kernel_shape=[3, 3])
        past = self.node("Conv", x, self.weight(width, entering, 1, 1), strides=[stride, stride])
        return self.node("Add", y, past)

    def write(self, path: Path, output: str, batch: int | str = "batch", side: int = 112) -> Path:
        graph = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [output], ["embedding"])],
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, CODE])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return path


def iresnet(path: Path) -> Path:
    """As insightface exports its networks from torch."""
    g = Graph()
    x = g.node("Conv", "image", g.weight(WIDTH, 3, 3, 3), g.weight(WIDTH), pads=[1, 1, 1, 1], strides=[4, 4])
    x = g.node("PRelu", x, g.weight(WIDTH, 1, 1))
    x = g.block(x, WIDTH, 2 * WIDTH, 2)
    x = g.block(x, 2 * WIDTH, 2 * WIDTH, 2)
    x = g.node("Dropout", g.norm(x, 2 * WIDTH))
    x = g.node("Flatten", x, axis=1)
    x = g.node("Gemm", x, g.weight(CODE, 2 * WIDTH * 49), g.weight(CODE), transB=1, alpha=0.5, beta=2.0)
    return g.write(path, g.norm(x, CODE))


def from_mxnet(path: Path) -> Path:
    """With its normalisation inside, slopes reshaped in the graph, odd paddings and a reshape for one image."""
    g = Graph()
    x = g.node("Sub", "image", g.node("Constant", value=numpy_helper.from_array(np.array([127.5], np.float32))))
    x = g.node("Mul", x, g.constant(np.array(1 / 128, np.float32)))
    x = g.node("Div", x, g.constant(np.array([1.5], np.float32)))
    x = g.node("Conv", x, g.weight(WIDTH, 3, 3, 3), pads=[0, 1, 2, 0], strides=[4, 4])
    slope = g.node("Reshape", g.weight(WIDTH), g.constant(np.array([WIDTH, 1, 1], np.int64)))
    x = g.node("PRelu", x, slope)
    x = g.node("Conv", x, g.weight(WIDTH, WIDTH // 3, 3, 3), group=3, dilations=[2, 2], pads=[2, 2, 2, 2])
    x = g.node("PRelu", x, g.constant(np.full((1,), 0.3, np.float32)))
    x = g.node("Relu", g.node("Add", x, g.weight(1, WIDTH, 1, 1)))
    x = g.node("GlobalAveragePool", x)
    x = g.node("Reshape", x, g.node("Constant", value=numpy_helper.from_array(np.array([1, -1], np.int64))))
    return g.write(path, g.node("Gemm", x, g.weight(WIDTH, CODE)), batch=1)


def onnx_answer(path: Path, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.cat([torch.from_numpy(session.run(None, {"image": one.numpy()})[0]) for one in images.split(1)])


@pytest.mark.parametrize(("build", "size"), [(iresnet, 1.0), (from_mxnet, 255.0)])
def test_the_same_as_onnxruntime(tmp_path: Path, build: Callable[[Path], Path], size: float) -> None:
    path = build(tmp_path / "network.onnx")
    images = size * torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    found, wanted = OnnxNetwork(path)(images), onnx_answer(path, images)
    assert found.shape == (3, CODE)
    assert wanted.std() > 0.01
    assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("build", [iresnet, from_mxnet])
def test_chips_are_normalised_once(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path / "network.onnx")
    chips = 255 * torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    wanted = onnx_answer(path, chips if build is from_mxnet else (chips - 127.5) / 127.5)
    assert torch.allclose(ArcFaceNetwork(OnnxNetwork(path))(chips), wanted, atol=1e-4)


def test_the_descriptor_looks_where_the_template_says(tmp_path: Path) -> None:
    descriptor = open_descriptor("arcface", iresnet(tmp_path / "network.onnx"))
    assert isinstance(descriptor, IdentityDescriptor)
    landmarks = torch.zeros(2, 478, 2)
    for group, point in zip(LANDMARKS, TEMPLATE, strict=True):
        landmarks[:, list(group)] = torch.tensor(point) + torch.tensor([20.0, 30.0])
    faces = (torch.rand(2, 3, 160, 150) * 2 - 1).requires_grad_()
    found = descriptor(faces, landmarks)
    wanted = onnx_answer(tmp_path / "network.onnx", faces.detach()[:, :, 30:142, 20:132])
    assert torch.allclose(found, torch.nn.functional.normalize(wanted, dim=1), atol=1e-3)
    found[:, 0].sum().backward()
    assert faces.grad is not None
    assert (faces.grad[:, :, 30:142, 20:132].abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in descriptor.parameters())
    assert not any(buffer.requires_grad for buffer in descriptor.buffers())


def test_unknown_operators_and_settings_are_named(tmp_path: Path) -> None:
    g = Graph()
    g.node("Softmax", g.node("Sigmoid", "image"))
    with pytest.raises(InputError, match="odd.onnx has the operators Sigmoid, Softmax; expected only Conv, "):
        OnnxNetwork(g.write(tmp_path / "odd.onnx", "v1"))
    g = Graph()
    x = g.node("Conv", "image", g.weight(2, 3, 3, 3), auto_pad="SAME_UPPER")
    with pytest.raises(InputError, match="Conv with auto_pad=.*SAME_UPPER"):
        OnnxNetwork(g.write(tmp_path / "padded.onnx", x))


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(np.random.default_rng(0).bytes(1000))
    g = Graph()
    x = g.node("Flatten", g.node("GlobalAveragePool", "image"))
    small = g.write(tmp_path / "small.onnx", x, side=64)
    for path, words in ((noise, "noise.onnx"), (small, r"small.onnx takes \(0, 3, 64, 64\).*expected an ArcFace")):
        with pytest.raises(InputError, match=words):
            open_descriptor("arcface", path)


@pytest.mark.parametrize("given", [None, Path("nowhere/w600k_r50.onnx")])
def test_a_missing_file_is_said_in_one_line(given: Path | None) -> None:
    with pytest.raises(MissingModelError, match="w600k_r50.onnx is missing; .*insightface.*--identity-model") as error:
        open_descriptor("arcface", given)
    assert "\n" not in str(error.value)


def test_names(tmp_path: Path) -> None:
    assert open_descriptor("none") is None
    with pytest.raises(InputError, match="'facenet'; expected one of dlib, arcface, none"):
        open_descriptor("facenet")
    with pytest.raises(InputError, match="expected one with 'arcface' only"):
        open_descriptor("dlib", tmp_path / "other.onnx")
