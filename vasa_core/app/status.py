"""What a visitor reads while a generation goes on and after it: one line, and the newest frame as a picture."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import Any

import cv2

from vasa_core.app.job import DONE, MAKING, READING, WAITING, Moment
from vasa_core.io.video import Frame
from vasa_core.options import PHOTO

PREVIEW_PX = 384  # longer side
PREVIEW_QUALITY = 75  # JPEG
READY = "Add a portrait and a speech clip, or take examples; then press Generate. The result shown is an example."
STOPPED = "Stopped."


def sentence(text: str, kind: str = "said") -> str:
    """The status line with one sentence in it. kind: its class, "said" or "wrong"."""
    return f'<p class="{kind}">{escape(text)}</p>'


def video_told(result: Any) -> str:
    """The status line of a finished video."""
    size = f"{result.width} px" if result.width == result.height else f"{result.width}x{result.height} px"
    shows = ", the whole photo" if result.framing == PHOTO else ""
    words = f"Done: {result.seconds:.1f} s, {size}{shows}, seed {result.seed}; made in {result.wall_seconds:.0f} s."
    return sentence(words) + "".join(sentence(warning, "warning") for warning in result.warnings)


def status(moment: Moment, told: Callable[[Any], str] = video_told) -> str:
    """The status line of a job that goes on, or is done. told: that of its result."""
    if moment.stage == DONE:
        return told(moment.result)
    words = sentence(_words(moment))
    if moment.stage != MAKING:
        return f'{words}<progress aria-label="Progress"></progress>'
    return f'{words}<progress aria-label="Progress" value="{moment.done}" max="{moment.total}"></progress>'


def _words(moment: Moment) -> str:
    if moment.stage == WAITING:
        people = "1 video" if moment.ahead == 1 else f"{moment.ahead} videos"
        return f"Waiting: {people} before yours{_left(moment)}." if moment.ahead else "Waiting: yours is next."
    if moment.stage == READING:
        return f"{moment.words}: {moment.done} frames so far." if moment.done else moment.words
    if moment.stage == MAKING and not moment.done:
        return f"{moment.words}: {moment.total} frames to make."
    if moment.stage == MAKING:
        return f"Frame {moment.done} of {moment.total}{_left(moment)} left." if moment.seconds_left else _frames(moment)
    return "Writing the file."


def _frames(moment: Moment) -> str:
    return f"Frame {moment.done} of {moment.total}."


def _left(moment: Moment) -> str:
    """Rounded, so that the line is read out when there is something new: ", about 14 s"."""
    if moment.seconds_left is None:
        return ""
    seconds = moment.seconds_left
    return f", about {seconds / 60:.0f} min" if seconds > 90 else f", about {max(1, round(seconds))} s"


def preview(frame: Frame | None) -> str:
    """A frame as a small picture inside the page; nothing for none."""
    if frame is None:
        return ""
    scale = min(1.0, PREVIEW_PX / max(frame.shape[:2]))
    size = max(1, round(scale * frame.shape[1])), max(1, round(scale * frame.shape[0]))
    small = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY])[1].tobytes()
    return f'<img alt="The newest frame" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
