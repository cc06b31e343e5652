"""The gaze and distance networks of other projects: their weights' names, known answers, signs, and face crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vasa_core.errors import InputError, MissingModelError
from vasa_core.preprocess.labellers import Labeller
from vasa_core.preprocess.labellers.crops import cut, face_box, imagenet_normalised
from vasa_core.preprocess.labellers.deep3d import STANDARD, Deep3DDistance, aligned_box
from vasa_core.preprocess.labellers.l2cs import L2CSGaze, expected_angle
from vasa_core.preprocess.labellers.resnet import ResNet50
from vasa_core.types import TrackedImage

State = dict[str, Tensor]
MakeState = Callable[[str], State]
GREY = np.full((224, 224, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def l2cs_file(tmp_path_factory: pytest.TempPathFactory, resnet50_state: MakeState) -> Iterator[Path]:
    """Weights that see 20 degrees of yaw (bin 50) and 12 of pitch (bin 48) in every picture."""
    state = resnet50_state("")
    for name, angle_bin in (("fc_yaw_gaze", 50), ("fc_pitch_gaze", 48)):
        state[f"{name}.weight"] = torch.zeros(90, 2048).half()
        state[f"{name}.bias"] = 200 * torch.eye(90)[angle_bin].half()
    state["fc_finetune.weight"], state["fc_finetune.bias"] = torch.zeros(3, 2051).half(), torch.zeros(3).half()
    path = tmp_path_factory.mktemp("l2cs") / "L2CSNet_gaze360.pkl"
    torch.save(state, path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def deep3d_file(tmp_path_factory: pytest.TempPathFactory, resnet50_state: MakeState) -> Iterator[Path]:
    """Weights that see every face at t = (3, 7, 0.5)."""
    state = resnet50_state("backbone.")
    biases = [torch.full((count,), 5.0) for count in (80, 64, 80, 3, 27)] + [
        torch.tensor([3.0, 7]),
        torch.tensor([0.5]),
    ]
    for index, bias in enumerate(biases):
        state[f"final_layers.{index}.weight"] = torch.zeros(len(bias), 2048, 1, 1).half()
        state[f"final_layers.{index}.bias"] = bias
    path = tmp_path_factory.mktemp("deep3d") / "epoch_20.pth"
    torch.save({"net_recon": state, "opt_00": {"state": {}, "param_groups": [{"lr": 1e-4}]}}, path)
    yield path
    path.unlink()


def standard_face(px_per_unit: float, x: float, y: float) -> np.ndarray:
    """Landmarks whose five points are the standard ones, seen from the front, their origin at (x, y) px."""
    landmarks = np.zeros((478, 3))
    points = STANDARD[:, :2] * [px_per_unit, -px_per_unit] + [x, y]
    for index, corners in enumerate(((33, 133), (362, 263), (4,), (61,), (291,))):
        spread = 20 * np.linspace(-1, 1, len(corners)) if len(corners) > 1 else np.zeros(1)
        for corner, offset in zip(corners, spread, strict=True):
            landmarks[corner, :2] = points[index] + [offset, 0]
    return landmarks


def test_resnet50_strides_in_the_3x3_and_shrinks_32_times() -> None:
    network = ResNet50().eval()
    strides = {name: part.stride for name, part in network.named_modules() if isinstance(part, nn.Conv2d)}
    assert [strides[f"layer2.0.{name}"] for name in ("conv1", "conv2", "downsample.0")] == [(1, 1), (2, 2), (2, 2)]
    shapes = []
    network.layer4.register_forward_hook(lambda _, __, found: shapes.append(tuple(found.shape)))
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 64, 96)).shape == (1, 2048)
    assert shapes == [(1, 2048, 2, 3)]


def test_resnet50_carries_its_input_through_the_shortcuts() -> None:
    network = ResNet50().eval()
    for name, weight in network.named_parameters():
        if "bn3" in name:
            weight.data.zero_()  # nothing but the shortcuts is left
        elif name.endswith("downsample.0.weight"):
            weight.data.fill_(1 / weight.shape[1])
        elif name == "conv1.weight":
            weight.data.zero_()
            weight.data[:, :, 3, 3] = 1 / 3
    with torch.no_grad():
        found = network.features(torch.full((1, 3, 64, 64), 0.5))
    assert found.numpy() == pytest.approx(np.full((1, 2048), 0.5), rel=1e-3)


@pytest.mark.parametrize(("angle_bin", "angle"), [(0, -180), (45, 0), (50, 20), (89, 176)])
def test_one_bin_alone_is_its_angle(angle_bin: int, angle: float) -> None:
    logits = torch.zeros(1, 90)
    logits[0, angle_bin] = 200
    assert expected_angle(logits).item() == pytest.approx(angle)


def test_two_equal_bins_are_the_angle_between() -> None:
    logits = torch.zeros(1, 90)
    logits[0, [45, 46]] = 200
    assert expected_angle(logits).item() == pytest.approx(2)


def test_l2cs_yaw_is_turned_to_the_viewer_s_right_and_pitch_stays(l2cs_file: Path, tracked: TrackedImage) -> None:
    labeller = L2CSGaze(l2cs_file)
    assert isinstance(labeller, Labeller)
    assert labeller.reads_pictures
    assert labeller.labels == ("yaw", "pitch")
    gaze = labeller([tracked.image], tracked.landmarks[None], (512, 512))
    assert gaze.dtype == np.float32
    assert gaze == pytest.approx(np.array([[-20.0, 12.0]]), abs=1e-3)


def test_deep3d_distance_is_ten_less_t_z(deep3d_file: Path) -> None:
    labeller = Deep3DDistance(deep3d_file)
    assert isinstance(labeller, Labeller)
    assert labeller.reads_pictures
    assert labeller.labels == ("distance",)
    face = standard_face(102, 112, 112)[None]
    assert labeller([GREY], face, (224, 224)) == pytest.approx(np.array([[9.5]]))
    half = standard_face(51, 60, 130)[None]  # the same face half as large: the network sees the same crop
    assert labeller([GREY], half, (224, 224)) == pytest.approx(np.array([[19.0]]))


def test_the_standard_face_is_aligned_as_it_is() -> None:
    assert aligned_box(standard_face(102, 112, 112)) == (0, 0, 224, 224)
    assert aligned_box(standard_face(204, 300, 260)) == (76, 36, 524, 484)


def test_a_real_face_is_aligned_to_its_middle(tracked: TrackedImage) -> None:
    left, top, right, bottom = aligned_box(tracked.landmarks)
    nose = (tracked.landmarks[4, :2] - [left, top]) / (right - left)
    assert right - left == bottom - top
    assert abs(nose[0] - 0.5) < 0.08
    assert abs(nose[1] - 0.52) < 0.08
    eyes = np.linalg.norm(tracked.landmarks[[33, 133], :2].mean(0) - tracked.landmarks[[362, 263], :2].mean(0))
    assert eyes / (right - left) == pytest.approx(102 * 0.621 / 224, rel=0.15)


@pytest.mark.parametrize(("labeller", "file"), [(L2CSGaze, "L2CSNet_gaze360.pkl"), (Deep3DDistance, "epoch_20.pth")])
def test_an_absent_file_is_named_with_its_source(tmp_path: Path, labeller: type, file: str) -> None:
    with pytest.raises(MissingModelError, match=f"mine.pth .* is missing: get {file} from https://github.com") as error:
        labeller(tmp_path / "mine.pth")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labeller", "weights", "missing"),
    [
        (L2CSGaze, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "bn1.weight"),
        (Deep3DDistance, {"backbone.conv1.weight": torch.zeros(64, 3, 7, 7)}, "backbone.bn1.weight"),
    ],
)
def test_another_network_s_file_is_refused_by_the_first_missing_weight(
    tmp_path: Path, labeller: type, weights: State, missing: str
) -> None:
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=f"other.safetensors has no weight '{missing}'"):
        labeller(tmp_path / "other.safetensors")


def test_face_box_and_cut() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 20:60] = [200, 100, 50]
    landmarks = np.zeros((478, 3))
    landmarks[:, :2] = [40, 20]
    landmarks[:2, :2] = [[20.0, 10.0], [60.0, 30.0]]
    assert face_box(landmarks) == (20, 10, 60, 30)
    assert (cut(image, (20, 10, 60, 30), 16) == [200, 100, 50]).all()
    assert (cut(image, (20, 10, 60, 30), 96) == [200, 100, 50]).all()
    image[:, :40], image[:, 40:] = 0, 255
    beyond = cut(image, (-80, -60, 160, 120), 48)  # its edges go on
    assert (beyond[:, :20] == 0).all()
    assert (beyond[:, 28:] == 255).all()


def test_imagenet_colours_are_normalised_in_rgb_order() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    assert imagenet_normalised(red).flatten().tolist() == pytest.approx([2.2489, -2.0357, -1.8044], abs=1e-4)
