"""The volume face model's per-frame part in onnxruntime draws what torch draws."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from vasa_core.assets import file_sha256
from vasa_core.face.volume.config import preset
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, load_volume, save_volume
from vasa_core.onnx import WEIGHTS_KEY
from vasa_core.weights import WEIGHTS

CONFIG = dataclasses.replace(preset("tiny-128"), image=64, side=64, warp_side=8, appearance_widths=(8, 8, 16))


@pytest.mark.parametrize("batch", [1, 2])
def test_onnxruntime_draws_what_torch_draws(tmp_path: Path, batch: int) -> None:
    pytest.importorskip("onnx")
    from vasa_core.training.volume.export import INPUTS, export_render

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_volume(tmp_path, VolumeNetworks(CONFIG))
        values = (
            torch.randn(batch, CONFIG.canonical_channels, CONFIG.depth, CONFIG.side, CONFIG.side),
            torch.randn(batch, CONFIG.identity),
            torch.randn(batch, 6) * 0.2 + torch.tensor([0.0, 0, 0, 0, 0, 1]),
            torch.randn(batch, CONFIG.dynamics),
        )
    session = onnxruntime.InferenceSession(export_render(tmp_path, batch), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map[WEIGHTS_KEY] == file_sha256(tmp_path / WEIGHTS)
    feed = {name: value.numpy() for name, value in zip(INPUTS, values, strict=True)}
    (found,) = session.run(None, feed)
    with torch.no_grad():
        expected = load_volume(tmp_path).render(values[0], values[1], MotionCode(*values[2:])).numpy()
    assert np.asarray(found).shape == expected.shape
    np.testing.assert_allclose(np.asarray(found), expected, atol=2e-3)
    feed["pose"] = feed["pose"] + np.float32(0.3)
    (turned,) = session.run(None, feed)
    assert np.abs(np.asarray(turned) - expected).mean() > 1e-3
