"""The invisible pattern in generated frames: keyed cells, half a level strong where the picture is flat.

Spread spectrum (Cox et al., 1997). Each cell's brightness swings slowly, between one of two keyed signs and the other:
nothing stands still to be seen, and a lock-in at the swing's period hears it under the picture, which does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import cos, pi, sin
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float32, UInt8

_SEED = 20240416
_CELLS = 64  # along the frame's shorter side, whatever its size
_MOST = 512  # cells along the longer side
_PERIOD = 50  # frames of one swing
_FLAT = 0.39  # levels of 255, root mean square before rounding, where the picture is flat
_GAIN = 0.15  # more, for each level of the picture's own texture
_PEAK = 1.75  # levels, root mean square
_TEXTURE = 3  # half cells, side of the squares whose contrast counts

_DETAIL, _AROUND = 1.0, 1.0  # cells: what is smoother is the picture's; over what its strength is measured
_FAINT = 0.02  # levels squared: variance that rounding leaves
_CLIP = 2.0  # times the strength around: so much of one cell counts at most

Frame = UInt8[np.ndarray, "height width 3"]
Cells = Float32[np.ndarray, "rows columns"]


def add_pattern(frame: Frame, number: int) -> Frame:
    """A copy of an RGB frame with the pattern in it. number: of the frame in its video."""
    height, width = frame.shape[:2]
    angle = 2 * pi * (number % _PERIOD) / _PERIOD
    turned = np.float32(cos(angle)), np.float32(sin(angle))
    marked = np.empty_like(frame)
    rows = frame.reshape(height, 3 * width), marked.reshape(height, 3 * width)
    _add(*rows, _strength(frame), *_fields(height, width), *turned)
    return marked


def pattern_score(frames: Iterable[Frame], every: int) -> float:
    """How sure it is that RGB frames, `every` frames apart, carry the pattern, in standard deviations.

    Frames without it, whatever they show, exceed z with a probability of exp(-z^2 / 2): their score has the key's signs
    in it and nothing else that is random. Raises ValueError if there are no frames.
    """
    details = np.array([_detail(frame) for frame in frames])  # (n, rows, columns)
    if not len(details):
        raise ValueError("no frames; expected at least one")
    if len(details) * every >= _PERIOD / 2:
        details -= details.mean(0)  # what stands still is none of the pattern's
    turns = np.exp(2j * pi * (np.arange(len(details)) * every % _PERIOD) / _PERIOD)
    swung = np.tensordot(turns, details, 1)  # (rows, columns): cosine and sine of what swings
    energy = np.abs(swung) ** 2
    usual = cv2.GaussianBlur(energy, (0, 0), _AROUND) + len(details) * _FAINT
    weighted = swung * np.minimum(1, _CLIP * np.sqrt(usual / (energy + 1e-9))) / np.sqrt(usual)
    cosine, sine = _signs()[:, : energy.shape[0], : energy.shape[1]]
    heard = ((cosine - 1j * sine) * weighted).sum()
    return float(abs(heard) / max(1e-6, np.linalg.norm(weighted)))


def _detail(frame: Frame) -> Cells:
    """Mean brightness of every whole cell against its neighbours', levels."""
    cell = min(frame.shape[:2]) / _CELLS
    rows, columns = (min(_MOST, int(side / cell + 1e-6)) for side in frame.shape[:2])
    grey = cv2.cvtColor(frame[: round(rows * cell), : round(columns * cell)], cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    return means - cv2.GaussianBlur(means, (0, 0), _DETAIL)


@numba.njit(cache=True, nogil=True)
@no_type_check
def _add(frame, marked, strength, cosine, sine, cosine_share, sine_share):
    """Write the frame with strength * wave on it, in whole levels, to `marked`. Frames are (height, 3 * width)."""
    height, width = strength.shape
    levels, changes = np.empty(width, np.int16), np.empty(3 * width, np.int16)
    for y in range(height):
        for x in range(width):
            wave = cosine_share * cosine[y, x] + sine_share * sine[y, x]
            levels[x] = np.int16(np.rint(strength[y, x] * wave))
        for x in range(width):
            for channel in range(3):
                changes[3 * x + channel] = levels[x]
        for i in range(3 * width):
            changed = np.int16(frame[y, i]) + changes[i]
            marked[y, i] = np.uint8(min(max(changed, np.int16(0)), np.int16(255)))


def _strength(frame: Frame) -> Float32[np.ndarray, "height width"]:
    """Levels that the pattern may have: more where it hides in texture, but not beside a lone edge."""
    height, width = frame.shape[:2]
    shorter = min(height, width)
    step = max(1, shorter // (2 * _CELLS))  # by a whole number first, which is much faster
    rows, columns = height // step, width // step
    shrunk = cv2.resize(frame[: rows * step, : columns * step], (columns, rows), interpolation=cv2.INTER_AREA)
    size = (max(1, round(width * 2 * _CELLS / shorter)), max(1, round(height * 2 * _CELLS / shorter)))
    grey = cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    around = (_TEXTURE, _TEXTURE)
    variance = cv2.blur(small * small, around) - cv2.blur(small, around) ** 2
    least = cv2.erode(variance, np.ones(around, np.uint8))
    levels = np.minimum(_FLAT + _GAIN * np.sqrt(np.maximum(least, 0)), _PEAK)
    return cv2.resize(cv2.blur(levels, around), (width, height), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=1)
def _signs() -> Float32[np.ndarray, "2 rows columns"]:
    """The key: +1 or -1 for the cosine and the sine of each cell's swing."""
    return np.random.default_rng(_SEED).integers(0, 2, (2, _MOST, _MOST)).astype(np.float32) * 2 - 1


@lru_cache(maxsize=4)
def _fields(height: int, width: int) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Cosine and sine of the swing, smooth from cell to cell, of root mean square 1 each."""
    scale = _CELLS / min(height, width)
    to_cells = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    cosine, sine = (
        cv2.warpAffine(signs, to_cells, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        for signs in _signs()
    )
    return cosine / cosine.std(), sine / sine.std()
