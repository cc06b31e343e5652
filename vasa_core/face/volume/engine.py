"""The volume networks made ready to run: fixed weights, in the number format that suits the machine."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.cpu import cpu_precision
from vasa_core.face.volume.blocks import StandardConv2d, StandardConv3d, standardised
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks

BATCHES = {"cuda": 8, "cpu": 1}  # frames in one pass

Render = Float[Tensor, "b 4 s s"]


def fixed(networks: VolumeNetworks) -> VolumeNetworks:
    """A copy for use alone: each weight-standardised convolution is a plain one with the weights that it comes to."""
    made = copy.deepcopy(networks).eval().requires_grad_(False)
    for part in list(made.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, StandardConv2d | StandardConv3d):
                setattr(part, name, _plain(layer))
    return made


class VolumeEngine:
    """Encodes portraits and draws frames on one device; may be called by several threads at once.

    precision: of convolutions and linear layers; norms, warps and sampling are float32. compiled: by torch.compile,
    which costs a minute at the first frame and again for each new size of a batch.
    """

    def __init__(
        self,
        networks: VolumeNetworks,
        device: str = "cpu",
        precision: torch.dtype | None = None,
        compiled: bool = False,
    ) -> None:
        """precision: None for float16 on a GPU and `cpu_precision` on the CPU."""
        self.config = networks.config
        self.device = torch.device(device)
        self.batch = BATCHES.get(self.device.type, 1)
        self._exact = fixed(networks).to(self.device)
        self.precision = precision or (getattr(torch, cpu_precision()) if self.device.type == "cpu" else torch.float16)
        self._networks = _halved(self._exact, self.precision)
        self._render = torch.compile(self._networks.render) if compiled else self._networks.render

    def encode(
        self, image: Float[Tensor, "1 3 s s"], pose: Float[Tensor, "1 6"]
    ) -> tuple[Float[Tensor, "1 c d h w"], Float[Tensor, "1 identity"], Float[Tensor, "1 dynamics"]]:
        """Canonical volume, z_id and z_dyn of a portrait with that head pose; once a portrait, in float32."""
        networks = self._exact
        with torch.inference_mode():
            image, pose = image.to(self.device), pose.to(self.device)
            identity, dynamics = networks.identity_code(image, pose), networks.dynamics(image, pose)
            volume = networks.appearance_volume(image)
            return networks.canonical(volume, identity, MotionCode(pose, dynamics)), identity, dynamics

    def render(
        self, canonical: Float[Tensor, "1 c d h w"], identity: Float[Tensor, "1 identity"], motion: MotionCode
    ) -> Render:
        """One portrait in as many motions as there are, in one pass."""
        count = len(motion.pose)
        with torch.inference_mode(), self._autocast(self.precision):
            motion = MotionCode(motion.pose.to(self.device), motion.dynamics.to(self.device))
            volume = canonical.expand(count, *canonical.shape[1:])
            return self._render(volume, identity.expand(count, -1), motion)

    def _autocast(self, precision: torch.dtype) -> torch.autocast:
        return torch.autocast(self.device.type, precision, enabled=precision != torch.float32)


def _plain(layer: StandardConv2d | StandardConv3d) -> nn.Conv2d | nn.Conv3d:
    kind = nn.Conv2d if isinstance(layer, StandardConv2d) else nn.Conv3d
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
    assert isinstance(padding, int)
    plain = kind(layer.in_channels, layer.out_channels, kernel, stride, padding)
    flat = isinstance(layer, StandardConv2d)
    plain.weight.data = standardised(layer.weight.data, layer.gain.data).contiguous(
        memory_format=torch.channels_last if flat else torch.channels_last_3d
    )
    assert plain.bias is not None
    assert layer.bias is not None
    plain.bias.data = layer.bias.data
    return plain.requires_grad_(False)


def _halved(networks: VolumeNetworks, precision: torch.dtype) -> VolumeNetworks:
    """A copy with the weights of convolutions and linear layers in that precision; the same one in float32."""
    if precision == torch.float32:
        return networks
    made = copy.deepcopy(networks)
    for part in made.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.Linear):
            part.to(precision)
    return made
