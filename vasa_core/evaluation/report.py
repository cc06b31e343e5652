"""Write results: one JSON file, and one table that a person can read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.files import write_text


class Table:
    """A table in lines of text: a figure's title and unit, its value in each column, and what is wanted of it."""

    def __init__(self, columns: Sequence[str], wanted: str = "wanted") -> None:
        self._width = max(11, *(len(column) + 2 for column in columns))
        self.lines = [self._line("", "", columns, wanted)]

    def row(self, title: str, unit: str, values: Sequence[Any], wanted: str = "") -> None:
        """Add a figure; nothing if no column has it."""
        if any(value is not None for value in values):
            self.lines.append(self._line(title, unit, [shown(value) for value in values], wanted))

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.lines.append(f"-- {text}")

    def listing(self, heading: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
        """Add a part of named figures, a line a name; nothing if there is none."""
        if figures:
            self.heading(heading)
        self.lines += [f"{name.replace('_', ' ')}: {listed(values)}" for name, values in figures.items()]

    def text(self, missing: Iterable[str]) -> str:
        """Give the table. missing: what could not be measured."""
        return "\n".join([*self.lines, *(f"not measured: {line}" for line in missing)])

    def _line(self, title: str, unit: str, cells: Sequence[str], wanted: str) -> str:
        return (f"{title:29}{unit:15}" + "".join(f"{cell:>{self._width}}" for cell in cells) + f"   {wanted}").rstrip()


def shown(value: Any) -> str:
    """Show a value, or several, with four digits."""
    if isinstance(value, list | tuple):
        return "[" + " ".join(shown(entry) for entry in value) + "]"
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if abs(value) < 1e-6:
        return "0"
    return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"


def listed(figures: Mapping[str, Any]) -> str:
    """Show named figures in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {shown(value)}" for name, value in figures.items())


def write_report(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Write the result as JSON, by rename, and give it as written: infinite and missing values become null."""
    written = _plain(result)
    write_text(path, json.dumps(written, indent=2) + "\n")
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5) if math.isfinite(value) else None
    return value
