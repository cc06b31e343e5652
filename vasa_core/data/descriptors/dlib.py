"""dlib's face recognition network (King 2017, CC0) in torch, its weights read from dlib's own file.

The architecture is that of dlib's example dnn_face_recognition_ex.cpp: a ResNet of 29 convolutions on a 150 px chip.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.data.descriptors.alignment import Alignment
from vasa_core.data.descriptors.descriptor import IdentityDescriptor
from vasa_core.data.descriptors.dlib_file import DlibFile

SIDE = 150  # px of the chip
MEANS = (122.782, 117.001, 104.298)  # RGB, 0..255
SCALE = 256.0
WIDTH = 128  # of the descriptor
# (width, blocks, whether the first block halves the size), from the image on: level4 .. level0 of the example
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))

# The outer and inner corners of the image-right and image-left eyes and the nose's base, and where dlib's mean face
# of five points has them (fractions of the chip without its padding).
LANDMARKS = (263, 362, 33, 133, 2)
MEAN_FACE = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
PADDING = 0.25


def dlib_alignment() -> Alignment:
    """dlib's chip: fitted in the picture, its pixels' centres at halves."""
    points = (torch.tensor(MEAN_FACE) + PADDING) / (1 + 2 * PADDING) * SIDE - 0.5
    return Alignment(tuple((landmark,) for landmark in LANDMARKS), points, SIDE, fit_in_chip=False)


def open_dlib(file: Path) -> IdentityDescriptor:
    """The descriptor from `dlib_face_recognition_resnet_model_v1.dat`; raises InputError if the file is another."""
    return IdentityDescriptor(dlib_alignment(), DlibNetwork(file))


class _Block(nn.Module):
    """Residual block; each affine layer is folded into the convolution before it."""

    def __init__(self, entering: int, width: int, down: bool) -> None:
        super().__init__()
        self.down = down
        self.first = nn.Conv2d(entering, width, 3, 2, 0) if down else nn.Conv2d(entering, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _h _w"]:
        y = self.second(F.relu(self.first(x)))
        if self.down:
            x = F.avg_pool2d(x, 2)
            # dlib adds tensors of unlike size as if zeros followed the smaller
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu(x + y)


class DlibNetwork(nn.Module):
    """Face chips to descriptors; frozen."""

    means: Tensor

    def __init__(self, file: Path) -> None:
        """Raises InputError if the file does not hold exactly this network."""
        super().__init__()
        self.register_buffer("means", torch.tensor(MEANS).view(3, 1, 1))
        self.stem = nn.Conv2d(3, LEVELS[0][0], 7, 2, 0)
        blocks, entering = [], LEVELS[0][0]
        for width, count, down in LEVELS:
            for index in range(count):
                blocks.append(_Block(entering, width, down and index == 0))
                entering = width
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Linear(entering, WIDTH, bias=False)
        _read(DlibFile(file), self, blocks)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, chips: Float[Tensor, "b 3 150 150"]) -> Float[Tensor, "b 128"]:
        """RGB chips, 0..255 -> descriptors as dlib gives them: about 1.4 long, one person's at most 0.6 apart."""
        x = (chips - self.means) / SCALE
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)  # (b, 32, 35, 35)
        x = self.blocks(x)  # sides 35, 17, 8, 4, 2
        return self.out(x.mean((2, 3)))


def _read(file: DlibFile, network: DlibNetwork, blocks: list[_Block]) -> None:
    """The file's values into the network and its blocks, layer after layer to the file's last byte."""
    down = sum(block.down for block in blocks)
    plain = len(blocks) - down
    # a plain block: 7 layers and 1 tag; one that halves: 8 layers and 3 tags; 6 more layers around them
    file.head(layers=7 * plain + 8 * down + 6, tags=plain + 3 * down, means=MEANS, side=SIDE)
    file.convolution(network.stem, first=True)
    file.relu()
    file.pooling("max_pool_2", 3, 2)
    for block in blocks:
        file.convolution(block.first)
        file.relu()
        file.convolution(block.second)
        if block.down:
            file.pooling("avg_pool_2", 2, 2)
        file.addition()
        file.relu()
    file.pooling("avg_pool_2", 0, 1)
    file.fully_connected(network.out)
    file.end()
