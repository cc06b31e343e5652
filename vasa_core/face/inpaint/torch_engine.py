"""A renderer network in torch: on a GPU, on CPUs that are fast in bfloat16, and where nothing was exported."""

from __future__ import annotations

import torch
from torch import Tensor

from vasa_core.face.inpaint.channels import fold, unfold
from vasa_core.face.inpaint.engine import Change, Channels, frames_of
from vasa_core.face.inpaint.folded import FoldedNetwork
from vasa_core.face.inpaint.network import PatchNetwork, SourceFeatures


class TorchEngine:
    """The network in torch, on any device and in any precision."""

    def __init__(self, network: PatchNetwork, device: str = "cpu", precision: torch.dtype = torch.float32) -> None:
        self.name = f"torch {str(precision).removeprefix('torch.')}"
        self._device, self._precision = torch.device(device), precision
        placed = FoldedNetwork(network).eval().requires_grad_(False).to(self._device, precision)
        self._network = placed.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def encode(self, photo: Channels) -> SourceFeatures:
        """See Engine."""
        with torch.inference_mode():
            return self._network.network.source(self._tensor(photo).permute(0, 3, 1, 2))  # (b, 4, patch, patch)

    def __call__(self, driving: Channels, source: SourceFeatures) -> Change:
        """See Engine."""
        with torch.inference_mode():
            change = self._network(self._tensor(fold(driving)), _for_each(source, len(driving)))
            return unfold(change.contiguous().cpu().numpy())  # (b, patch, patch, 3)

    def _tensor(self, channels: Channels) -> Tensor:
        return (torch.from_numpy(channels).to(self._device).float() / 127.5 - 1).to(self._precision)


def _for_each(source: SourceFeatures, patches: int) -> SourceFeatures:
    """Features of a photo's patches, repeated for every frame of so many patches in all."""
    frames = frames_of(source, patches)
    return source if frames == 1 else tuple(features.repeat(frames, 1, 1, 1) for features in source)
