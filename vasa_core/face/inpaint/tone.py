"""What is painted takes over the photo's manner: grey stays grey, sepia sepia, and film grain goes on."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT

ONE_TONE = 6.0  # grey levels: so far the colours of a picture in one tone may lie from its tone (95th percentile)
TILE = 32  # px, side of the piece of skin that grain is taken from
FINE = 1.2  # px: what is finer is grain
LEAST_GRAIN = 1.3  # grey levels, standard deviation: less is not seen
CHEEKS = (50, 280)  # landmarks in the middle of the cheeks

Image = UInt8[np.ndarray, "height width 3"]
Tone = UInt8[np.ndarray, "256 3"]
Grain = Float32[np.ndarray, "side side 1"]


def one_tone(picture: Image) -> Tone | None:
    """The colour of each brightness of a picture that is in one tone, as grey and sepia ones are; else None."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8).ravel()
    pixels = picture.reshape(-1, 3).astype(np.float64)
    count = np.bincount(grey, minlength=256)
    sums = np.stack([np.bincount(grey, pixels[:, channel], 256) for channel in range(3)], 1)  # (256, 3)
    levels = np.arange(256)
    known = count > 0
    means = sums[known] / count[known, None]
    offset = np.stack([np.interp(levels, levels[known], means[:, c] - levels[known]) for c in range(3)], 1)
    offset = cv2.GaussianBlur(offset, (1, 31), 5, borderType=cv2.BORDER_REPLICATE)
    tone = levels[:, None] + offset
    if np.percentile(np.abs(pixels - tone[grey]).max(1), 95) > ONE_TONE:
        return None
    return np.rint(tone).clip(0, 255).astype(np.uint8)


def grain_of(photo: Image, landmarks: Float[np.ndarray, "478 3"]) -> Grain | None:
    """The grain of a photo's skin, grey levels, as a tile that can be repeated; None where there is hardly any.

    Taken from the cheek that is the smoother: what differs there from one pixel to the next is no feature of the face.
    """
    across = float(np.linalg.norm(landmarks[CHEEK_LEFT, :2] - landmarks[CHEEK_RIGHT, :2]))
    half = min(TILE, int(across / 8)) // 2
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), FINE)
    tiles = []
    for x, y in np.rint(landmarks[list(CHEEKS), :2]).astype(int):
        tile = fine[max(0, y - half) : y + half, max(0, x - half) : x + half]
        if half and tile.shape == (2 * half, 2 * half):
            tiles.append(tile)
    if not tiles:
        return None
    tile = min(tiles, key=lambda tile: float(tile.std()))
    if tile.std() < LEAST_GRAIN:
        return None
    around = np.concatenate([tile, tile[::-1]])
    return np.concatenate([around, around[:, ::-1]], 1)[..., None]
