"""Face chips by a similarity from landmarks, differentiable in the picture: what identity networks look at."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


class Alignment(nn.Module):
    """Cuts the square chip in which groups of landmarks lie nearest to given points."""

    points: Tensor
    grid: Tensor
    binomial: Tensor

    def __init__(
        self, groups: tuple[tuple[int, ...], ...], points: Float[Tensor, "n 2"], side: int, *, fit_in_chip: bool
    ) -> None:
        """groups: landmarks whose mean is one point each. points: where they are in the chip, px. side: of the chip.

        fit_in_chip: the squared distances that are least are those in the chip, not those in the picture: a face unlike
        the template gets a smaller or larger chip.
        """
        super().__init__()
        self.groups, self.side, self.fit_in_chip = groups, side, fit_in_chip
        axis = torch.arange(side, dtype=torch.float32)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        kernel = torch.tensor(_BINOMIAL)
        self.register_buffer("points", points, persistent=False)
        self.register_buffer("grid", torch.stack([x, y], -1).view(-1, 2), persistent=False)
        self.register_buffer("binomial", torch.outer(kernel, kernel).expand(3, 1, 5, 5), persistent=False)

    def similarity(self, landmarks: Float[Tensor, "b 478 2"]) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 2"]]:
        """Turn and shift of the least-squares similarity (Umeyama 1991): picture px = turn * chip px + shift.

        Both are complex numbers (real, imaginary).
        """
        found = torch.stack([landmarks[:, list(group)].mean(1) for group in self.groups], 1).float()
        centre, middle = found.mean(1), self.points.mean(0)
        x, y = (found - centre[:, None]).unbind(-1)
        u, v = (self.points - middle).unbind(-1)
        turn = torch.stack([(x * u + y * v).sum(1), (y * u - x * v).sum(1)], 1)  # sum of picture * conj(chip)
        if self.fit_in_chip:
            turn = turn * ((x**2 + y**2).sum(1) / (turn**2).sum(1))[:, None]
        else:
            turn = turn / (u**2 + v**2).sum()
        return turn, centre - _multiply(turn, middle)

    def forward(self, faces: Float[Tensor, "b 3 h w"], landmarks: Float[Tensor, "b 478 2"]) -> Float[Tensor, "b 3 s s"]:
        """Chips, 0..255, of faces in -1..1; black outside the picture. Landmarks (px) are given no gradient.

        Bilinear; a picture that is shrunk to half or less is first halved by a binomial filter, as dlib does.
        """
        with torch.autocast(faces.device.type, enabled=False):
            turn, shift = self.similarity(landmarks.detach())
            positions = _multiply(turn[:, None], self.grid) + shift[:, None]  # (b, s * s, 2)
            depths = [max(0, math.floor(math.log2(scale))) for scale in turn.norm(dim=1).tolist()]
            levels = [(faces.float() + 1) * 127.5]
            for _ in range(max(depths)):
                padded = F.pad(levels[-1], (2, 2, 2, 2), "replicate")
                levels.append(F.conv2d(padded, self.binomial, stride=2, groups=3))
            chips = []
            for index, depth in enumerate(depths):
                picture = levels[depth][index : index + 1]
                ends = positions.new_tensor([picture.shape[3] - 1, picture.shape[2] - 1])
                grid = (positions[index] / 2**depth / ends * 2 - 1).view(1, self.side, self.side, 2)
                chips.append(F.grid_sample(picture, grid, "bilinear", "zeros", align_corners=True))
            return torch.cat(chips)


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """Products of complex numbers."""
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    return torch.stack([real, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], -1)
