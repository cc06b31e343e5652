"""Set an evaluation up: which clips are measured, models that may be missing, and steps that are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from vasa_core.data.clips import Clip, find_clips
from vasa_core.errors import InputError, MissingModelError
from vasa_core.types import Progress

Item = TypeVar("Item")
Part = TypeVar("Part")
NO_PERCEPTUAL_DISTANCE = "perceptual distance: its model file is not installed"


def held_out_clips(folders: Sequence[Path]) -> list[Clip]:
    """Find the folders' clips that no training sees; all, where there are none.

    Raises InputError for a folder without videos.
    """
    clips = [clip for folder in folders for clip in find_clips(folder)]
    return [clip for clip in clips if clip.split == "val"] or clips


class Steps:
    """Counts steps for a progress callback. total: how many there will be."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self.done, self.total = progress, 0, total

    def __call__(self) -> None:
        """Report one more step as done."""
        self.done += 1
        if self._progress:
            self._progress(self.done, self.total)


def check_count(clips: int, least: int = 1) -> None:
    """Raise InputError if less than `least` clips are to be measured."""
    if clips < least:
        raise InputError(f"clips is {clips}; expected {least} or more.")


def optional(part: Callable[[], Part], missing: list[str], what: str = "") -> Part | None:
    """Open a part; None, with a line in `missing`, where its package or model is not installed."""
    try:
        return part()
    except (MissingModelError, ImportError) as error:
        missing.append(f"{what}: {error}" if what else str(error))
        return None


def distinct_first(items: Sequence[Item], person: Callable[[Item], str]) -> list[Item]:
    """Sort the first item of every person before all others."""
    seen: set[str] = set()
    first: list[Item] = []
    rest: list[Item] = []
    for item in items:
        (rest if person(item) in seen else first).append(item)
        seen.add(person(item))
    return first + rest


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Take at most `most` of the items, evenly spread over them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(most - 1, 1))] for i in range(most)]
