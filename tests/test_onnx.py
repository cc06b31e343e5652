"""Which execution providers a device gets, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vasa_core.onnx as onnx
from vasa_core.errors import InputError, MissingModelError
from vasa_core.onnx import CPU, CUDA, open_session, providers


@pytest.mark.parametrize(
    ("device", "available", "expected"),
    [
        ("cpu", [CUDA, CPU], [CPU]),
        ("cuda", [CUDA, CPU], [(CUDA, {"device_id": 0}), CPU]),
        ("cuda:2", [CUDA, CPU], [(CUDA, {"device_id": 2}), CPU]),
        ("cuda", [CPU], [CPU]),
    ],
)
def test_a_gpu_is_taken_where_there_is_one(device: str, available: list[str], expected: list[Any]) -> None:
    assert providers(device, available) == expected


def test_a_session_of_a_file_and_of_its_bytes_are_the_same(checkpoint: Path) -> None:
    sessions = [open_session(checkpoint), open_session(checkpoint.read_bytes())]
    names = [{entry.name: entry.shape for entry in session.get_inputs()} for session in sessions]
    assert names[0] == names[1]
    assert len(names[0]) > 1
    assert np.array_equal(sessions[0].get_providers(), [CPU])


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9])
def test_a_cut_network_is_refused(checkpoint: Path, tmp_path: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    for model in (path, path.read_bytes(), tmp_path / "none.onnx"):
        with pytest.raises(InputError, match="is damaged or no ONNX network; expected a whole one.") as caught:
            open_session(model)
        assert len(str(caught.value)) < 300


def test_two_packages_over_one_another_are_named(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    monkeypatch.setattr(onnx, "version", lambda name: "1.0")
    with pytest.raises(MissingModelError, match="onnxruntime 1.0 and onnxruntime-gpu 1.0 are installed"):
        open_session(checkpoint, "cuda")


@pytest.fixture
def checkpoint() -> Path:
    from vasa_core.assets import CHECKPOINTS

    return CHECKPOINTS / "eyes" / "driving.onnx"
