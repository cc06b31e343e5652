"""The generations of all visitors: made one after the other on a worker's thread, watched from the handlers'."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vasa_core.errors import Cancelled, InputError
from vasa_core.io.audio import AudioFile
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.prepared import Frame
from vasa_core.pipeline.video import MakeFrames, VideoResult
from vasa_core.rates import frame_count
from vasa_core.types import Progress

POLL_SECONDS = 0.2
WAITING, READING, MAKING, WRITING, DONE = ("waiting", "reading", "making", "writing", "done")
SURE_FRAMES = 10  # of a video, from which on the rest's time is told
QUIET = 10 ** (-50 / 20)  # RMS of a second of sound below which nothing is heard
SILENT = "Nothing is heard in the speech clip, so the face only listens."


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for. visitor: who it is. name: of the file that is made."""

    visitor: str
    portrait: Path
    speech: Path
    options: GenerationOptions
    face_model: str
    name: str = "result.mp4"


@dataclass(frozen=True)
class Moment:
    """How far a generation is.

    ahead: generations before it. done, total: frames. seconds_left: until it is done, or begins; None: not known yet.
    frame: the newest. result: of a generation that is DONE; its file is there until the next moment is asked for.
    """

    stage: str
    ahead: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    frame: Frame | None = None
    result: VideoResult | None = None


@dataclass(eq=False)
class _Job:
    """One generation that waits or runs; written by the worker, read by the visitor's handler."""

    wish: Wish
    speech: AudioFile
    total: int
    folder: tempfile.TemporaryDirectory[str]
    stopped: threading.Event = field(default_factory=threading.Event)
    stage: str = WAITING
    done: int = 0
    frame: Frame | None = None
    drawing_since: float = 0.0

    def make(self, pipeline: Pipeline) -> VideoResult:
        """Raises what the pipeline raises, and Cancelled once it is stopped."""
        wish, out = self.wish, Path(self.folder.name) / self.wish.name
        self.stage = READING
        chosen = pipeline.with_face(wish.face_model)
        person = chosen.prepare(wish.portrait, wish.options.framing, wish.options.face)
        said = () if _is_heard(self.speech) else (SILENT,)
        video = chosen.animate(person, self.speech, wish.options)
        video = replace(video, make=self._watched(video.make), warnings=(*said, *video.warnings))
        self.stage, self.drawing_since = MAKING, time.monotonic()
        return video.save(out, self.stopped.is_set, self._report)

    def _watched(self, make: MakeFrames) -> MakeFrames:
        """The same frames, the newest of which is kept to be shown."""

        def made(cancelled: Callable[[], bool] | None, progress: Progress | None) -> Iterator[Frame]:
            if self.stopped.is_set():
                raise Cancelled("stopped before the first frame")
            for frame in make(cancelled, progress):
                self.frame = frame
                yield frame

        return made

    def _report(self, done: int, total: int) -> None:
        self.done = done
        if done == total:
            self.stage = WRITING

    @property
    def frames_a_second(self) -> float | None:
        """As measured so far."""
        return self.done / (time.monotonic() - self.drawing_since) if self.done >= SURE_FRAMES else None


class Line:
    """Visitors' generations, one at a time, in the order in which they came; a visitor has one at most."""

    def __init__(self, pipeline: Pipeline, longest_queue: int, max_seconds: float) -> None:
        """longest_queue: how many may wait. max_seconds: of speech."""
        self._pipeline, self._longest, self._max_seconds = pipeline, longest_queue, max_seconds
        self._worker = ThreadPoolExecutor(1)
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._speed: float | None = None  # frames a second, of the generation before

    def run(self, wish: Wish) -> Generator[Moment, None, None]:
        """Yields how far it is, several times a second. Closing it ends the work, without waiting for that.

        Raises InputError at once if there is no room, if the visitor has a generation already, and for a speech clip
        that cannot be used; later whatever the pipeline raises, and Cancelled after `stop`.
        """
        self._check_room(wish.visitor)
        speech = AudioFile.open(wish.speech, self._max_seconds + 1)
        if speech.seconds > self._max_seconds:
            raise InputError(
                f"The speech is {speech.seconds:.0f} s long; expected at most {self._max_seconds:g} s here."
            )
        job, future = self._enter(wish, speech)
        try:
            while wait([future], POLL_SECONDS).not_done and not job.stopped.is_set():
                yield self._moment(job)
            if job.stopped.is_set():
                raise Cancelled("stopped by the visitor")
            result = future.result()
            self._speed = job.frames_a_second or self._speed
            yield Moment(DONE, done=job.done, total=job.total, result=result)
        finally:
            self._leave(job, future)

    def stop(self, visitor: str) -> None:
        """End the visitor's generation, if there is one."""
        with self._lock:
            for job in self._jobs:
                if job.wish.visitor == visitor:
                    job.stopped.set()

    def _check_room(self, visitor: str) -> None:
        with self._lock:
            if any(job.wish.visitor == visitor for job in self._jobs):
                raise InputError("Your last video is still being made; expected one at a time: wait, or press Stop.")
            if len(self._jobs) > self._longest:
                raise InputError(f"{len(self._jobs)} videos are waiting already; expected fewer: try again later.")

    def _enter(self, wish: Wish, speech: AudioFile) -> tuple[_Job, Future[VideoResult]]:
        self._check_room(wish.visitor)
        job = _Job(wish, speech, frame_count(speech.samples), tempfile.TemporaryDirectory(prefix="vasa_"))
        with self._lock:
            self._jobs.append(job)
            return job, self._worker.submit(job.make, self._pipeline)

    def _leave(self, job: _Job, future: Future[VideoResult]) -> None:
        job.stopped.set()
        with self._lock:
            self._jobs.remove(job)
        future.cancel()
        future.add_done_callback(lambda _: job.folder.cleanup())

    def _moment(self, job: _Job) -> Moment:
        with self._lock:
            before = self._jobs[: self._jobs.index(job)] if job.stage == WAITING else []
        speed = job.frames_a_second or (self._speed if job.stage == WAITING else None)
        frames = sum(other.total - other.done for other in before) if before else job.total - job.done
        left = frames / speed if speed else None
        return Moment(job.stage, len(before), job.done, job.total, left, job.frame)


def _is_heard(speech: AudioFile) -> bool:
    """Whether there is anything but silence; read up to the first second that is not."""
    return any(float(np.sqrt(np.square(chunk).mean())) > QUIET for chunk in speech.chunks())
