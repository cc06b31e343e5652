"""What a command line program owes its terminal: a progress bar, whole files or none, and clean interrupts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vasa_core.errors import InputError
from vasa_core.files import whole_file


@contextmanager
def progress_bar(title: str, unit: str) -> Generator[Callable[[int, int], None], None, None]:
    """A bar on stderr, as a callback of (done, total). In a log it waits, so that bad input leaves one sentence."""
    from tqdm import tqdm

    delay = 0 if sys.stderr.isatty() else 1
    with tqdm(desc=title, unit=unit, file=sys.stderr, delay=delay, dynamic_ncols=True) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield advance


@contextmanager
def writing(target: Path) -> Generator[Path, None, None]:
    """A part file beside `target` that takes its name on a clean exit and is deleted on an exception.

    Raises InputError, before any work is done, if `target` cannot be written.
    """
    with whole_file(target) as part:
        try:
            part.touch()
        except OSError as error:
            raise InputError(f"{target} cannot be written ({error.strerror}); expected a writable folder.") from error
        yield part


def silence_native_libraries() -> None:
    """MediaPipe and TFLite log to file descriptor 2 whatever they are told; only Python keeps the real stderr."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


class Interrupt:
    """What a signal does: ends the process at once, or asks a job that can stop cleanly to do so."""

    def __init__(self) -> None:
        self.number = 0
        self._job_runs = False
        self._leaving = False
        self._caught: list[signal.Signals] = []

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._leaving:  # what is being cleaned up is not cut short by whoever asks again
            return
        repeated, self.number = bool(self.number), number
        if repeated or not self._job_runs:
            self._leaving = True
            raise SystemExit(self.exit_code)

    def catch(self) -> None:
        """Handle the signals that end a program, but for a hang-up that is ignored already, as by `nohup`."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # SIGHUP: not everywhere
            if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
                signal.signal(number, self)
                self._caught.append(number)

    def leave(self) -> None:
        """From here on signals change nothing: the program is at its end."""
        for number in self._caught:
            signal.signal(number, signal.SIG_IGN)

    @property
    def exit_code(self) -> int:
        return 128 + self.number

    @contextmanager
    def asks(self) -> Generator[Callable[[], bool], None, None]:
        """While this is open the first signal only makes the yielded `cancelled` true."""
        self._job_runs = True
        try:
            yield lambda: bool(self.number)
        finally:
            self._job_runs = False


INTERRUPT = Interrupt()
