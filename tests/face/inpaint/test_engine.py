"""Engines: they agree with each other, and the choice among them is a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.assets import file_sha256
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import PatchConfig
from vasa_core.face.inpaint.engine import ONNX_FILE, SOURCE_FILE, OnnxEngine, open_engine
from vasa_core.face.inpaint.network import PatchNetwork, load_network, save_network
from vasa_core.face.inpaint.torch_engine import TorchEngine
from vasa_core.weights import WEIGHTS

TINY = PatchConfig(patch=32, widths=(8, 16))


def inputs(patch: int, batch: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, patch, patch, 9), np.uint8), rng.integers(
        0, 256, (batch, patch, patch, 4), np.uint8
    )


@pytest.mark.parametrize(("network", "batch"), [("mouth", 1), ("eyes", 2)])
def test_bundled_export_gives_what_torch_gives(checkpoints: Path, network: str, batch: int) -> None:
    folder = checkpoints / network
    loaded = load_network(folder)
    driving, photo = inputs(loaded.config.patch, batch)
    exact = TorchEngine(loaded)
    exported = OnnxEngine(folder, file_sha256(folder / WEIGHTS))
    expected = exact(driving, exact.encode(photo))
    assert np.abs(expected).max() > 1
    assert np.abs(exported(driving, exported.encode(photo)) - expected).max() < 0.01  # grey levels


def test_export_is_of_the_weights_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from vasa_core.training.renderer.export import export_networks

    torch.manual_seed(0)
    save_network(tmp_path, PatchNetwork(TINY))
    export_networks(tmp_path)
    network, driving, photo = load_network(tmp_path), *inputs(32, 3)
    engine, exact = OnnxEngine(tmp_path, file_sha256(tmp_path / WEIGHTS)), TorchEngine(network)
    assert engine(driving, engine.encode(photo)) == pytest.approx(exact(driving, exact.encode(photo)), abs=1e-3)
    with pytest.raises(InputError, match="other weights"):
        OnnxEngine(tmp_path, "0")


def test_half_precision_gives_nearly_the_same() -> None:
    torch.manual_seed(0)
    network, (driving, photo) = PatchNetwork(TINY), inputs(32)
    results = []
    for precision in (torch.float32, torch.bfloat16):
        engine = TorchEngine(network, precision=precision)
        results.append(engine(driving, engine.encode(photo)))
    assert 0 < np.abs(results[0] - results[1]).max() < 3


@pytest.mark.parametrize("network", ["mouth", "eyes"])
def test_what_is_bundled_runs_in_onnxruntime_on_any_cpu(checkpoints: Path, network: str) -> None:
    folder = checkpoints / network
    assert open_engine(folder, load_network(folder).config.patch, "amx").name == "onnxruntime float32"


def test_without_an_export_torch_runs_the_network_by_the_cpu_s_kind_and_a_foreign_export_is_refused(
    checkpoints: Path, tmp_path: Path
) -> None:
    save_network(tmp_path, PatchNetwork(TINY))
    assert open_engine(tmp_path, 32, "other").name == "torch float32"
    assert open_engine(tmp_path, 32, "amx").name == "torch bfloat16"
    for name in (ONNX_FILE, SOURCE_FILE):
        shutil.copy(checkpoints / "eyes" / name, tmp_path)
    with pytest.raises(InputError, match="export-renderer"):
        open_engine(tmp_path, 32)
