"""The learned part of the warps (w_em of MegaPortraits): offsets of canonical voxels from dynamics and identity.

Of two kinds. MegaPortraits' generator makes each grid of offsets by convolutions from the codes. Fields are this
project's own: whole grids of offsets that are learned once and blended by the codes, as a mesh's blend shapes are. They
take hundreds of steps to learn where the generator takes many thousands, and next to no time to compute.
"""

from __future__ import annotations

import itertools
from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import AdaptiveResBlock3D, group_norm
from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.rigid import identity_grid

START = 4  # side and depth of the first grid
HEAD_SCALE = 0.05  # of the last weights at the start: training begins at the rigid motion
FIELD_SCALE = 0.25  # of a field against its weights, which sets how fast it is learned
HIDDEN = 256  # units of what is not linear in how fields are blended
MOUTH_CENTRE, MOUTH_REACH = (0.0, 0.6, 0.0), (0.35, 0.22, 0.4)  # face widths: a box that holds all open mouths
UNSEEN_GAIN, UNSEEN_START = 30.0, -4.0  # of the logits: a field is about as large as a warp's offsets; little is unseen


class WarpGenerator(nn.Module):
    """Codes -> 4 x 4 x 4 features -> adaptive 3D blocks, doubled where the grid is coarser than wanted -> offsets.

    z_dyn is brought to the identity code's width and added to it, as MegaPortraits adds z and e.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        widths = config.warp_widths
        self.shape = (config.warp_depth, config.warp_side, config.warp_side)
        self.dynamics = nn.Linear(config.dynamics, config.identity)
        self.place = nn.Linear(config.identity, widths[0] * START**2)
        self.fold = nn.Conv2d(widths[0], widths[0] * START, 1)
        pairs = itertools.pairwise(widths)
        self.blocks = nn.ModuleList([AdaptiveResBlock3D(a, b, config.groups, config.identity) for a, b in pairs])
        self.norm = group_norm(widths[-1], config.groups)
        self.head = nn.Conv3d(widths[-1], 3, 3, 1, 1)
        with torch.no_grad():
            self.head.weight.mul_(HEAD_SCALE)
            nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(
        self, dynamics: Float[Tensor, "b dynamics"], identity: Float[Tensor, "b identity"]
    ) -> Float[Tensor, "b 3 d h w"]:
        """Offsets (x, y, z) in -1..1, in units of half the cube's side, on the warp's own grid."""
        code = self.dynamics(dynamics) + identity
        y = self.fold(self.place(code).unflatten(1, (-1, START, START)))  # (b, width * 4, 4, 4)
        y = y.unflatten(1, (-1, START)).contiguous(memory_format=torch.channels_last_3d)  # (b, width, 4, 4, 4)
        size = (START, START, START)
        for block in self.blocks:
            depth, height, width = (2 * n if n < most else n for n, most in zip(size, self.shape, strict=True))
            size = (depth, height, width)
            y = block(y, code, size)
        return torch.tanh(self.head(F.relu(self.norm(y))).float())


class Fields(nn.Module):
    """Fields over the warp's grid, blended: linear in z_dyn and z_id but for what a small network adds. All of them are
    nothing at the start."""

    def __init__(self, config: VolumeConfig, channels: int) -> None:
        super().__init__()
        self.shape = (channels, config.warp_depth, config.warp_side, config.warp_side)
        self.linear = nn.Linear(config.dynamics + config.identity, config.warp_fields, bias=False)
        self.hidden = nn.Linear(config.dynamics + config.identity, HIDDEN)
        self.bend = nn.Linear(HIDDEN, config.warp_fields)
        self.fields = nn.Linear(config.warp_fields, prod(self.shape), bias=False)
        nn.init.zeros_(self.fields.weight)

    def forward(
        self, dynamics: Float[Tensor, "b dynamics"], identity: Float[Tensor, "b identity"]
    ) -> Float[Tensor, "b c d h w"]:
        """Values on the warp's own grid; of a warp offsets (x, y, z) in units of half the cube's side."""
        codes = torch.cat([dynamics, identity], 1)
        shares = self.linear(codes) + self.bend(F.silu(self.hidden(codes)))
        return FIELD_SCALE * self.fields(shares).float().unflatten(1, self.shape)


class Unseen(nn.Module):
    """Where a face that moves shows what its photo need not have: the inside of the mouth. This project's own.

    Warps alone stretch closed lips over it.
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.fields = Fields(config, 1)
        self.config = config

    def forward(
        self, dynamics: Float[Tensor, "b dynamics"], identity: Float[Tensor, "b identity"]
    ) -> Float[Tensor, "b 1 d h w"]:
        """Shares in 0..1 on the warp's own grid, in the moved face; next to nothing at the start."""
        shares = torch.sigmoid(UNSEEN_GAIN * self.fields(dynamics, identity) + UNSEEN_START)
        return shares * _mouth_box(self.config, shares.device)


def _mouth_box(config: VolumeConfig, device: torch.device) -> Float[Tensor, "1 d h w"]:
    """1 at points of the warp's grid where a mouth can be, 0 elsewhere: few landmarks there would tell fields so."""
    shape = config.warp_depth, config.warp_side, config.warp_side
    grid = identity_grid(1, shape, device)
    points = config.warp_reach * grid + grid.new_tensor(config.warp_centre)
    away = (points - grid.new_tensor(MOUTH_CENTRE)).abs() / grid.new_tensor(MOUTH_REACH)
    return (away < 1).all(-1).float()


def learned_warp(config: VolumeConfig) -> WarpGenerator | Fields:
    """A learned warp of the kind that the config asks for."""
    return Fields(config, 3) if config.warp_fields else WarpGenerator(config)
