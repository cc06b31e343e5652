"""Where the processor time of a generation goes: the real functions are timed, each in the thread that calls it."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

from vasa_core.io.video import VideoWriter
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline import pipeline as drawing

MOTION, WARP, PAINTERS, ADDING, MARK, WRITE, ENCODE, OTHER = PARTS = (
    "motion_and_speech",  # speech encoder, prosody, motion model, eyes and head
    "warp",  # all of drawing but what is painted
    "painters",  # the networks of mouth and eyes
    "adding",  # cutting what they see, and adding what they painted
    "mark",
    "write",  # handing frames to the encoder
    "encode",  # ffmpeg's processes: pictures, and the sound that is read and added
    "other",
)


class Meter:
    """Processor time of parts, seconds, one inside another; of the whole, and of child processes that have ended."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()
        self.own = self.children = 0.0

    def seconds(self) -> dict[str, float]:
        """Of each of PARTS, without what is in another of them; they add up to `own` and `children`."""
        spent = self._spent
        found = {
            MOTION: spent[MOTION],
            WARP: spent["decode"] - spent["paint"],
            PAINTERS: spent[PAINTERS],
            ADDING: spent["paint"] - spent[PAINTERS],
            MARK: spent[MARK],
            WRITE: spent[WRITE],
            ENCODE: self.children,
        }
        return {**found, OTHER: self.own + self.children - sum(found.values())}

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls count as the part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._add(part, time.thread_time() - started)

        return call

    def timed_steps(self, part: str, function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The function that gives an iterator, each step of which counts as the part."""

        def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
            steps = function(*args, **kwargs)
            following = self.timed(part, lambda: next(steps, self))
            while (found := following()) is not self:
                yield found

        return call

    def _add(self, part: str, seconds: float) -> None:
        with self._lock:
            self._spent[part] += seconds


@contextmanager
def metered(pipeline: Pipeline) -> Generator[Meter, None, None]:
    """Times everything that a pipeline with the mesh face model does while this is open."""
    meter, face = Meter(), pipeline.face
    own, children = time.process_time(), _children_seconds()
    with ExitStack() as stack:
        stack.enter_context(_replaced(pipeline, "speech_motion", meter.timed_steps(MOTION, pipeline.speech_motion)))
        stack.enter_context(_replaced(face, "decode", meter.timed_steps("decode", face.decode)))
        renderer: Any = face.renderer  # pyright: ignore[reportAttributeAccessIssue] - of the mesh face model
        stack.enter_context(_replaced(renderer, "paint", meter.timed("paint", renderer.paint)))
        for name in ("mouth", "eyes"):
            stack.enter_context(_replaced(renderer, name, _Engine(meter, getattr(renderer, name))))
        stack.enter_context(_replaced(drawing, "mark", meter.timed(MARK, drawing.mark)))
        stack.enter_context(_replaced(VideoWriter, "write", meter.timed(WRITE, VideoWriter.write)))
        yield meter
    meter.own, meter.children = time.process_time() - own, _children_seconds() - children


class _Engine:
    """A painter whose calls are timed."""

    def __init__(self, meter: Meter, engine: Any) -> None:
        self.encode, self._call = engine.encode, meter.timed(PAINTERS, engine)

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Generator[None, None, None]:
    """An attribute that is another for a while; one of the class comes back as that."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
