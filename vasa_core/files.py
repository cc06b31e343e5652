"""Files that are whole or not there: each is written beside its place and then takes it."""

from __future__ import annotations

import atexit
import json
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vasa_core.errors import InputError, shortened, shown

if TYPE_CHECKING:
    import numpy as np

LONGEST_NAME = 255  # bytes, of a file
_KEPT_OF_NAME = 150  # bytes of it in the part's name
_PART = re.compile(r"\..*\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.part")


def part_beside(target: Path) -> Path:
    """The path for what will become `target`: hidden, beside it, named after this machine and process.

    Parts that runs left there which were killed on this machine are removed.
    """
    _remove_abandoned(target.parent.absolute())
    name = os.fsencode(target.name)[:_KEPT_OF_NAME].decode(errors="ignore")
    return target.with_name(f".{name}.{_machine()}-{os.getpid()}-{secrets.token_hex(4)}.part")


@contextmanager
def whole_file(target: Path) -> Generator[Path, None, None]:
    """A part file beside `target` that takes its place on a clean exit and is deleted on an exception."""
    part = part_beside(target)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file, whole or as it was."""
    with whole_file(target) as part:
        part.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or as it was."""
    write_bytes(target, text.encode())


def write_arrays(target: Path, compressed: bool = False, **arrays: np.ndarray) -> None:
    """Write named arrays as an npz file, whole or as it was; its folder is made."""
    import numpy as np  # the command line imports this file and starts light

    target.parent.mkdir(parents=True, exist_ok=True)
    save = np.savez_compressed if compressed else np.savez
    with whole_file(target) as part, part.open("wb") as stream:
        save(stream, allow_pickle=False, **arrays)


def parsed_json(content: bytes, name: str) -> dict[str, Any]:
    """The JSON object that a file holds. name: of the file. Raises InputError for anything else."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested too deep
        raise InputError(f"{name} is not JSON ({shortened(str(error))}); expected a JSON object.") from error
    if not isinstance(values, dict):
        raise InputError(f"{name} holds {shown(values)}; expected a JSON object.")
    return values


def check_source(source: Path, expected: str) -> None:
    """Raise InputError, which says what was expected, unless `source` is a file that can be read."""
    name = shortened(str(source))
    try:
        if source.is_dir():
            raise InputError(f"{name} is a folder; expected {expected}.")
        found = source.is_file()
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{name} cannot be opened ({error.strerror}); expected {expected}.") from error
    if not found:
        raise InputError(f"{name} does not exist; expected {expected}.")
    if not os.access(source, os.R_OK):
        raise InputError(f"{name} may not be read by this user; expected {expected}.")


def check_target(target: Path, suffix: str, *sources: Path | None) -> None:
    """Raise InputError, before any work is done, if no file can be written at `target`.

    suffix: that its name has to have. sources: what is read; writing over one, by whatever path or link, would lose it.
    """
    name = shortened(str(target))
    if target.suffix.lower() != suffix:
        raise InputError(f"{name} is the output; expected a name that ends in {suffix}.")
    if "\0" in str(target) or len(os.fsencode(target.name)) > LONGEST_NAME:
        raise InputError(f"{name} is no name of a file; expected one of at most {LONGEST_NAME} bytes.")
    if not target.parent.is_dir():
        parent = shortened(str(target.parent))
        raise InputError(f"{parent} is not a folder; expected an existing folder for the output.")
    if target.exists() and not target.is_file():
        raise InputError(f"{name} is not a file; expected a path where one may be written.")
    for source in sources:
        if source is not None and target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"{name} is the output and an input as well; expected a name that loses no input.")
    part = part_beside(target)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise InputError(f"{name} cannot be written ({error.strerror}); expected a writable folder.") from error


def check_space(folder: Path, wanted: float) -> None:
    """Raise InputError if the folder's disk has less than `wanted` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise InputError(
            f"{shortened(str(folder))} has {free / 1e6:.0f} MB of free space; expected about {wanted / 1e6:.0f} MB."
        )


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove the parts of runs on this machine whose process is gone; once a process and folder.

    This process's own follow at its end: a signal may come before whoever named a part can remove it.
    """
    _remove_parts(folder, lambda process: not _runs(process))
    atexit.register(_remove_parts, folder, lambda process: process == os.getpid())


def _remove_parts(folder: Path, of: Callable[[int], bool]) -> None:
    """Remove the parts in a folder that processes `of` this machine named."""
    with suppress(OSError):  # who writes there will be told
        for name in [entry.name for entry in os.scandir(folder) if entry.name.endswith(".part")]:
            found = _PART.fullmatch(name)
            if found and found[1] == _machine() and of(int(found[2])):
                (folder / name).unlink(missing_ok=True)


def _machine() -> str:
    """What tells the machines (or containers) apart that may share a folder: process numbers are each one's own."""
    numbers = Path("/proc/self/ns/pid")
    return f"{zlib.crc32(f'{platform.node()} {numbers.readlink() if numbers.is_symlink() else None}'.encode()):08x}"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
