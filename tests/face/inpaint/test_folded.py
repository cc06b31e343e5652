"""Folding of 2x2 blocks into channels, and the painter that takes and gives them so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.face.inpaint.channels import PatchConfig, fold, unfold
from vasa_core.face.inpaint.folded import FoldedNetwork
from vasa_core.face.inpaint.network import PatchNetwork


def test_a_block_becomes_the_channels_of_one_pixel() -> None:
    pixels = np.arange(32, dtype=np.uint8).reshape(1, 4, 4, 2)
    folded = fold(pixels)
    assert folded.shape == (1, 2, 2, 8)
    assert folded[0, 1, 0].tolist() == [*pixels[0, 2, 0], *pixels[0, 2, 1], *pixels[0, 3, 0], *pixels[0, 3, 1]]
    assert (unfold(folded) == pixels).all()


@pytest.mark.parametrize("last", [True, False])
def test_the_folded_painter_adds_what_the_painter_does(last: bool) -> None:
    torch.manual_seed(0)
    network = PatchNetwork(PatchConfig(16, (8, 16), hidden=(4, 8), last=last))
    with torch.no_grad():
        network.head.weight.mul_(20)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    rng = np.random.default_rng(0)
    driving = rng.integers(0, 256, (2, 16, 16, 9), np.uint8)
    source = network.source(torch.rand(2, 4, 16, 16) * 2 - 1)
    x = torch.from_numpy(driving).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        change, weight = network(x, source)
        added = FoldedNetwork(network)(torch.from_numpy(fold(driving)).float() / 127.5 - 1, source)
    expected = (127.5 * weight * change).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected).max() > 5
    assert np.abs(unfold(added.numpy()) - expected).max() < 1e-3
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
