"""Files that are whole or not there: each is written beside its place and then takes it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def whole_file(target: Path) -> Generator[Path, None, None]:
    """A part file beside `target` that takes its place on a clean exit and is deleted on an exception."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
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
