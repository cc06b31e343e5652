"""HSEmotion's files: class order, softmax, colours and picture size, on small networks of their form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vasa_core.errors import InputError, MissingModelError
from vasa_core.preprocess.labellers import Labeller
from vasa_core.preprocess.labellers.emotions import HSEmotion
from vasa_core.types import TrackedImage

RED = np.full((80, 80, 3), [255, 0, 0], np.uint8)
NORMALISED = np.array([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225])
WHOLE = np.zeros((1, 478, 3)) + [40, 40, 0]
WHOLE[0, :2, :2] = [[0, 0], [80, 80]]


def save_network(path: Path, gain: np.ndarray, bias: np.ndarray, side: int | str) -> Path:
    """scores = sum of the picture's px @ gain + bias. gain: (3, scores)."""
    nodes = [
        helper.make_node("ReduceSum", ["input", "axes"], ["sums"], keepdims=0),
        helper.make_node("Gemm", ["sums", "gain", "bias"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3]), "axes"),
        numpy_helper.from_array(gain.astype(np.float32), "gain"),
        numpy_helper.from_array(bias.astype(np.float32), "bias"),
    ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch_size", 3, side, side])
    scores = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", len(bias)])
    graph = helper.make_graph(nodes, "emotion", [image], [scores], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum()


@pytest.mark.parametrize("after", [[], [60.0, -60.0]], ids=["classes", "with valence and arousal"])
def test_probabilities_are_the_softmax_in_alphabetical_order(
    tmp_path: Path, tracked: TrackedImage, after: list[float]
) -> None:
    bias = np.array([0.5, -1, 0.25, 0, 3, 1, -2, 0.75, *after])
    labeller = HSEmotion(save_network(tmp_path / "enet_b0_8_best_afew.onnx", np.zeros((3, len(bias))), bias, 224))
    assert isinstance(labeller, Labeller)
    assert labeller.reads_pictures
    names = "Anger, Contempt, Disgust, Fear, Happiness, Neutral, Sadness, Surprise"
    assert ", ".join(labeller.labels) == names.lower()
    found = labeller([tracked.image] * 2, np.stack([tracked.landmarks] * 2), (512, 512))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.stack([softmax(bias[:8])] * 2), abs=1e-6)
    assert labeller.labels[found[0].argmax()] == "happiness"


@pytest.mark.parametrize(
    ("name", "side", "used"),
    [
        ("enet_b0_8_best_vgaf", 224, 224),
        ("enet_b2_8", 260, 260),
        ("enet_b0_8_best_vgaf", "side", 224),
        ("enet_b2_8", "side", 260),
    ],
)
def test_pictures_are_rgb_normalised_and_of_the_network_s_size(
    tmp_path: Path, name: str, side: int | str, used: int
) -> None:
    gain = np.eye(3, 8) * 1e-5
    labeller = HSEmotion(save_network(tmp_path / f"{name}.onnx", gain, np.zeros(8), side))
    expected = softmax(used**2 * NORMALISED @ gain)
    assert labeller([RED], WHOLE, (80, 80))[0] == pytest.approx(expected, abs=1e-4)


def test_great_scores_do_not_overflow(tmp_path: Path) -> None:
    bias = np.array([0, 0, 0, 1000.0, 0, 0, 0, 0])
    labeller = HSEmotion(save_network(tmp_path / "enet.onnx", np.zeros((3, 8)), bias, 224))
    assert labeller([RED], WHOLE, (80, 80))[0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives 7 scores; expected the 8 or 10"):
        HSEmotion(save_network(tmp_path / "enet_b2_7.onnx", np.zeros((3, 7)), np.zeros(7), 224))
    grey = save_network(tmp_path / "grey.onnx", np.zeros((3, 8)), np.zeros(8), 224)
    network = onnx.load(str(grey))
    network.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(network, str(grey))
    for content in (b"", b"not a network", grey.read_bytes()):
        (tmp_path / "other.onnx").write_bytes(content)
        with pytest.raises(InputError, match="other.onnx is no ONNX network of face pictures"):
            HSEmotion(tmp_path / "other.onnx")


def test_an_absent_file_is_named_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="mine.onnx .* get enet_b0_8_best_afew.onnx from https://github.com"):
        HSEmotion(tmp_path / "mine.onnx")
