"""Many videos, a few at once, with the models, portraits and speeches shared; what is finished is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from vasa_core.assets import file_sha256
from vasa_core.audio.voice import speak
from vasa_core.errors import Cancelled, InputError, MissingModelError
from vasa_core.files import check_source, parsed_json, write_text
from vasa_core.io.audio import AudioFile
from vasa_core.io.jobs import Broken, Job
from vasa_core.options import SPIN
from vasa_core.pipeline.pipeline import Pipeline
from vasa_core.pipeline.prepared import Prepared
from vasa_core.pipeline.sound import Heard
from vasa_core.pipeline.video import Stopped, VideoResult
from vasa_core.types import Progress

RESULTS, SUMMARY = "results.jsonl", "summary.json"
KEPT = 4  # portraits, and speeches, that are ready for the jobs that come next
MOST_AT_ONCE = 16
LONG_SECONDS = 600  # of speech: what is heard in more is not kept, 30 KB a second

Failed = Callable[[Job | Broken, str], None]


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch. skipped: finished by a run before. seconds: of video that was made, and that it took.

    failures: row, name and error of each job that failed.
    """

    jobs: int
    made: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    failures: tuple[dict[str, Any], ...] = ()


@dataclass
class _Counted:
    """A `BatchResult` while it is counted."""

    jobs: int
    started: float = field(default_factory=time.perf_counter)
    made: list[VideoResult] = field(default_factory=list)
    skipped: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def result(self) -> BatchResult:
        seconds, wall = sum(video.seconds for video in self.made), time.perf_counter() - self.started
        failures = tuple(self.failures)
        return BatchResult(self.jobs, len(self.made), self.skipped, len(failures), seconds, wall, failures)


def batch(
    pipeline: Pipeline,
    jobs: Sequence[Job | Broken],
    out: Path | str,
    cancelled: Stopped | None = None,
    progress: Progress | None = None,
    failed: Failed | None = None,
    at_once: int = 1,
) -> BatchResult:
    """Make each job's video, NAME.mp4 in the folder `out`, which is made; a job that fails does not stop the others.

    A line of results.jsonl tells of each job as it ends, summary.json of all. The same call again skips the videos
    that are there and were made of the same files, text and options. progress: (jobs done, in all). failed: told of
    each failure and its sentence. at_once: jobs that are made side by side, each by threads of its own. Raises
    Cancelled when `cancelled()` is true, InputError for a folder that cannot be written to.
    """
    if not 1 <= at_once <= MOST_AT_ONCE:
        raise InputError(f"at_once is {at_once}; expected a number from 1 to {MOST_AT_ONCE}.")
    folder, counted = Path(out), _Counted(len(jobs))
    finished, maker = _finished(folder), _Maker(pipeline, folder, cancelled)
    try:
        for done, (job, outcome) in enumerate(_outcomes(maker, jobs, finished, at_once), 1):
            try:
                key, made = outcome.result()
                if made is None:
                    counted.skipped += 1
                else:
                    counted.made.append(made)
                    _tell(folder, {"row": job.row, "name": job.name, "key": key, **asdict(made)})
            except (InputError, MissingModelError, OSError) as error:
                failure = {"row": job.row, "name": job.name, "error": str(error)}
                counted.failures.append(failure)
                _tell(folder, failure)
                if failed:
                    failed(job, str(error))
            if progress:
                progress(done, len(jobs))
    finally:
        result = counted.result()
        write_text(folder / SUMMARY, json.dumps(asdict(result), indent=2) + "\n")
    return result


Outcome = tuple[str, VideoResult | None]


def _outcomes(
    maker: _Maker, jobs: Sequence[Job | Broken], finished: dict[str, str], at_once: int
) -> Iterator[tuple[Job | Broken, Future[Outcome]]]:
    """Every job and what came of it, as they end; few are begun."""
    waiting, begun = iter(jobs), dict[Future[Outcome], Job | Broken]()
    with ThreadPoolExecutor(at_once) as pool:
        while True:
            for job in islice(waiting, at_once - len(begun)):
                begun[pool.submit(maker.outcome, job, finished.get(job.name))] = job
            if not begun:
                return
            ended = wait(begun, return_when=FIRST_COMPLETED).done
            for future in [future for future in begun if future in ended]:
                yield begun.pop(future), future


class _Maker:
    """Makes the videos of jobs, and keeps what the next ones may need."""

    def __init__(self, pipeline: Pipeline, folder: Path, cancelled: Stopped | None) -> None:
        self._pipeline, self._folder, self._cancelled, self._lock = pipeline, folder, cancelled, Lock()
        self._prepare = lru_cache(KEPT)(self._prepared)
        self._hear = lru_cache(KEPT)(self._heard)
        self._hash = lru_cache(None)(file_sha256)

    def outcome(self, job: Job | Broken, finished: str | None) -> Outcome:
        """The job's key, and its video unless that is there. finished: key of what a run before made of that name.

        Raises InputError, MissingModelError or OSError if it cannot be made.
        """
        if isinstance(job, Broken):
            raise InputError(job.error)
        with self._lock:
            key = self.key(job)
        if finished == key and (self._folder / f"{job.name}.mp4").is_file():
            return key, None
        return key, self._made(job)

    def _made(self, job: Job) -> VideoResult:
        if self._cancelled and self._cancelled():
            raise Cancelled("stopped between two videos")
        with self._lock:  # one at a time: the next ones may want the same
            person = self._prepare(job.portrait, job.options.asked_framing, job.options.face, job.options.size)
            heard = self._hear(job.speech, job.text)
        target = self._folder / f"{job.name}.mp4"
        return self._pipeline.generate(person, heard, target, job.options, self._cancelled)

    def key(self, job: Job) -> str:
        """The same for the same files, text and options. Raises InputError for a file that is not there."""
        options: dict[str, Any] = asdict(job.options)
        check_source(job.portrait, "a photo")
        if job.speech:
            check_source(job.speech, "an audio file")
        for name in ("style", "head_pose"):
            if options[name] is not None and options[name] != SPIN:
                options[name] = self._hash(Path(options[name]))
        spoken = self._hash(job.speech) if job.speech else job.text
        said = json.dumps([self._hash(job.portrait), bool(job.speech), spoken, options])
        return hashlib.sha256(said.encode()).hexdigest()

    def _prepared(self, portrait: Path, framing: str, face: int, size: int) -> Prepared:
        return self._pipeline.prepare(portrait, framing, face, size)

    def _heard(self, speech: Path | None, text: str | None) -> Heard | AudioFile:
        audio = AudioFile.open(speech) if speech else speak(text or "").waveform
        if isinstance(audio, AudioFile) and audio.seconds > LONG_SECONDS:
            return audio
        return Heard.by(self._pipeline.speech, audio)


def _finished(folder: Path) -> dict[str, str]:
    """Name -> key of the videos that runs before have made. Raises InputError if the folder cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / RESULTS).open("ab+") as stream:
            stream.seek(0)
            lines = stream.read().splitlines(keepends=True)
            if lines and not lines[-1].endswith(b"\n"):  # a run was killed while it wrote
                stream.write(b"\n")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}); expected a writable folder.") from error
    found = {}
    for line in lines:
        try:
            entry = parsed_json(line, RESULTS)
        except InputError:
            continue  # half a line
        if "key" in entry and "name" in entry:
            found[str(entry["name"])] = str(entry["key"])
    return found


def _tell(folder: Path, entry: dict[str, Any]) -> None:
    with (folder / RESULTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
