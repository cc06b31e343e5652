"""Where texture that goes on behind a person can be copied from: shifts under which the outline's surroundings recur.

Statistics of shifts instead of single patches (He and Sun 2012): tiles, bricks and stripes recur under few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32

CELL = 0.22  # of the face's height: side of the parts of the outline that choose shifts of their own
COARSE = 60  # px of a face's height in the pictures in which shifts are sought
REACH = 0.9  # of the face's height: the longest shift along each axis
BAND = 0.12  # of the face's height: so far outside the outline the picture has to agree
FADE = 0.08  # of the face's height: over which it counts less
ALONG = 0.13  # of the face's height: the same along the outline
LOCAL = 0.06  # of the face's height: window in which the strength of texture is measured
GRAIN = 27.0  # variance, all channels, of what is no texture
LEAST_BAND, LEAST_COPIED = 0.5, 0.35  # share of the surroundings and of the place to fill that must be covered
PER_CELL = 5  # shifts
MOST = 14  # shifts that a place may choose from, with those of the neighbouring parts of the outline
NEIGHBOURS = 4  # parts of the outline

Colours = Float32[np.ndarray, "height width 3"]
Where = Bool[np.ndarray, "height width"]
Map = Float32[np.ndarray, "height width"]


@dataclass(frozen=True)
class Ground:
    """A picture with a hole. hole: what is not known. target: part of it to fill. source: what may be copied."""

    pixels: Colours
    hole: Where
    target: Where
    source: Where


@dataclass(frozen=True)
class Shifts:
    """offsets: y, x in px, from a place to what is copied to it. choices: numbers of offsets, the best first, -1 for
    none, of each part of the outline. cells: the nearest part of the outline, for each pixel."""

    offsets: Int32[np.ndarray, "shifts 2"]
    choices: Int32[np.ndarray, "cells most"]
    cells: Int32[np.ndarray, "height width"]


def find_shifts(ground: Ground, face_height: float) -> Shifts | None:
    """Shifts for each part of the hole's outline; None if there is no outline, or nothing that could be copied."""
    cells, centres = _cells(ground.hole, CELL * face_height)
    if not len(centres):
        return None
    search = _Search(ground, cells, face_height)
    found = [search.best(index, centre) for index, centre in enumerate(centres)]
    if not any(found):
        return None
    offsets = np.array(list(dict.fromkeys(shift for shifts in found for shift in shifts)), np.int32)
    number = {tuple(shift): index for index, shift in enumerate(offsets.tolist())}
    choices = np.full((len(centres), MOST), -1, np.int32)
    for row, centre in zip(choices, centres, strict=True):
        near = np.argsort(((centres - centre) ** 2).sum(1), kind="stable")[: NEIGHBOURS + 1]
        others = [found[cell][rank] for rank in range(PER_CELL) for cell in near[1:] if rank < len(found[cell])]
        chosen = list(dict.fromkeys(found[near[0]] + others))[:MOST]
        row[: len(chosen)] = [number[shift] for shift in chosen]
    return Shifts(offsets, choices, cells)


def _cells(hole: Where, side: float) -> tuple[Int32[np.ndarray, "height width"], Float32[np.ndarray, "cells 2"]]:
    """The nearest part of the hole's outline for each pixel, and the parts' centres (y, x)."""
    kernel = np.ones((3, 3), np.uint8)
    outline = hole & (cv2.erode(hole.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) == 0)
    points = np.argwhere(outline)
    if not len(points):
        return np.zeros(hole.shape, np.int32), np.zeros((0, 2), np.float32)
    _, parts = np.unique((points // side).astype(int), axis=0, return_inverse=True)
    parts = parts.reshape(-1)
    centres = [points[parts == part].mean(0) for part in range(parts.max() + 1)]
    return run_on(outline, parts.astype(np.int32)), np.array(centres, np.float32)


def run_on(where: Where, values: Int32[np.ndarray, " known"]) -> Int32[np.ndarray, "height width"]:
    """A map of the value of the nearest pixel `where` values are, which are in the order of rows."""
    apart = (~where).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(apart, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.asarray(labels, np.int32)
    table = np.zeros(int(nearest.max()) + 1, np.int32)
    table[nearest[where]] = values
    return table[nearest]


class _Search:
    """Compares the surroundings of an outline with the same picture shifted, under all shifts at once."""

    def __init__(self, ground: Ground, cells: Int32[np.ndarray, "height width"], face_height: float) -> None:
        self.step = max(1, round(face_height / COARSE))
        self.unit = face_height / self.step  # px of the small pictures
        size = tuple(max(1, n // self.step) for n in ground.hole.shape)
        self.known, self.target = (_shrunk(part, size) for part in (ground.source, ground.target))
        self.known = (self.known > 0.99).astype(np.float32)
        pixels = _shrunk(ground.pixels, size)
        mean = (pixels * self.known[..., None]).sum((0, 1)) / max(float(self.known.sum()), 1)
        self.pixels = pixels - mean
        self.squares = (self.pixels**2).sum(-1)
        self.variance = self._variance()
        apart = _shrunk(cv2.distanceTransform((~ground.hole).astype(np.uint8), cv2.DIST_L2, 5), size)
        beside = (_shrunk(~ground.hole, size) > 0.99) & (apart < BAND * self.unit)
        self.band = beside * np.exp(-apart / (FADE * self.unit)).astype(np.float32)
        self.cells = cv2.resize(cells, size[::-1], interpolation=cv2.INTER_NEAREST)
        self.reach = min(round(REACH * self.unit), *size)
        self.padded = tuple(cv2.getOptimalDFTSize(n + self.reach) for n in size)
        self.shift = np.r_[0 : self.reach + 1, -self.reach : 0]
        self.seen = [self._transform(self.known * part) for part in (1, self.squares, self.variance)]
        self.seen_pixels = [self._transform(self.known * self.pixels[..., channel]) for channel in range(3)]
        self.rows, self.columns = np.mgrid[: size[0], : size[1]].astype(np.float32)

    def best(self, cell: int, centre: Float32[np.ndarray, " 2"]) -> list[tuple[int, int]]:
        """The best shifts (y, x) px for a part of the outline, each different from the others; best first."""
        row, column = centre / self.step
        distance = (self.rows - row) ** 2 + (self.columns - column) ** 2
        weight = self.band * np.exp(-distance / (2 * (ALONG * self.unit) ** 2))
        wanted = self.target * (self.cells == cell)
        total, area = float(weight.sum()), float(wanted.sum())
        if total < 1 or area == 0:
            return []
        at, squares = self._transform(weight).conj(), self._transform(weight * self.squares).conj()
        difference = squares * self.seen[0] + at * self.seen[1]
        for channel, seen in enumerate(self.seen_pixels):
            difference -= 2 * self._transform(weight * self.pixels[..., channel]).conj() * seen
        spectra = (difference, at * self.seen[0], at * self.seen[2], self._transform(wanted).conj() * self.seen[0])
        apart, covered, there, copied = (self._back(spectrum) for spectrum in spectra)
        own = float((weight * self.variance).sum()) / total
        norm = np.maximum(covered, 1e-3)
        strength = np.sqrt(np.maximum(there / norm, 0) * own)  # of both textures: neither flat nor wild is alike
        score = (np.maximum(apart / norm, 0) + GRAIN) / (2 * strength + GRAIN)
        share = copied / area
        usable = (covered > LEAST_BAND * total) & (share > LEAST_COPIED)
        return self._minima(np.where(usable, score / np.clip(share + 0.2, 0.2, 1), np.inf))

    def _minima(self, score: Float32[np.ndarray, "shifts shifts"]) -> list[tuple[int, int]]:
        chosen = []
        for _ in range(PER_CELL):
            lowest = int(np.argmin(score))
            if not np.isfinite(score.flat[lowest]):
                break
            row, column = self.shift[lowest // len(self.shift)], self.shift[lowest % len(self.shift)]
            chosen.append((int(row) * self.step, int(column) * self.step))
            near = np.ix_(np.abs(self.shift - row) <= 2, np.abs(self.shift - column) <= 2)
            score[near] = np.inf
        return chosen

    def _variance(self) -> Map:
        """Of the known pixels, all channels, in a window."""
        sigma = LOCAL * self.unit
        amount = np.maximum(cv2.GaussianBlur(self.known, (0, 0), sigma), 1e-3)
        mean = cv2.GaussianBlur(self.pixels * self.known[..., None], (0, 0), sigma) / amount[..., None]
        square = cv2.GaussianBlur(self.squares * self.known, (0, 0), sigma) / amount
        return np.maximum(square - (mean**2).sum(-1), 0)

    def _transform(self, values: Map) -> np.ndarray:
        return np.asarray(np.fft.rfft2(values.astype(np.float32), self.padded))

    def _back(self, spectrum: np.ndarray) -> Float32[np.ndarray, "shifts shifts"]:
        """Sums over the picture for each shift, in the order of `shift`."""
        return np.asarray(np.fft.irfft2(spectrum, self.padded))[np.ix_(self.shift, self.shift)]


def _shrunk(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(values.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
