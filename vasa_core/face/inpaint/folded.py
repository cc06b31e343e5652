"""The part of a painter that runs for every frame, without any shuffle of pixels in it.

Pictures come and go as they lie in memory, channels last, and their 2x2 blocks become channels by a copy of short runs
of bytes: the network's own folding, channel by channel, took an eighth of its time in onnxruntime.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.inpaint.channels import BLOCK, CHANNELS, COLOURS
from vasa_core.face.inpaint.network import BLEND_BIAS, PatchNetwork, SourceFeatures


class FoldedNetwork(nn.Module):
    """A painter with the weights of its first and last convolutions in the order of `fold` and `unfold`."""

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        stem, head = self.network.stem, self.network.head
        with torch.no_grad():
            taken = torch.arange(BLOCK * CHANNELS).view(CHANNELS, BLOCK).T.flatten()  # block, then channel
            stem.weight.copy_(stem.weight[:, taken].clone())
            rows = torch.arange(BLOCK * (COLOURS + 1)).view(COLOURS + 1, BLOCK)  # of the channel-wise unfolding
            given = torch.cat([rows[:COLOURS].T.flatten(), rows[COLOURS]])  # 12 colours, block by block, and 4 weights
            head.weight.copy_(head.weight[given].clone())
            if head.bias is not None:
                head.bias.copy_(head.bias[given].clone())

    def forward(
        self, driving: Float[Tensor, "b half half 36"], source: SourceFeatures
    ) -> Float[Tensor, "b half half 12"]:
        """Folded driving channels in -1..1 -> what to add to the warped photo, in grey levels, folded."""
        y = self.network.folded(driving.permute(0, 3, 1, 2), source).float()  # (b, 16, half, half)
        colours = BLOCK * COLOURS
        change = torch.tanh(y[:, :colours]).unflatten(1, (BLOCK, COLOURS))  # (b, 4, 3, half, half)
        weight = torch.sigmoid(y[:, colours:] + BLEND_BIAS)[:, :, None]  # (b, 4, 1, half, half)
        return (255 * weight * change).flatten(1, 2).permute(0, 2, 3, 1)
