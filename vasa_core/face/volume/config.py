"""Sizes of the face latent space's networks (VASA-1 section 3.1), which follow MegaPortraits (arXiv 2207.07621).

VASA-1 states no sizes but "about 200 M" parameters in all, and refers to MegaPortraits, whose published layers give
paper-512: a 96 x 16 x 64 x 64 volume, an identity encoder of ResNet-50's size, two motion encoders of ResNet-18's, two
warp generators 512-256-128-64-32, a 3D U-Net 96-192-384-768 and a 2D network of eight blocks of 512 channels. z_dyn has
128 numbers (EMOPortraits, arXiv 2404.19110, which found 512 to leak identity). These come to 178.8 M. The rest
of "about 200 M" cannot be placed, since no part's size is published.
"""

from __future__ import annotations

from dataclasses import dataclass

from vasa_core.errors import InputError


@dataclass(frozen=True)
class VolumeConfig:
    """Widths are channels, depths residual blocks a stage. Encoders of codes are ResNets of four stages.

    image: side in px. channels, depth, side: the volume's C, D, and H = W. reach: half the side of the canonical cube,
    in face widths; depth_reach: half its depth; body_stays: head pose moves the head alone. pooled: side to which the
    ResNets' last features are averaged before the code is read from them. upright_identity: see `identity`.
    appearance_widths: stem, then one a block,
    each followed by halving until the volume's side is reached; a coarser side is enlarged to it. carries_colours: the
    volume's first three channels are the picture's own colours, which the decoder composes pictures of. unet_stride:
    the 3D U-Net works on the volume reduced by it; unet_placed: it knows where in canonical space it is.
    warp_fields: see `warp`; of 0, the learned warps are MegaPortraits', of `warp_widths`.
    paints_unseen: fields tell the decoder where to paint rather than to take the volume's colours.
    decoder_widths: at the first side, then at each doubling up to the image's; decoder_styled: see `decoder`. groups:
    of GroupNorm, at most. warp_centre, warp_reach: middle and half the side of the cube that the learned warps cover,
    in face widths from the canonical origin; outside it they move nothing.
    """

    image: int
    channels: int
    depth: int
    side: int
    appearance_stride: int
    appearance_widths: tuple[int, ...]
    appearance_blocks: int
    carries_colours: bool
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
    unet_placed: bool
    decoder_widths: tuple[int, ...]
    decoder_blocks: int
    decoder_styled: bool
    groups: int
    warp_fields: int = 0
    paints_unseen: bool = False
    upright_identity: bool = False
    reach: float = 1.5
    depth_reach: float = 1.5
    body_stays: bool = False
    warp_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    warp_reach: float = 1.5

    def __post_init__(self) -> None:
        """Raises InputError if the sides do not fit together, or if a depth of 2 would come about (see volume_unet)."""
        drawn = self.side * 2 ** (len(self.decoder_widths) - 1)
        if drawn % self.image:
            raise InputError(f"decoder_widths draws {drawn} px; expected image, {self.image} px, or a multiple.")
        if self.carries_colours and self.side != self.image:
            raise InputError(f"side is {self.side}; expected image, {self.image}, of a volume that carries colours.")
        most = self.appearance_stride * 2 ** (len(self.appearance_widths) - 1)
        if self.image % self.appearance_stride or self.image > self.side * most:
            raise InputError(f"appearance_widths reduces {self.image} px by {most}; expected to side {self.side}.")
        if self.paints_unseen and not (self.carries_colours and self.warp_fields):
            raise InputError("paints_unseen is set; expected carries_colours and warp_fields with it.")
        for name, depth in (("depth", self.depth), ("warp_depth", self.warp_depth)):
            if depth < 4 or depth & (depth - 1):
                raise InputError(f"{name} makes grids {depth} deep; expected a power of two, at least 4.")

    @property
    def canonical_channels(self) -> int:
        """Channels of the canonical volume: one more tells where the photo shows the inside of the mouth."""
        return self.channels + self.paints_unseen


def _paper(image: int, side: int) -> VolumeConfig:
    return VolumeConfig(
        image=image,
        channels=96,
        depth=16,
        side=side,
        appearance_stride=1,
        appearance_widths=(64, 128, 256, 512),
        appearance_blocks=6,
        carries_colours=False,
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
        unet_placed=False,
        decoder_widths=(512, 256, 128, 64),
        decoder_blocks=8,
        decoder_styled=False,
        groups=32,
        upright_identity=True,
    )


# paper-256 has the same parameters as paper-512, tensor by tensor: training can go on from 256 to 512 px as in
# MegaPortraits. tiny-128 is for a CPU: a shallow volume with a voxel a pixel, of few channels, three of them the
# picture's own colours; what computes on it is coarser. Its warps are blends that cover the face alone, and z_dyn
# reaches its decoder.
PRESETS = {
    "paper-512": _paper(512, 64),
    "paper-256": _paper(256, 32),
    "tiny-128": VolumeConfig(
        image=128,
        channels=8,
        depth=4,
        side=128,
        appearance_stride=2,
        appearance_widths=(16, 24, 24),
        appearance_blocks=1,
        carries_colours=True,
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
        warp_widths=(),
        warp_depth=4,
        warp_side=32,
        unet_widths=(16, 32),
        unet_stride=4,
        unet_placed=True,
        decoder_widths=(48, 16),
        decoder_blocks=1,
        decoder_styled=True,
        groups=8,
        warp_fields=64,
        paints_unseen=True,
        depth_reach=0.5,
        body_stays=True,
        warp_centre=(0.0, 0.3, 0.0),
        warp_reach=0.75,
    ),
}


def preset(name: str) -> VolumeConfig:
    """The config of that name. Raises InputError if there is none."""
    if name not in PRESETS:
        raise InputError(f"{name!r} is no preset of the volume face model; expected {', '.join(PRESETS)}.")
    return PRESETS[name]
