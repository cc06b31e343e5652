"""Sheets of pictures to look at: what was photographed beside what the face model warped and painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.face.measure import face_width
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, EYES, LIPS_OUTER

CELL = 256  # px of a whole frame
MOUTH_CELL, MOUTH_WIDTH = 168, 0.66  # px; face widths shown
WIDE_CELL, WIDE_WIDTH, WIDE_IN_A_ROW = 288, 0.5, 3  # px; face widths shown; driving frames in a row
EYES_CELL, EYES_WIDTH = (252, 96), 0.84  # width and height in px; face widths shown
TITLE = 18  # px
GAP = 8  # px between one driving frame and the next

Image = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True)
class Shot:
    """One driving frame. truth: as filmed. warp, render: as made. landmarks: px of the truth."""

    truth: Image
    warp: Image
    render: Image
    landmarks: Float[np.ndarray, "478 3"]

    @property
    def pictures(self) -> tuple[Image, Image, Image]:
        """In the sheets' order."""
        return self.truth, self.warp, self.render


def frames_row(portrait: Image, shots: Sequence[Shot]) -> Image:
    """The portrait, then driving, warp and render of each shot, CELL px each."""
    groups = [[portrait], *(shot.pictures for shot in shots)]
    return _row([[cv2.resize(p, (CELL, CELL), interpolation=cv2.INTER_AREA) for p in group] for group in groups])


def mouths_row(shots: Sequence[Shot]) -> Image:
    """Truth, warp and render of each shot's mouth, enlarged."""
    return _row([_zoomed(shot, LIPS_OUTER, MOUTH_WIDTH, (MOUTH_CELL, MOUTH_CELL)) for shot in shots])


def wide_mouths_sheet(mouths: Sequence[tuple[str, Image]]) -> Image:
    """Titled `wide_mouth` pictures, WIDE_IN_A_ROW a row."""
    rows, titles = [], []
    for first in range(0, len(mouths), WIDE_IN_A_ROW):
        some = mouths[first : first + WIDE_IN_A_ROW]
        rows.append(_row([[picture] for _, picture in some]))
        titles.append(" | ".join(title for title, _ in some))
    return sheet(rows, titles)


def wide_mouth(shot: Shot) -> Image:
    """Truth, warp and render of a mouth beside each other, so large that single teeth can be seen."""
    return np.concatenate(_zoomed(shot, LIPS_OUTER, WIDE_WIDTH, (WIDE_CELL, WIDE_CELL)), 1)


def eyes_row(shots: Sequence[Shot]) -> Image:
    """Truth, warp and render of each shot's eyes, enlarged."""
    corners = [corner for eye in EYES for corner in eye.corners]
    return _row([_zoomed(shot, corners, EYES_WIDTH, EYES_CELL) for shot in shots])


def sheet(rows: Sequence[Image], titles: Sequence[str]) -> Image:
    """Rows under each other, each under its title; narrower ones end in white."""
    width = max(row.shape[1] for row in rows)
    parts = []
    for row, title in zip(rows, titles, strict=True):
        head = np.full((TITLE, width, 3), 255, np.uint8)
        cv2.putText(head, title, (2, TITLE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        filled = np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        parts += [head, filled]
    return np.concatenate(parts)


def upright(
    picture: Image,
    landmarks: Float[np.ndarray, "478 3"],
    points: Sequence[int],
    width: float,
    cell: tuple[int, int],
    flags: int = cv2.INTER_CUBIC,
) -> Image:
    """Cut a picture about some points, the face upright. width: face widths shown. cell: width, height in px."""
    across = landmarks[CHEEK_RIGHT, :2] - landmarks[CHEEK_LEFT, :2]
    scale = cell[0] / (width * float(face_width(landmarks)))
    cosine, sine = scale * across / max(float(np.linalg.norm(across)), 1e-6)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = (np.array(cell) - 1) / 2 - turn @ landmarks[list(points), :2].mean(0)
    return cv2.warpAffine(picture, np.column_stack([turn, shift]), cell, flags=flags)


def _zoomed(shot: Shot, points: Sequence[int], width: float, cell: tuple[int, int]) -> list[Image]:
    return [upright(picture, shot.landmarks, points, width, cell) for picture in shot.pictures]


def _row(groups: Sequence[Sequence[Image]]) -> Image:
    """Groups of equally high pictures side by side, with a gap between groups."""
    gap = np.full((groups[0][0].shape[0], GAP, 3), 255, np.uint8)
    parts: list[Image] = []
    for group in groups:
        parts += [*group, gap]
    return np.concatenate(parts[:-1], 1)
