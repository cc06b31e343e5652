"""Multiply-adds and parameters of the volume networks, part by part, counted without computing (on the meta device)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.networks import VolumeNetworks


class PartCost(NamedTuple):
    """A part of the networks: its parameters, and its multiply-adds for one image."""

    name: str
    parameters: int
    multiply_adds: int


def describe(config: VolumeConfig) -> list[PartCost]:
    """Rows of a table: each part, then their total, for one source image encoded, one driving image and one picture.

    Convolutions and linear layers are counted. Each part works once; a source's own motion code costs as the driver's.
    """
    with torch.device("meta"):
        networks = VolumeNetworks(config).eval()
        image = torch.empty(1, 3, config.image, config.image)
    counts = dict.fromkeys((name for name, _ in networks.named_children()), 0)
    handles = [
        layer.register_forward_hook(_counter(counts, name))
        for name, part in networks.named_children()
        for layer in part.modules()
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)
    ]
    with torch.no_grad():
        motion = networks.motion_code(image)
        identity = networks.identity_code(image, motion.pose)
        volume = networks.canonical(networks.appearance_volume(image), identity, motion)
        networks.render(volume, identity, motion)
    for handle in handles:
        handle.remove()
    rows = [
        PartCost(name, sum(p.numel() for p in part.parameters()), counts[name])
        for name, part in networks.named_children()
    ]
    return [*rows, PartCost("total", sum(r.parameters for r in rows), sum(r.multiply_adds for r in rows))]


def _counter(counts: dict[str, int], name: str):  # noqa: ANN202
    def hook(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        counts[name] += weight[0].numel() * output.numel()

    return hook
