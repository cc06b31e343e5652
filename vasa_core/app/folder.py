"""The folder of everything that visitors upload and get: one a process, deleted with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "vasa_app_"


@contextmanager
def visitors_folder(parent: Path) -> Generator[Path, None, None]:
    """A new folder in `parent` that only this process uses and that goes when it ends.

    Folders that killed processes left there are deleted first: a process holds a lock on its own as long as it lives,
    whatever its number is and in whatever container it ran.
    """
    for left in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or still in use
            _delete_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what is still being written is deleted by the next start
        os.close(lock)


def _delete_abandoned(folder: Path) -> None:
    """Raises OSError for a folder that a process holds."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
