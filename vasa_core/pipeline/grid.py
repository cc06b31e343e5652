"""Several videos as one: their frames in rows and columns, labels under each, marked as a whole as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import UInt8

from vasa_core.pipeline.prepared import Frame
from vasa_core.provenance.mark import mark

TILE = 320  # px, side of the square that a picture is fitted into
_MARGIN, _LINE = 8, 20  # px, about labels; of a label's height
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_PAPER, _INK = 24, (235, 235, 235)


@dataclass(frozen=True)
class Grid:
    """Where pictures lie. labels: lines of text under each, as many under all. columns: pictures in a row."""

    labels: Sequence[Sequence[str]]
    columns: int

    @property
    def band(self) -> int:
        """Height of the labels under a picture, px."""
        return (_MARGIN + _LINE * len(self.labels[0]) + 3) // 4 * 4

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the whole, px."""
        return len(self.labels) // self.columns * (TILE + self.band), self.columns * TILE

    def frame(self, frames: Sequence[UInt8[np.ndarray, "_ _ 3"]], number: int = 0) -> Frame:
        """One marked picture of all. frames: of any sizes, row by row. number: of it in its video."""
        whole = self._paper.copy()  # (height, width, 3)
        for place, frame in enumerate(frames):
            height, width = frame.shape[:2]
            scale = TILE / max(height, width)
            fitted = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(frame, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            top, left = self._corner(place)
            top, left = top + (TILE - fitted[1]) // 2, left + (TILE - fitted[0]) // 2
            whole[top : top + fitted[1], left : left + fitted[0]] = small
        return mark(whole, number)

    def _corner(self, place: int) -> tuple[int, int]:
        return place // self.columns * (TILE + self.band), place % self.columns * TILE

    @cached_property
    def _paper(self) -> UInt8[np.ndarray, "height width 3"]:
        """What lies under the pictures: the labels."""
        paper = np.full((*self.size, 3), _PAPER, np.uint8)
        for place, lines in enumerate(self.labels):
            top, left = self._corner(place)
            for number, line in enumerate(lines, 1):
                wide = cv2.getTextSize(line, _FONT, _FONT_SCALE, 1)[0][0]
                scale = _FONT_SCALE * min(1, (TILE - 2 * _MARGIN) / max(wide, 1))
                origin = (left + _MARGIN, top + TILE + number * _LINE)
                cv2.putText(paper, line, origin, _FONT, scale, _INK, 1, cv2.LINE_AA)
        return paper
