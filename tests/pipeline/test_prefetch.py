"""Work ahead: in order, each result as soon as it is there, few in flight, and no thread left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from vasa_core.errors import Cancelled
from vasa_core.pipeline.prefetch import made_ahead


def ahead_threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "feeder" or t.name.startswith("ThreadPoolExecutor")}


def slow_if_even(item: int) -> int:
    time.sleep(0.005 * (item % 2 == 0))
    return 10 * item


def test_results_come_in_order() -> None:
    assert list(made_ahead(slow_if_even, iter(range(20)), threading.Event(), 3, 5)) == list(range(0, 200, 10))


def test_a_result_comes_while_the_source_still_waits_for_its_next_item() -> None:
    given: SimpleQueue[int | None] = SimpleQueue()
    results = made_ahead(slow_if_even, iter(given.get, None), threading.Event(), 2, 8)
    for item in range(5):
        given.put(item)
        assert next(results) == 10 * item
    given.put(None)
    assert list(results) == []


def test_a_silent_source_is_left_as_soon_as_that_is_asked_for() -> None:
    """The source blocks for ever; `cancelled` is asked meanwhile."""
    before, given, stopped = ahead_threads(), SimpleQueue[int | None](), threading.Event()
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    results = made_ahead(slow_if_even, iter(given.get, None), stopped, 2, 8, asked.is_set)
    given.put(3)
    assert next(results) == 30
    started = time.monotonic()
    with pytest.raises(Cancelled):
        next(results)
    assert time.monotonic() - started < 60
    assert stopped.is_set()
    given.put(None)
    deadline = time.monotonic() + 60
    while ahead_threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not ahead_threads() - before


def test_no_more_than_allowed_are_in_flight() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield taken

    results = made_ahead(slow_if_even, items(), threading.Event(), 2, 4)
    for done, _ in enumerate(results, 1):
        assert taken <= done + 4  # one more waits for room
    assert taken == 100


def test_an_error_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("unplugged")

    results = made_ahead(slow_if_even, items(), threading.Event(), 2, 8)
    assert [next(results) for _ in range(3)] == [0, 10, 20]
    with pytest.raises(OSError, match="unplugged"):
        next(results)

    def fails(item: int) -> int:
        return 1 // (2 - item)

    results = made_ahead(fails, iter(range(5)), threading.Event(), 2, 8)
    assert [next(results) for _ in range(2)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_stops_the_threads_and_says_so_to_the_source() -> None:
    before, stopped = ahead_threads(), threading.Event()
    results = made_ahead(slow_if_even, iter(int, 1), stopped, 2, 4)  # endless
    next(results)
    assert ahead_threads() > before
    assert not stopped.is_set()
    results.close()  # type: ignore[attr-defined] # a generator
    assert ahead_threads() == before
    assert stopped.is_set()
