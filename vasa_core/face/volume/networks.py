"""VASA-1's face latent space (section 3.1): encoders of appearance, identity, head pose and dynamics, and a decoder.

The order of warps is MegaPortraits': the posed volume is turned back by the source's pose, moved by a learned warp to
the canonical expression and completed by G_3D; for a driving motion it is moved by the other warp, then posed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.errors import InputError
from vasa_core.face.volume.adapter import AdapterConfig, DynamicsAdapter
from vasa_core.face.volume.appearance import AppearanceEncoder
from vasa_core.face.volume.config import VolumeConfig
from vasa_core.face.volume.decoder import Decoder
from vasa_core.face.volume.dynamics import DynamicsEncoder
from vasa_core.face.volume.head_pose import HeadPoseEncoder
from vasa_core.face.volume.identity import IdentityEncoder
from vasa_core.face.volume.rigid import (
    identity_grid,
    sample,
    to_canonical,
    to_canonical_above_neck,
    to_posed,
    to_posed_above_neck,
)
from vasa_core.face.volume.volume_unet import VolumeUNet
from vasa_core.face.volume.warp import Unseen, learned_warp
from vasa_core.weights import config_from

ADAPTER = "adapter"  # where a checkpoint keeps it
UNSEEN_CONTRAST = 1.6


class MotionCode(NamedTuple):
    """z_pose and z_dyn: the pose as in `vasa_core.face.pose`, and the facial dynamics."""

    pose: Float[Tensor, "b 6"]
    dynamics: Float[Tensor, "b dynamics"]


class VolumeNetworks(nn.Module):
    """All networks of the latent space. Images are RGB in -1..1, square, `config.image` px a side.

    checkpointing: compute the large parts twice in training rather than keep what they computed (less memory).
    """

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.appearance = AppearanceEncoder(config)
        self.identity = IdentityEncoder(config)
        self.head_pose = HeadPoseEncoder(config)
        self.dynamics = DynamicsEncoder(config)
        self.to_canonical = learned_warp(config)
        self.from_canonical = learned_warp(config)
        self.unseen = Unseen(config) if config.paints_unseen else None
        self.volume_unet = VolumeUNet(config)
        self.decoder = Decoder(config)

    def appearance_volume(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c d h w"]:
        """The appearance volume in the image's own pose."""
        return self._run(self.appearance, image)

    def identity_code(self, image: Float[Tensor, "b 3 s s"], pose: Float[Tensor, "b 6"]) -> Float[Tensor, "b identity"]:
        """z_id, float32. pose: the image's own."""
        return self.identity(image, pose).float()

    def motion_code(self, image: Float[Tensor, "b 3 s s"]) -> MotionCode:
        """z_pose and z_dyn, float32."""
        pose = self.head_pose(image)
        return MotionCode(pose, self.dynamics(image, pose))

    def canonical(
        self,
        volume: Float[Tensor, "b c d h w"],
        identity: Float[Tensor, "b identity"],
        motion: MotionCode,
        offsets: Float[Tensor, "b 3 z y x"] | None = None,
    ) -> Float[Tensor, "b canonical d h w"]:
        """V_app: the posed volume of `appearance_volume` without the source's motion, once a portrait.

        Where networks paint what is unseen, one more channel says how much the photo shows the inside of the mouth.
        offsets: those of `to_canonical` where they are known already.

        The two warps are one sampling: a canonical voxel, moved by the learned offsets, then by the source's pose.
        """
        learned = self.to_canonical(motion.dynamics, identity) if offsets is None else offsets
        grid = self._voxels(volume)
        moved = grid + self.values_at(learned, grid)
        posed = to_posed_above_neck if self.config.body_stays else to_posed
        warped = self._fetched(volume, posed(moved, motion.pose, self.config.reach))
        canonical = self._run(self.volume_unet, warped)
        if self.unseen is None:
            return canonical
        inside = self._inside_mouth(self.unseen, motion, identity, moved)
        return torch.cat([canonical, inside[:, None]], 1)

    def render(
        self,
        canonical: Float[Tensor, "b c d h w"],
        identity: Float[Tensor, "b identity"],
        motion: MotionCode,
        offsets: Float[Tensor, "b 3 z y x"] | None = None,
    ) -> Float[Tensor, "b 4 s s"]:
        """The person in a motion: colour in -1..1 (3 channels) and alpha in 0..1 (1), float32.

        offsets: those of `from_canonical` where they are known already.

        The two warps are one sampling: a posed voxel, turned back by the pose, then moved by the learned offsets.
        """
        learned = self.from_canonical(motion.dynamics, identity) if offsets is None else offsets
        unposed = to_canonical_above_neck if self.config.body_stays else to_canonical
        turned = unposed(self._voxels(canonical), motion.pose, self.config.reach)
        posed = self._fetched(canonical, turned + self.values_at(learned, turned))
        if self.unseen is None:
            return self._run(self.decoder, posed, motion.dynamics)
        posed, shown = posed[:, :-1], posed[:, -1]  # (b, d, h, w)
        unseen = self._inside_mouth(self.unseen, motion, identity, turned)
        return self._run(self.decoder, posed, motion.dynamics, torch.stack([unseen.amax(1), shown.amax(1)], 1))

    def values_at(
        self, values: Float[Tensor, "b c z y x"], grid: Float[Tensor, "b d h w 3"]
    ) -> Float[Tensor, "b d h w c"]:
        """Learned offsets, or what else is on a warp's grid, at points of the canonical cube, refined from a coarse
        grid; nothing outside what the warps cover."""
        config = self.config
        where = (grid * config.reach - grid.new_tensor(config.warp_centre)) / config.warp_reach
        return sample(values, where).movedim(1, -1)

    def _inside_mouth(
        self,
        unseen: Unseen,
        motion: MotionCode,
        identity: Float[Tensor, "b identity"],
        points: Float[Tensor, "b d h w 3"],
    ) -> Float[Tensor, "b d h w"]:
        """How much points of the face in a motion, without its head pose, are inside its mouth: shares in 0..1."""
        shares = self.values_at(unseen(motion.dynamics, identity), points)[..., 0]
        return ((shares - 0.5) * UNSEEN_CONTRAST + 0.5).clamp(0, 1)  # a coarse grid knows no edges

    def _voxels(self, volume: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b d h w 3"]:
        """The middles of a volume's voxels, in units of half the cube's side in depth as well."""
        shape = self.config.depth, self.config.side, self.config.side
        return identity_grid(len(volume), shape, volume.device) * self._shallow(volume)

    def _fetched(
        self, volume: Float[Tensor, "b c z y x"], points: Float[Tensor, "b d h w 3"]
    ) -> Float[Tensor, "b c d h w"]:
        """A volume at points given as `_voxels` gives them; what lies before or behind it is as its outermost is."""
        x, y, z = (points / self._shallow(volume)).unbind(-1)
        last = 1 - 1 / self.config.depth
        return sample(volume, torch.stack([x, y, z.clamp(-last, last)], -1))

    def _shallow(self, volume: Tensor) -> Float[Tensor, " 3"]:
        return torch.tensor([1, 1, self.config.depth_reach / self.config.reach], device=volume.device)

    def _run(self, part: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(part, *inputs, use_reentrant=False)
        return part(*inputs)


def save_volume(folder: Path, networks: VolumeNetworks, adapter: DynamicsAdapter | None = None) -> None:
    """Write a checkpoint folder of the networks, and of what drives them if there is one; see `vasa_core.checkpoint`.

    The adapter's config is the key "adapter", its tensors begin with "adapter.".
    """
    config, tensors = asdict(networks.config), dict(networks.state_dict())
    if adapter is not None:
        config[ADAPTER] = asdict(adapter.config)
        tensors |= {f"{ADAPTER}.{name}": value for name, value in adapter.state_dict().items()}
    save_checkpoint(folder, config, tensors)


def load_volume(folder: Path) -> VolumeNetworks:
    """Networks of a checkpoint folder, in eval mode. Raises InputError if it is damaged or of another architecture."""
    return load_volume_model(folder)[0]


def load_volume_model(folder: Path) -> tuple[VolumeNetworks, DynamicsAdapter | None]:
    """The same, and the adapter if one was saved with them."""
    stored = load_checkpoint(folder)
    sizes = stored.config.pop(ADAPTER, None)
    config = config_from(VolumeConfig, stored.config)
    with torch.device("meta"):
        networks = VolumeNetworks(config)
        adapter = DynamicsAdapter(config_from(AdapterConfig, sizes)) if sizes else None
    own = {name.removeprefix(f"{ADAPTER}."): v for name, v in stored.tensors.items() if name.startswith(f"{ADAPTER}.")}
    try:
        networks.load_state_dict({n: v for n, v in stored.tensors.items() if n.split(".")[0] != ADAPTER}, assign=True)
        if adapter:
            adapter.load_state_dict(own, assign=True)
    except RuntimeError as error:
        raise InputError(f"{folder} does not fit its own config ({error}); expected a volume checkpoint.") from error
    return networks.eval(), adapter.eval() if adapter else None
