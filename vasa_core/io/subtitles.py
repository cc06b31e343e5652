"""Subtitles: words and when they are heard, as WebVTT or SubRip."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol, runtime_checkable

from vasa_core.errors import InputError, shown

VTT, SRT = KINDS = ("vtt", "srt")
WIDEST, LONGEST = 80, 6.0  # characters and seconds of what is shown at once
GAP = 0.6  # s of silence that ends a subtitle
_WIDEST_LINE = 42  # characters


@runtime_checkable
class Timed(Protocol):
    """A word. start, end: seconds."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


def subtitles(words: Sequence[Timed], kind: str) -> str:
    """The text of a subtitle file. kind: one of KINDS. Raises InputError for another."""
    if kind not in KINDS:
        raise InputError(f"subtitles is {shown(kind)}; expected {VTT} or {SRT}.")
    separator = "." if kind == VTT else ","
    blocks = ["WEBVTT"] if kind == VTT else []
    for number, shown_words in enumerate(cues(words), 1):
        times = " --> ".join(_clock(seconds, separator) for seconds in (shown_words[0].start, shown_words[-1].end))
        text = cue_lines(shown_words)
        blocks.append(f"{number}\n{times}\n{escape(text, quote=False) if kind == VTT else text}")
    return "\n\n".join(blocks) + "\n"


def cues(words: Sequence[Timed]) -> list[list[Timed]]:
    """The words in groups that are shown at once: a sentence, or as much of it as is read in one look."""
    found: list[list[Timed]] = []
    for word in words:
        last = found[-1] if found else []
        long = sum(len(each.text) + 1 for each in last) + len(word.text)
        if (
            not last
            or last[-1].text.rstrip("\"')”’")[-1:] in (".", "!", "?", "…")
            or long > WIDEST
            or word.end - last[0].start > LONGEST
            or word.start - last[-1].end > GAP
        ):
            found.append([word])
        else:
            last.append(word)
    return found


def cue_lines(words: Sequence[Timed]) -> str:
    """The text of words that are shown at once: one line, or two of about one length."""
    text = " ".join(word.text for word in words)
    if len(text) <= _WIDEST_LINE:
        return text
    breaks = [place for place, character in enumerate(text) if character == " "]
    if not breaks:
        return text
    middle = min(breaks, key=lambda place: abs(place - len(text) / 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def _clock(seconds: float, separator: str) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}{separator}{whole % 1000:03d}"
