"""ArcFace (Deng et al. 2019) from the user's own ONNX file, such as insightface's w600k_r50.onnx; none is bundled."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.data.descriptors.alignment import Alignment
from vasa_core.data.descriptors.descriptor import IdentityDescriptor
from vasa_core.data.descriptors.onnx_network import OnnxNetwork
from vasa_core.errors import InputError, MissingModelError

SIDE = 112  # px of the chip
# insightface's template: image-left eye, image-right eye, tip of the nose, corners of the mouth; px of the chip
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
LANDMARKS = ((33, 133), (362, 263), (1,), (61,), (291,))  # an eye's centre is that of its corners
_CENTRE = 127.5
_FIRST_NODES = 8  # among which a network that normalises its own input does so


def open_arcface(file: Path | None) -> IdentityDescriptor:
    """The descriptor from an ONNX file; raises MissingModelError without one, InputError if it cannot be used."""
    if file is None or not file.is_file():
        raise MissingModelError(
            f"The ArcFace model {file or 'w600k_r50.onnx'} is missing; get buffalo_l from insightface's model zoo "
            "(https://github.com/deepinsight/insightface, non-commercial research only) and name its w600k_r50.onnx "
            "with --identity-model."
        )
    network = OnnxNetwork(file)
    if network.input_shape[1:] != (3, SIDE, SIDE) or network.output_dimensions != 2:
        raise InputError(
            f"{file} takes {network.input_shape} and gives {network.output_dimensions} dimensions; "
            f"expected an ArcFace network from (batch, 3, {SIDE}, {SIDE}) to (batch, width)."
        )
    alignment = Alignment(LANDMARKS, torch.tensor(TEMPLATE), SIDE, fit_in_chip=True)
    return IdentityDescriptor(alignment, ArcFaceNetwork(network))


class ArcFaceNetwork(nn.Module):
    """Face chips to descriptors; frozen."""

    def __init__(self, network: OnnxNetwork) -> None:
        super().__init__()
        self.network = network
        # As insightface's own reader has it: exports from MXNet carry their normalisation inside.
        first = network.operators[:_FIRST_NODES]
        self.normalises = "Sub" in first and "Mul" in first

    def forward(self, chips: Float[Tensor, "b 3 112 112"]) -> Float[Tensor, "b d"]:
        """RGB chips, 0..255 -> descriptors, not of unit length."""
        return self.network(chips if self.normalises else (chips - _CENTRE) / _CENTRE)
