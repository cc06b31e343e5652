"""Subtitles burnt into a video's frames: white letters with a dark edge, above the badge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from vasa_core.errors import InputError, shortened
from vasa_core.io.subtitles import Timed, cue_lines, cues
from vasa_core.pipeline.prepared import Picture
from vasa_core.pipeline.video import Stopped, Video
from vasa_core.rates import FPS
from vasa_core.types import Progress

_LETTERS, _EDGE, _BELOW = 0.05, 0.005, 0.08  # of the frame's height: size, dark edge, room for the badge
_WIDEST = 0.94  # of the frame's width
_SMALLEST = 4.0  # px, letters that nothing makes smaller
_PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "...", "\u2013": "-", "\u2014": "-"}
)


@dataclass(frozen=True)
class _Plate:
    """What is laid over the rows from `top` on. opacity: of the letters and their edge, in [0, 1]. ink: RGB."""

    top: int
    opacity: Float32[np.ndarray, "height width 1"]
    ink: UInt8[np.ndarray, "height width 3"]


def captioned(video: Video, words: Sequence[Timed]) -> Video:
    """The video with the words in its frames, as long as they are heard.

    Raises InputError for text that has letters which the font lacks: it has those of English.
    """
    shown = [(cue_lines(cue).translate(_PLAIN), cue[0].start, cue[-1].end) for cue in cues(words)]
    height, width = video.size
    plates = [(_plate(text, height, width), start, end) for text, start, end in shown]

    def make(cancelled: Stopped | None, progress: Progress | None) -> Iterator[Picture]:
        for number, frame in enumerate(video.make(cancelled, progress)):
            now = number / FPS
            yield next((_laid(frame, plate) for plate, start, end in plates if start <= now < end), frame)

    return replace(video, make=make)


def _laid(frame: Picture, plate: _Plate) -> Picture:
    """A copy of a frame with the plate on it."""
    laid = frame.copy()
    rows = laid[plate.top : plate.top + len(plate.ink)]  # (height, width, channels)
    rows[..., :3] = np.rint(rows[..., :3] * (1 - plate.opacity) + plate.ink * plate.opacity).astype(np.uint8)
    if frame.shape[2] == 4:
        rows[..., 3:] = np.maximum(rows[..., 3:], np.rint(255 * plate.opacity).astype(np.uint8))
    return laid


def _plate(text: str, height: int, width: int) -> _Plate:
    """The lines of a text, centred, at the bottom of a frame."""
    size, edge = _LETTERS * height, max(1, round(_EDGE * height))
    paper = ImageDraw.Draw(Image.new("L", (1, 1)))
    while True:
        font = _font(size)
        box = paper.multiline_textbbox((0, 0), text, font, align="center", stroke_width=edge)
        if box[2] - box[0] <= _WIDEST * width or size < _SMALLEST:
            break
        size *= 0.9
    _check_letters(text, font)
    tall = min(height, int(np.ceil(box[3] - box[1])) + 2)
    drawn = Image.new("LA", (width, tall), (0, 0))
    place = ((width - box[0] - box[2]) / 2, 1 - box[1])
    ImageDraw.Draw(drawn).multiline_text(
        place, text, (255, 255), font, align="center", stroke_width=edge, stroke_fill=(0, 255)
    )
    grey, opacity = (np.asarray(channel) for channel in drawn.split())  # (tall, width) each
    top = max(0, height - round(_BELOW * height) - tall)
    return _Plate(top, opacity[..., None].astype(np.float32) / 255, np.repeat(grey[..., None], 3, -1))


def _font(size: float) -> ImageFont.FreeTypeFont:
    """The font that comes with Pillow."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _check_letters(text: str, font: ImageFont.FreeTypeFont) -> None:
    """Raise InputError for a letter that the font draws as the box of letters it lacks."""
    missing = _drawn("\U0010ffff", font)
    for letter in sorted(set(text) - {"\n", " "}):
        if _drawn(letter, font) == missing:
            found = shortened(text.replace("\n", " "))
            raise InputError(f"the subtitle {found!r} has {letter!r}; expected letters of English.")


def _drawn(letter: str, font: ImageFont.FreeTypeFont) -> bytes:
    side = 2 * round(font.size)
    paper = Image.new("L", (side, side))
    ImageDraw.Draw(paper).text((0, 0), letter, 255, font)
    return paper.tobytes()
