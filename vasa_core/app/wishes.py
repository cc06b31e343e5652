"""What visitors may ask for, one class for each kind of job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.app.job import Watch
from vasa_core.errors import InputError
from vasa_core.io.audio import AudioFile
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS, frame_count

QUIET = 10 ** (-50 / 20)  # RMS of a second of sound below which nothing is heard
SILENT = "Nothing is heard in the speech clip, so the face only listens."
PHOTO_READ = "Reading the photo"
HEARD = "Listening to the speech"


@dataclass(frozen=True)
class Talk:
    """A photo speaks. Gives a `VideoResult`. name: of the file that is made."""

    visitor: str
    portrait: Path
    speech: AudioFile
    options: GenerationOptions
    face_model: str
    name: str = "result.mp4"
    lengths: str = "The speech is"
    cost: int = 1

    @property
    def seconds(self) -> float:
        return self.speech.seconds

    @property
    def total(self) -> int:
        return frame_count(self.speech.samples)

    def make(self, pipeline: Any, folder: Path, watch: Watch) -> Any:
        watch.reads(f"{PHOTO_READ}.")
        chosen = pipeline.with_face(self.face_model)
        said = () if is_heard(self.speech) else (SILENT,)
        video = chosen.animate(self.portrait, self.speech, self.options)
        video = replace(video, make=watch.seen(video.make), warnings=(*said, *video.warnings))
        watch.draws(HEARD, self.total)
        return video.save(folder / self.name, watch.stopped.is_set, watch.report)


@dataclass(frozen=True)
class Compared:
    """grid: all videos in one. singles: the files of each, in order."""

    grid: Any
    singles: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A photo speaks with every combination of one or two options' values. Gives `Compared`.

    vary: as `vasa_core.pipeline.compare` has it. videos: how many that makes.
    """

    visitor: str
    portrait: Path
    speech: AudioFile
    options: GenerationOptions
    face_model: str
    vary: Mapping[str, Sequence[Any]]
    videos: int
    lengths: str = "The videos together are"

    @property
    def cost(self) -> int:
        return self.videos

    @property
    def seconds(self) -> float:
        return self.videos * self.speech.seconds

    @property
    def total(self) -> int:
        return frame_count(self.speech.samples)

    def make(self, pipeline: Any, folder: Path, watch: Watch) -> Compared:
        from vasa_core.pipeline.compare import compared

        watch.reads(f"{PHOTO_READ} and listening to the speech.")
        chosen, singles = pipeline.with_face(self.face_model), folder / "singles"
        video = compared(chosen, self.portrait, self.speech, self.vary, self.options, singles)
        video = replace(video, make=watch.seen(video.make))
        watch.draws(f"{self.videos} videos side by side", self.total)
        grid = video.save(folder / "comparison.mp4", watch.stopped.is_set, watch.report)
        return Compared(grid, tuple(map(str, sorted(singles.glob("*.mp4")))))


@dataclass(frozen=True)
class Pair:
    """A photo speaks with two settings, each options and a face model. Gives the paths of the two files."""

    visitor: str
    portrait: Path
    speech: AudioFile
    settings: tuple[tuple[GenerationOptions, str], tuple[GenerationOptions, str]]
    lengths: str = "The two videos together are"
    cost: int = 1

    @property
    def seconds(self) -> float:
        return 2 * self.speech.seconds

    @property
    def total(self) -> int:
        return 2 * frame_count(self.speech.samples)

    def make(self, pipeline: Any, folder: Path, watch: Watch) -> tuple[str, str]:
        files = folder / "left.mp4", folder / "right.mp4"
        watch.reads(f"{PHOTO_READ}.")
        videos = []
        for options, face_model in self.settings:
            videos.append(pipeline.with_face(face_model).animate(self.portrait, self.speech, options))
        watch.draws("Two videos", self.total)
        for number, (video, file) in enumerate(zip(videos, files, strict=True)):
            before = number * self.total // 2
            video.save(file, watch.stopped.is_set, lambda done, _, before=before: watch.report(before + done))
        return str(files[0]), str(files[1])


@dataclass(frozen=True)
class Reenactment:
    """A photo moves as the head of one video (or "spin") and the face of another do. Gives a `VideoResult`.

    longest: of the videos, seconds.
    """

    visitor: str
    portrait: Path
    pose_from: Path | str | None
    dynamics_from: Path | None
    options: GenerationOptions
    face_model: str
    longest: float
    lengths: str = "The video is"
    seconds: float = 0.0
    total: int = 0
    cost: int = 1

    def make(self, pipeline: Any, folder: Path, watch: Watch) -> Any:
        watch.reads(f"{PHOTO_READ}.")
        chosen = pipeline.with_face(self.face_model)

        def followed(done: int, _: int) -> None:
            if done > self.longest * FPS:
                raise InputError(f"The driving video is long; expected at most {self.longest:g} s here.")
            watch.reads("Following the video", done)

        video = chosen.reenacted(
            self.portrait, self.pose_from, self.dynamics_from, self.options, watch.stopped.is_set, followed
        )
        video = replace(video, make=watch.seen(video.make))
        watch.draws("The movement is known", int(video.frames or 0))
        return video.save(folder / "reenacted.mp4", watch.stopped.is_set, watch.report)


@dataclass(frozen=True)
class Inspection:
    """Look at a file. Gives a `Verification`."""

    visitor: str
    file: Path
    lengths: str = "The file is"
    seconds: float = 0.0
    total: int = 0
    cost: int = 0

    def make(self, _pipeline: Any, _folder: Path, watch: Watch) -> Any:
        from vasa_core.pipeline.verify import verify

        watch.reads("Looking at the file.")
        return verify(self.file)


def is_heard(speech: AudioFile) -> bool:
    """Whether there is anything but silence; read up to the first second that is not."""
    return any(float(np.sqrt(np.square(chunk).mean())) > QUIET for chunk in speech.chunks())
