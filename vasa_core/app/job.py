"""The jobs of all visitors: done one after the other on a worker's thread, watched from the handlers'."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.video import Frame, Picture

POLL_SECONDS = 0.2
WAITING, READING, MAKING, WRITING, DONE = ("waiting", "reading", "making", "writing", "done")
SURE_FRAMES = 10  # of a video, from which on the rest's time is told
LOADING = "The models are still being loaded; this takes up to a minute."

Models = Future[Any]  # the pipeline, which may still be loading


def loaded(pipeline: Any) -> Models:
    """A pipeline that is there."""
    models: Models = Future()
    models.set_result(pipeline)
    return models


@dataclass(eq=False)
class Watch:
    """How far a job is, and whether it is still wanted: written by the worker, read by the visitor's handler.

    words: what is done in the stage. done, total: frames; a total of 0 is not known yet. cost: pictures drawn for one.
    """

    total: int = 0
    cost: int = 1
    stage: str = WAITING
    words: str = ""
    done: int = 0
    frame: Any = None
    stopped: threading.Event = field(default_factory=threading.Event)
    drawing_since: float = 0.0

    def reads(self, words: str, done: int = 0) -> None:
        """What comes before any frame is made. done: frames of a video that were looked at."""
        self.stage, self.words, self.done = READING, words, done

    def draws(self, words: str, total: int) -> None:
        """From here on frames are made, that many; the words are of what comes before the first."""
        self.stage, self.words, self.done, self.total = MAKING, words, 0, total
        self.drawing_since = time.monotonic()

    def report(self, done: int, _total: int = 0) -> None:
        """Called with the frames made so far."""
        self.done = done
        if done == self.total:
            self.stage = WRITING

    def seen(self, make: Callable[..., Iterator[Picture]]) -> Callable[..., Iterator[Picture]]:
        """The same frames of a video's `make`, the newest of which is kept to be shown."""

        def made(*given: Any) -> Iterator[Picture]:
            if self.stopped.is_set():
                raise Cancelled("stopped before the first frame")
            for frame in make(*given):
                self.frame = frame
                yield frame

        return made

    @property
    def speed(self) -> float | None:
        """Pictures a second, as measured so far."""
        if self.done < SURE_FRAMES or not self.drawing_since:
            return None
        return self.cost * self.done / (time.monotonic() - self.drawing_since)

    @property
    def pictures_left(self) -> int:
        """How many are still to be drawn, as far as that is known."""
        return max(self.total - self.done, 0) * self.cost


@runtime_checkable
class Wish(Protocol):
    """What a visitor asks for, with inputs that were looked at.

    visitor: who it is. lengths: what there is to say of `seconds`, as "The speech is". seconds: of sound or video that
    is worked on. total: frames that there will be, 0 if that is not known yet. cost: pictures drawn for each.
    """

    @property
    def visitor(self) -> str: ...
    @property
    def lengths(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def total(self) -> int: ...
    @property
    def cost(self) -> int: ...

    def make(self, pipeline: Any, folder: Path, watch: Watch) -> Any:
        """Do it, with files in the folder. Raises what the pipeline raises, and Cancelled once it is stopped."""
        ...


@dataclass(frozen=True)
class Moment:
    """How far a job is.

    ahead: jobs before it. words: on what is done. done, total: frames. seconds_left: until it is done, or begins; None:
    not known yet. frame: the newest. result: what a job that is DONE gave; its files are there until the next moment is
    asked for.
    """

    stage: str
    ahead: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    frame: Frame | None = None
    result: Any = None
    words: str = ""


@dataclass(eq=False)
class _Job:
    """One wish that waits or is worked on."""

    wish: Wish
    watch: Watch
    folder: tempfile.TemporaryDirectory[str]

    def make(self, models: Models) -> Any:
        if not models.done():
            self.watch.reads(LOADING)
        return self.wish.make(models.result(), Path(self.folder.name), self.watch)


class Line:
    """Visitors' jobs, one at a time, in the order in which they came; a visitor has one at most."""

    def __init__(self, models: Models, longest_queue: int, max_seconds: float) -> None:
        """longest_queue: how many may wait. max_seconds: of sound or video in one job."""
        self._models, self._longest, self.max_seconds = models, longest_queue, max_seconds
        self._worker = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._speed: float | None = None  # pictures a second, of the job before

    def run(self, wish: Wish) -> Generator[Moment, None, None]:
        """Yields how far it is, several times a second. Closing it ends the work, without waiting for that.

        Raises InputError at once if there is no room, if the visitor has a job already, and for too much sound; later
        whatever the job raises, and Cancelled after `stop`.
        """
        if wish.seconds > self.max_seconds:
            raise InputError(f"{wish.lengths} {wish.seconds:.0f} s long; expected at most {self.max_seconds:g} s here.")
        job, future = self._enter(wish)
        watch = job.watch
        try:
            while wait([future], POLL_SECONDS).not_done and not watch.stopped.is_set():
                yield self._moment(job)
            if watch.stopped.is_set():
                raise Cancelled("stopped by the visitor")
            result = future.result()
            self._speed = watch.speed or self._speed
            yield Moment(DONE, done=watch.done, total=watch.total, result=result)
        finally:
            self._leave(job, future)

    def stop(self, visitor: str) -> None:
        """End the visitor's job, if there is one."""
        with self._lock:
            for job in self._jobs:
                if job.wish.visitor == visitor:
                    job.watch.stopped.set()

    def _enter(self, wish: Wish) -> tuple[_Job, Future[Any]]:
        with self._lock:
            if any(job.wish.visitor == wish.visitor for job in self._jobs):
                raise InputError("Your last video is still being made; expected one at a time: wait, or press Stop.")
            if len(self._jobs) > self._longest:
                raise InputError(f"{len(self._jobs)} videos are waiting already; expected fewer: try again later.")
            job = _Job(wish, Watch(wish.total, wish.cost), tempfile.TemporaryDirectory(prefix="vasa_"))
            self._jobs.append(job)
            return job, self._worker.submit(job.make, self._models)

    def _leave(self, job: _Job, future: Future[Any]) -> None:
        job.watch.stopped.set()
        with self._lock:
            self._jobs.remove(job)
        future.cancel()
        future.add_done_callback(lambda _: job.folder.cleanup())

    def _moment(self, job: _Job) -> Moment:
        watch = job.watch
        waits = watch.stage == WAITING
        with self._lock:
            before = self._jobs[: self._jobs.index(job)] if waits else []
        speed = watch.speed or (self._speed if waits else None)
        pictures = sum(other.watch.pictures_left for other in before) if before else watch.pictures_left
        left = pictures / speed if speed and pictures else None
        return Moment(watch.stage, len(before), watch.done, watch.total, left, watch.frame, words=watch.words)
