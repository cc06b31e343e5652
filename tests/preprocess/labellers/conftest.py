"""Fixtures of the labeller tests: the tracked portrait, the mesh model, and weights as other projects name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.io.image import read_image
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.types import TrackedImage

State = dict[str, Tensor]


@pytest.fixture(scope="session")
def tracked(portrait: Path) -> TrackedImage:
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        return preprocess(read_image(portrait)).tracked


@pytest.fixture(scope="session")
def face() -> MeshFaceModel:
    return MeshFaceModel.load(CHECKPOINTS)


@pytest.fixture(scope="session")
def resnet50_state() -> Callable[[str], State]:
    """Random weights under torchvision's names of ResNet-50 without its classifier, half precision."""

    def make(prefix: str) -> State:
        generator = torch.Generator().manual_seed(0)
        state: State = {}

        def convolution(name: str, out: int, channels: int, side: int) -> None:
            weight = torch.randn(out, channels, side, side, generator=generator)
            state[f"{prefix}{name}.weight"] = (weight / (channels * side * side) ** 0.5).half()

        def norm(name: str, channels: int) -> None:
            for key, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
                state[f"{prefix}{name}.{key}"] = torch.full((channels,), float(value)).half()
            state[f"{prefix}{name}.num_batches_tracked"] = torch.tensor(7)

        convolution("conv1", 64, 3, 7)
        norm("bn1", 64)
        channels = 64
        for stage, width, blocks in ((1, 64, 3), (2, 128, 4), (3, 256, 6), (4, 512, 3)):
            for block in range(blocks):
                name = f"layer{stage}.{block}"
                for index, out, inside, side in (
                    (1, width, channels, 1),
                    (2, width, width, 3),
                    (3, 4 * width, width, 1),
                ):
                    convolution(f"{name}.conv{index}", out, inside, side)
                    norm(f"{name}.bn{index}", out)
                if block == 0:
                    convolution(f"{name}.downsample.0", 4 * width, channels, 1)
                    norm(f"{name}.downsample.1", 4 * width)
                channels = 4 * width
        return state

    return make
