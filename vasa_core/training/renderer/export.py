"""Export of the renderer's networks to ONNX, so that onnxruntime can run them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vasa_core.face.inpaint.channels import BLOCK, CHANNELS, SOURCE_CHANNELS
from vasa_core.face.inpaint.engine import ONNX_FILE, SOURCE_FILE
from vasa_core.face.inpaint.folded import FoldedNetwork
from vasa_core.face.inpaint.network import PatchNetwork, load_network
from vasa_core.training.engine.onnx_file import halve_weights, write_onnx

OPSET = 17


class _Driving(nn.Module):
    """The part of a network that runs for every frame, with the photo's features as plain inputs."""

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = FoldedNetwork(network)

    def forward(self, driving: Tensor, *source: Tensor) -> Tensor:
        return self.network(driving, source)


def export_networks(folder: Path) -> list[Path]:
    """Write a renderer checkpoint as ONNX beside it, weights in float16: what runs once a portrait, what runs for every
    frame. Returns the files.

    Raises InputError if the folder holds no renderer network, MissingModelError if the package onnx is not installed.
    """
    network = load_network(folder)
    patch = network.config.patch
    photo = torch.zeros(2, SOURCE_CHANNELS, patch, patch)
    with torch.no_grad():
        source = network.source(photo)
    features = [f"source_{index}" for index in range(len(source))]
    driving = torch.zeros(2, patch // 2, patch // 2, BLOCK * CHANNELS)
    parts = (
        (SOURCE_FILE, network.source, (photo,), (["photo"], features)),
        (ONNX_FILE, _Driving(network), (driving, *source), (["driving", *features], ["added"])),
    )
    return [
        write_onnx(
            folder / name,
            part,
            example,
            names,
            OPSET,
            any_size={tensor: {0: "batch"} for each in names for tensor in each},
            change=halve_weights,
        )
        for name, part, example, names in parts
    ]
