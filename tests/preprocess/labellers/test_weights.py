"""Weights are read as bare tensors, and only the network's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vasa_core.errors import InputError
from vasa_core.preprocess.labellers.weights import Source, load_weights

SOURCE = Source("published.pth", "a network's weights", "https://example.org", inside="net", prefix="module.")
STATE = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


class Harmful:
    """Its pickle writes a file when it is run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.target)!r}, 'w')",)


@pytest.mark.parametrize(
    "content",
    [STATE, {"net": STATE, "optimiser": {"step": 1}}, {f"module.{name}": value for name, value in STATE.items()}],
)
def test_a_state_dict_is_found_where_it_is(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "mine.pth")
    network = nn.Linear(2, 1)
    load_weights(network, tmp_path / "mine.pth", SOURCE)
    assert network(torch.tensor([[10.0, 100.0]])).item() == 213


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "mine.safetensors")
    network = nn.Linear(2, 1)
    load_weights(network, tmp_path / "mine.safetensors", SOURCE)
    assert network(torch.tensor([[10.0, 100.0]])).item() == 213


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "has no weight 'bias'; expected the weights of published.pth"),
        ({"weight": torch.zeros(1, 3)}, r"weight has shape \(1, 3\); expected \(1, 2\)"),
        ({"gain": torch.zeros(1)}, "has a weight 'gain'; expected only those of published.pth"),
    ],
)
def test_another_network_is_refused_by_name(tmp_path: Path, change: dict[str, Tensor | None], message: str) -> None:
    state = {name: value for name, value in (STATE | change).items() if value is not None}
    torch.save(state, tmp_path / "other.pth")
    network = nn.Linear(2, 1)
    before = network.weight.clone()
    with pytest.raises(InputError, match=message):
        load_weights(network, tmp_path / "other.pth", SOURCE)
    assert torch.equal(network.weight, before)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"weight": STATE["weight"], "bias": Harmful(tmp_path / "ran")}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match="bad.pth cannot be read as bare tensors"):
        load_weights(nn.Linear(2, 1), tmp_path / "bad.pth", SOURCE)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["noise.pth", "noise.pkl", "noise.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", bytes(range(256))])
def test_noise_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} cannot be read as bare tensors"):
        load_weights(nn.Linear(2, 1), tmp_path / name, SOURCE)


@pytest.mark.parametrize("content", [[1, 2], {"net": 3}, {"net": {"weight": "text"}}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match="is no state dict; expected 'net' with tensors"):
        load_weights(nn.Linear(2, 1), tmp_path / "other.pth", SOURCE)


def test_weights_without_names_are_refused(tmp_path: Path) -> None:
    torch.save({"net": {0: torch.ones(1, 2), 1: torch.ones(1)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="has weights without names; expected the weights of"):
        load_weights(nn.Linear(2, 1), tmp_path / "other.pth", SOURCE)
