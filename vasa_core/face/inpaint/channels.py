"""What a renderer network is given and how large it is: all that is known of it without torch."""

from __future__ import annotations

from dataclasses import dataclass

# Channels of the driving input, all in -1..1.
WARPED = slice(0, 3)  # the photo warped to the driving face
OPENING = slice(3, 4)  # the driving inner lips, or the opening between the lids
SHAPE = slice(4, 5)  # the driving outer lips, or the iris as far as the lids show it
PHOTO_OPENING = slice(5, 6)  # the photo's own openings, warped along: were those pixels teeth or skin?
# 6 to 8: distances to points that sit on the bone: where upper teeth, lower teeth and brow are.
CHANNELS = 9
SOURCE_CHANNELS = 4  # the photo's own patch, unwarped, and its opening


@dataclass(frozen=True)
class PatchConfig:
    """patch: side of the painted square, px. widths: channels at 1/2, 1/4, 1/8 ... of it; at least two."""

    patch: int = 128
    widths: tuple[int, ...] = (32, 64, 96, 128)
