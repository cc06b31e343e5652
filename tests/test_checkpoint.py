"""Checkpoints: round trip, half precision, strict reading and no half-written folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from vasa_core.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from vasa_core.errors import InputError
from vasa_core.weights import config_from


@dataclass(frozen=True)
class Shape:
    width: int
    sizes: tuple[int, ...] = (1, 2)


def tensors() -> dict[str, torch.Tensor]:
    return {"weight": torch.linspace(-3, 3, 7).reshape(1, 7), "triangles": torch.tensor([[1, 2, 70000]])}


def test_round_trip_halves_floats_and_keeps_integers(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"width": 3}, tensors())
    loaded = load_checkpoint(tmp_path)
    assert loaded.config == {"width": 3}
    assert loaded.tensors["weight"].dtype == torch.float32
    assert torch.equal(loaded.tensors["weight"], tensors()["weight"].half().float())
    assert torch.equal(loaded.tensors["triangles"], tensors()["triangles"])
    assert load_tensors(tmp_path / "model.safetensors")[0]["weight"].dtype == torch.float16
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {}, tensors())
    save_tensors(tmp_path / "model.safetensors", {"weight": torch.zeros(2)})
    with pytest.raises(InputError, match="sha256"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save_checkpoint(tmp_path, {}, tensors())
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        load_checkpoint(tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(InputError, match="safetensors"):
        load_tensors(tmp_path / "x.safetensors")
    save_checkpoint(tmp_path, {}, tensors())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"[]", b"null", b"3", b'"x"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a": ' * 5_000])
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, content: bytes) -> None:
    save_checkpoint(tmp_path, {}, tensors())
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match="expected a JSON object.") as caught:
        load_checkpoint(tmp_path)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 200


def test_values_beyond_half_precision_are_refused_and_leave_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"width": 1}, tensors())
    with pytest.raises(ValueError, match="65504"):
        save_checkpoint(tmp_path, {"width": 2}, {"weight": torch.tensor([1e6])})
    assert load_checkpoint(tmp_path).config == {"width": 1}


def test_config_is_strict() -> None:
    values = json.loads('{"width": 4, "sizes": [3]}')
    assert config_from(Shape, values) == Shape(4, (3,))
    with pytest.raises(InputError, match="widht"):
        config_from(Shape, {"width": 4, "widht": 5})
    with pytest.raises(InputError, match="width"):
        config_from(Shape, {})


def test_tensor_file_keeps_precision_and_metadata(tmp_path: Path) -> None:
    value = torch.tensor([1.0 + 2**-20])
    save_tensors(tmp_path / "state.safetensors", {"v": value, "same": value}, {"step": "7"})
    found, metadata = load_tensors(tmp_path / "state.safetensors")
    assert torch.equal(found["v"], value)
    assert torch.equal(found["same"], value)
    assert metadata == {"step": "7"}
