"""Sizes of the face latent space's networks (VASA-1 section 3.1), which follow MegaPortraits (arXiv 2207.07621).

VASA-1 states no sizes but "about 200 M" parameters in all, and refers to MegaPortraits, whose published layers give
paper-512: a 96 x 16 x 64 x 64 volume, an identity encoder of ResNet-50's size, two motion encoders of ResNet-18's, two
warp generators 512-256-128-64-32, a 3D U-Net 96-192-384-768 and a 2D network of eight blocks of 512 channels. z_dyn has
128 numbers (EMOPortraits, arXiv 2404.19110, which found 512 to leak identity). These come to 178.8 M; `macs.describe`
counts them part by part. The rest of "about 200 M" cannot be placed, since no part's size is published.
"""

from __future__ import annotations

from dataclasses import dataclass

from vasa_core.config import InputError


@dataclass(frozen=True)
class VolumeConfig:
    """Widths are channels, depths residual blocks a stage. Encoders of codes are ResNets of four stages.

    image: side in px. channels, depth, side: the volume's C, D, and H = W. reach: half the side of the canonical cube,
    in face widths. pooled: side to which the ResNets' last features are averaged before the code is read from them.
    appearance_widths: stem, then one a block, each followed by halving until the volume's side is reached.
    unet_stride: the 3D U-Net works on the volume reduced by it. decoder_widths: at the volume's side, then at each
    doubling; decoder_styled, decoder_unfolds: see `decoder`. groups: of GroupNorm, at most. warp_centre, warp_reach:
    middle and half the side of the cube that the learned warps cover, in face widths from the canonical origin; outside
    it they move nothing.
    """

    image: int
    channels: int
    depth: int
    side: int
    appearance_stride: int
    appearance_widths: tuple[int, ...]
    appearance_blocks: int
    identity: int
    identity_widths: tuple[int, ...]
    identity_depths: tuple[int, ...]
    identity_bottleneck: bool
    pose_widths: tuple[int, ...]
    pose_depths: tuple[int, ...]
    dynamics: int
    dynamics_widths: tuple[int, ...]
    dynamics_depths: tuple[int, ...]
    pooled: int
    dropout: float
    warp_widths: tuple[int, ...]
    warp_depth: int
    warp_side: int
    unet_widths: tuple[int, ...]
    unet_stride: int
    decoder_widths: tuple[int, ...]
    decoder_blocks: int
    decoder_styled: bool
    decoder_unfolds: bool
    groups: int
    reach: float = 1.5
    warp_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    warp_reach: float = 1.5

    def __post_init__(self) -> None:
        """Raises InputError if the sides do not fit together, or if a depth of 2 would come about (see volume_unet)."""
        drawn = self.side * 2 ** (len(self.decoder_widths) - 1)
        if drawn != self.image:
            raise InputError(f"decoder_widths draws {drawn} px; expected image, {self.image} px.")
        most = self.appearance_stride * 2 ** (len(self.appearance_widths) - 1)
        if self.image % self.appearance_stride or self.image > self.side * most:
            raise InputError(f"appearance_widths reduces {self.image} px by {most}; expected to side {self.side}.")
        for name, depth in (("depth", self.depth // self.unet_stride), ("warp_depth", self.warp_depth)):
            if depth < 4 or depth & (depth - 1):
                raise InputError(f"{name} makes grids {depth} deep; expected a power of two, at least 4.")


def _paper(image: int, side: int) -> VolumeConfig:
    return VolumeConfig(
        image=image,
        channels=96,
        depth=16,
        side=side,
        appearance_stride=1,
        appearance_widths=(64, 128, 256, 512),
        appearance_blocks=6,
        identity=512,
        identity_widths=(64, 128, 256, 512),
        identity_depths=(3, 4, 6, 3),
        identity_bottleneck=True,
        pose_widths=(64, 128, 256, 512),
        pose_depths=(2, 2, 2, 2),
        dynamics=128,
        dynamics_widths=(64, 128, 256, 512),
        dynamics_depths=(2, 2, 2, 2),
        pooled=1,
        dropout=0.1,
        warp_widths=(512, 256, 128, 64, 32),
        warp_depth=16,
        warp_side=side,
        unet_widths=(96, 192, 384, 768),
        unet_stride=1,
        decoder_widths=(512, 256, 128, 64),
        decoder_blocks=8,
        decoder_styled=False,
        decoder_unfolds=False,
        groups=32,
    )


# paper-256 has the same parameters as paper-512, tensor by tensor: training can go on from 256 to 512 px as in
# MegaPortraits. tiny-128 is for a CPU: its warps cover the face alone, its 3D U-Net works at half the side, and z_dyn
# reaches its decoder, which unfolds voxels into pixels as well.
PRESETS = {
    "paper-512": _paper(512, 64),
    "paper-256": _paper(256, 32),
    "tiny-128": VolumeConfig(
        image=128,
        channels=16,
        depth=8,
        side=32,
        appearance_stride=2,
        appearance_widths=(16, 32, 48),
        appearance_blocks=1,
        identity=128,
        identity_widths=(24, 48, 96, 192),
        identity_depths=(1, 1, 1, 1),
        identity_bottleneck=False,
        pose_widths=(16, 32, 64, 128),
        pose_depths=(1, 1, 1, 1),
        dynamics=128,
        dynamics_widths=(24, 48, 96, 192),
        dynamics_depths=(1, 1, 1, 1),
        pooled=4,
        dropout=0.0,
        warp_widths=(32, 32, 16),
        warp_depth=8,
        warp_side=16,
        unet_widths=(24, 64),
        unet_stride=2,
        decoder_widths=(64, 32, 16),
        decoder_blocks=1,
        decoder_styled=True,
        decoder_unfolds=True,
        groups=8,
        warp_centre=(0.0, 0.3, 0.0),
        warp_reach=0.75,
    ),
}


def preset(name: str) -> VolumeConfig:
    """The config of that name. Raises InputError if there is none."""
    if name not in PRESETS:
        raise InputError(f"{name!r} is no preset of the volume face model; expected {', '.join(PRESETS)}.")
    return PRESETS[name]
