"""A profile of all threads: what each was doing, looked at again and again."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vasa_core.files import write_text

EVERY_SECONDS = 0.005


@contextmanager
def profiled(target: Path) -> Generator[None, None, None]:
    """Write, at the end, one line for each stack of calls that was seen: `outer;...;inner COUNT`, most seen first.

    Flame graph programs read that. Waiting counts as doing; compiled code as the line that calls it.
    """
    ended, seen = threading.Event(), Counter[str]()

    def look() -> None:
        own = threading.get_ident()
        while not ended.wait(EVERY_SECONDS):
            for thread, frame in sys._current_frames().items():  # pyright: ignore[reportPrivateUsage] - documented
                if thread != own:
                    seen[_stack(frame)] += 1

    looker = threading.Thread(target=look, name="profile", daemon=True)
    looker.start()
    try:
        yield
    finally:
        ended.set()
        looker.join()
        write_text(target, "".join(f"{stack} {count}\n" for stack, count in seen.most_common()))


def _stack(frame: FrameType | None) -> str:
    calls: list[str] = []
    while frame is not None:
        code = frame.f_code
        calls.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return ";".join(reversed(calls))
