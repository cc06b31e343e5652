"""Work done ahead by threads, for whoever takes the results and at whatever pace: in order, few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from types import TracebackType
from typing import Any, TypeVar

from vasa_core.errors import Cancelled
from vasa_core.types import Motion

LEAVING_SECONDS = (
    1.0  # to wait, at the end, for a source that blocks; its thread then ends when it next gives something
)

ASKING_SECONDS = 0.1  # between two questions whether to go on

Waiting = Future[Any] | BaseException | None
Item = TypeVar("Item")
Result = TypeVar("Result")


def numbered(motion: Iterator[Motion], batch: int, first: int = 0) -> Iterator[tuple[int, Motion]]:
    """The motion from frame `first` on, at most `batch` frames of it at once, and the number of the first of them."""
    number = 0
    for made in motion:
        for start in range(max(0, first - number), len(made), batch):
            yield number + start, made[start : start + batch]
        number += len(made)


def made_ahead(
    make: Callable[[Item], Result],
    items: Iterator[Item],
    stopped: Event,
    threads: int,
    in_flight: int,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """make(item) for every item, in order, each as soon as it is finished.

    items: taken by a thread of their own, as soon as there is room. stopped: set when the last result has been taken,
    or the generator is closed before; for `items` to look at. threads: that call `make`. in_flight: results being made
    or waiting to be taken. What `items` or `make` raise is raised here, after the results before it.
    cancelled: asked again and again while nothing comes; Cancelled is raised when it is true.
    """
    room = Semaphore(in_flight)
    waiting: SimpleQueue[Future[Result] | BaseException | None] = SimpleQueue()
    pool = ThreadPoolExecutor(threads)

    def ended(_: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        waiting.put(error)
        return True

    def feed() -> None:
        with ExitStack() as stack:
            stack.push(ended)
            for item in items:
                room.acquire()
                if stopped.is_set():
                    return
                waiting.put(pool.submit(make, item))

    feeder = Thread(target=feed, name="feeder", daemon=True)
    feeder.start()
    try:
        while isinstance(found := _next(waiting, cancelled), Future):
            yield found.result()
            room.release()
        if found is not None:
            raise found
    finally:
        stopped.set()
        room.release()
        feeder.join(LEAVING_SECONDS)
        pool.shutdown(cancel_futures=True)


def _next(waiting: SimpleQueue[Waiting], cancelled: Callable[[], bool] | None) -> Waiting:
    while cancelled:
        if cancelled():
            raise Cancelled("stopped while waiting")
        with suppress(Empty):
            return waiting.get(timeout=ASKING_SECONDS)
    return waiting.get()
