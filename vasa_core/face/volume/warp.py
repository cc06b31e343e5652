"""The learned part of the warps (w_em of MegaPortraits): offsets of canonical voxels from dynamics and identity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.blocks import AdaptiveResBlock3D, group_norm
from vasa_core.face.volume.config import VolumeConfig

START = 4  # side and depth of the first grid
HEAD_SCALE = 0.05  # of the last weights at the start: training begins at the rigid motion


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
        pairs = zip(widths[:-1], widths[1:], strict=True)
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
