"""What a renderer network is given and how large it is: all that is known of it without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from vasa_core.rates import exact_div

# Channels of the driving input, all in -1..1.
WARPED = slice(0, 3)  # the photo warped to the driving face
OPENING = slice(3, 4)  # the driving inner lips, or the opening between the lids
SHAPE = slice(4, 5)  # the driving outer lips, or the iris as far as the lids show it
PHOTO_OPENING = slice(5, 6)  # the photo's own openings, warped along: were those pixels teeth or skin?
# 6 to 8: distances to points that sit on the bone: where upper teeth, lower teeth and brow are.
CHANNELS = 9
BLOCK = 4  # pixels of a 2x2 block
COLOURS = 3
SOURCE_CHANNELS = 4  # the photo's own patch, unwarped, and its opening


@dataclass(frozen=True)
class PatchConfig:
    """patch: side of the painted square, px. widths: channels at 1/2, 1/4, 1/8 ... of it; at least two. hidden:
    channels between the two convolutions of each level's blocks, as many as its width if left out. last: whether there
    is a second block at 1/2."""

    patch: int = 128
    widths: tuple[int, ...] = (32, 64, 96, 128)
    hidden: tuple[int, ...] = ()
    last: bool = True


def fold(channels: UInt8[np.ndarray, "b patch patch c"]) -> UInt8[np.ndarray, "b _half _half _c"]:
    """2x2 blocks into channels: rows, columns, then the channels of a pixel."""
    batch, side, _, depth = channels.shape
    half = exact_div(side, 2)
    blocks = channels.reshape(batch, half, 2, half, 2 * depth).swapaxes(2, 3)  # (b, half, half, 2, 2c)
    return blocks.reshape(batch, half, half, BLOCK * depth)


def unfold(folded: Shaped[np.ndarray, "b half half c"]) -> Shaped[np.ndarray, "b _patch _patch _c"]:
    """The inverse of `fold`."""
    batch, half, _, depth = folded.shape
    rows = folded.reshape(batch, half, half, 2, exact_div(depth, 2)).swapaxes(2, 3)  # (b, half, 2, half, 2c)
    return rows.reshape(batch, 2 * half, 2 * half, exact_div(depth, BLOCK))
