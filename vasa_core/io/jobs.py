"""What a batch shall make: the rows of a CSV or JSON Lines file, each a portrait, what it speaks and options."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasa_core.errors import InputError, shortened, shown
from vasa_core.files import check_source, parsed_json
from vasa_core.options import CONTROLS, SPIN, GenerationOptions, control_named, written

CSV, JSONL = SUFFIXES = (".csv", ".jsonl")
OWN = ("portrait", "speech", "text", "name")  # columns that are no options
_LONGEST_NAME = 100  # characters of a name that is made here
_BYTES = 100_000_000  # of a jobs file

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One video to make. row: counted from 1, without a header. name: of its file. Either speech or text is there."""

    row: int
    name: str
    portrait: Path
    speech: Path | None
    text: str | None
    options: GenerationOptions


@dataclass(frozen=True)
class Broken:
    """A row that says nothing that can be made, and why, in a sentence."""

    row: int
    name: str
    error: str


def read_jobs(path: Path) -> list[Job | Broken]:
    """The rows of a file in order; paths in it are relative to it.

    Raises InputError for a file that is no table of jobs; a row that cannot be used is a `Broken`.
    """
    check_source(path, "a .csv or .jsonl file of jobs")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path.name} is the file of jobs; expected a name that ends in .csv or .jsonl.")
    if (size := path.stat().st_size) > _BYTES:
        raise InputError(f"{path.name} has {size / 1e6:.0f} MB; expected at most {_BYTES / 1e6:.0f} MB of jobs.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text ({error.reason}); expected a .csv or .jsonl file.") from error
    rows = list(_csv_rows(text, path.name) if path.suffix.lower() == CSV else _jsonl_rows(text, path.name))
    if not rows:
        raise InputError(f"{path.name} has no rows; expected a portrait and a speech or a text in each.")
    names: set[str] = set()
    return [_job(number, row, path.parent, names) for number, row in enumerate(rows, 1)]


def _csv_rows(text: str, name: str) -> Iterator[Row | InputError]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    try:
        for column in reader.fieldnames or []:
            if column.strip() not in OWN:
                control_named(column)
        for row in reader:
            if "" in row:
                yield InputError(
                    f"it has more than {len(reader.fieldnames or [])} values; expected one for each column."
                )
            else:
                yield {column.strip(): value for column, value in row.items() if value}
    except csv.Error as error:
        raise InputError(f"{name} is not CSV ({shortened(str(error))}); expected a table of jobs.") from error


def _jsonl_rows(text: str, name: str) -> Iterator[Row | InputError]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found = parsed_json(line.encode(), f"line {number} of {name}")
                yield {key: value for key, value in found.items() if value is not None}
            except InputError as error:
                yield error


def _job(number: int, row: Row | InputError, folder: Path, names: set[str]) -> Job | Broken:
    """The job of a row. names: of the rows before, and then of this one."""
    name = f"{number:04d}"
    try:
        if isinstance(row, InputError):
            raise row
        for column in OWN:
            if not isinstance(row.get(column, ""), str):
                raise InputError(f"{column} is {shown(row[column])}; expected text.")
        name = _name(number, row)
        if name in names:
            raise InputError(f"name is {shown(name)}, as in a row before; expected another for each row.")
        names.add(name)
        if "portrait" not in row or ("speech" in row) == ("text" in row):
            raise InputError(f"it has {', '.join(row) or 'nothing'}; expected portrait, and either speech or text.")
        speech = folder / row["speech"] if "speech" in row else None
        return Job(number, name, folder / row["portrait"], speech, row.get("text"), _options(row, folder))
    except InputError as error:
        return Broken(number, name, str(error))


def _options(row: Row, folder: Path) -> GenerationOptions:
    changes = {}
    for column, value in row.items():
        if column in OWN:
            continue
        name = control_named(column)
        value = written(name, value) if isinstance(value, str) else value
        is_file = CONTROLS[name].low is None and not CONTROLS[name].choices
        changes[name] = str(folder / value) if is_file and isinstance(value, str) and value != SPIN else value
    return GenerationOptions.of(**changes)


def _name(number: int, row: Row) -> str:
    """What the video is called, without its suffix."""
    if "name" in row:
        name = row["name"].removesuffix(".mp4")
        if not name or name != Path(name).name or name.startswith(".") or "\0" in name or "\\" in name:
            raise InputError(f"name is {shown(row['name'])}; expected the name of a file.")
        return name
    said = Path(row["speech"]).stem if "speech" in row else "text"
    made = re.sub(r"[^\w.-]+", "-", f"{number:04d}_{Path(row.get('portrait', '')).stem}_{said}")
    return made[:_LONGEST_NAME]
