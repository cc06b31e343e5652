"""One portrait and one speech with a control or two varied: a labelled grid in one video, and single videos in step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from vasa_core.errors import InputError, shown
from vasa_core.files import write_text
from vasa_core.options import CONTROLS, MOST_COMPARED, NOTHING, GenerationOptions
from vasa_core.pipeline.grid import Grid
from vasa_core.pipeline.pipeline import Photo, Pipeline
from vasa_core.pipeline.player import player_page
from vasa_core.pipeline.prepared import Frame, Prepared
from vasa_core.pipeline.sound import Heard, SpeechFile, played_sound
from vasa_core.pipeline.video import Stopped, Video, VideoResult, check_out
from vasa_core.types import Progress

MOST_VARIED = 2
PAGE = "index.html"
_LONGEST_NAME = 120  # characters of what was varied, in a file's name

Varied = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Cell:
    """One of the videos. labels: what was varied, a line each."""

    labels: tuple[str, ...]
    options: GenerationOptions

    def file_name(self, number: int) -> str:
        """What its single video is called."""
        said = re.sub(r"[^\w.=-]+", "-", "_".join(label.replace(" ", "=") for label in self.labels))
        return f"{number:02d}_{said[:_LONGEST_NAME]}.mp4"


def cells(vary: Varied, options: GenerationOptions) -> list[Cell]:
    """Every combination of the values, row by row: the first control goes across, the second down.

    Raises InputError for controls that there are not, values that cannot be used, and too many of either.
    """
    if not isinstance(vary, Mapping) or not 1 <= len(vary) <= MOST_VARIED:
        raise InputError(f"vary is {shown(vary)}; expected one or two options, each with a list of values.")
    for name, values in vary.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"vary[{name!r}] is {shown(values)}; expected a list of values.")
    names = list(vary)
    found = []
    for values in product(*(vary[name] for name in reversed(names))):
        changes = dict(zip(reversed(names), values, strict=True))
        changed = GenerationOptions.of(options, **changes)
        found.append(Cell(tuple(_label(name, getattr(changed, name)) for name in names), changed))
    if len(found) > MOST_COMPARED:
        raise InputError(f"vary makes {len(found)} videos; expected at most {MOST_COMPARED}.")
    return found


def compare(
    pipeline: Pipeline,
    portrait: Photo | Prepared,
    speech: SpeechFile,
    out: Path | str,
    vary: Varied,
    options: GenerationOptions | None = None,
    singles: Path | str | None = None,
    cancelled: Stopped | None = None,
    progress: Progress | None = None,
) -> VideoResult:
    """A grid of the portrait speaking with every combination of one or two controls' values, as one marked video.

    vary: names of controls -> values; the first goes across, the second down. options: everything else. singles: a
    folder, made if it is not there, for each video by itself and a page, index.html, that plays them in step. The
    photo is prepared and the speech heard once for all. Raises InputError for what cannot be used.
    """
    shown_cells = cells(vary, GenerationOptions.of(options))
    check_out(
        out, portrait, speech, *(c.options.style for c in shown_cells), *(c.options.head_pose for c in shown_cells)
    )
    return compared(pipeline, portrait, speech, vary, options, singles).save(out, cancelled, progress)


def compared(
    pipeline: Pipeline,
    portrait: Photo | Prepared,
    speech: SpeechFile,
    vary: Varied,
    options: GenerationOptions | None = None,
    singles: Path | str | None = None,
) -> Video:
    """The grid of `compare`, which is not written yet; the single videos are written as its frames are taken."""
    started = time.perf_counter()
    shown_cells = cells(vary, GenerationOptions.of(options))
    heard = Heard.by(pipeline.speech, speech)
    people: list[Prepared] = [portrait] if isinstance(portrait, Prepared) else []
    videos = []
    for cell in shown_cells:
        if not (fitting := [person for person in people if person.suits(cell.options)]):
            photo = portrait.original if isinstance(portrait, Prepared) else portrait
            fitting = [pipeline.prepare(photo, cell.options.asked_framing, cell.options.face, cell.options.size)]
            people += fitting
        videos.append(pipeline.animate(fitting[0], heard, cell.options))
    targets = _targets(singles, shown_cells, portrait, speech)
    grid = Grid([cell.labels for cell in shown_cells], len(next(iter(vary.values()))))

    def make(stopped: Stopped | None, advance: Progress | None) -> Iterator[Frame]:
        with ExitStack() as stack:
            writers = [stack.enter_context(v.writer(path)) for v, path in zip(videos, targets, strict=False)]
            frames = zip(*(video.make(stopped, None) for video in videos), strict=True)
            for done, pictures in enumerate(frames, 1):
                for writer, picture in zip(writers, pictures, strict=False):
                    writer.write(picture)
                yield grid.frame(pictures, done - 1)
                if advance:
                    advance(done, videos[0].frames or 0)
        if targets:
            _write_page(targets, shown_cells)

    said = tuple(dict.fromkeys(sentence for video in videos for sentence in video.warnings))
    sound, seed, frames = played_sound(heard.audio), int(shown_cells[0].options.seed), videos[0].frames
    files = [file for video in videos for file in video.origin.inputs]
    origin = pipeline.origin(shown_cells[0].options, *files, varied={name: list(map(str, vary[name])) for name in vary})
    return Video(make, grid.size, seed, sound, started, videos[0].framing, said, frames, origin=origin)


def _write_page(targets: list[Path], shown_cells: list[Cell]) -> None:
    """The page beside the single videos that plays them in step."""
    labels = [", ".join(cell.labels) for cell in shown_cells]
    page = player_page([(path.name, label) for path, label in zip(targets, labels, strict=True)])
    write_text(targets[0].with_name(PAGE), page)


def _targets(singles: Path | str | None, shown_cells: list[Cell], *inputs: object) -> list[Path]:
    """Where the single videos go; their folder is made. None if there shall be none."""
    if singles is None:
        return []
    folder = Path(singles)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}); expected a folder to write to.") from error
    targets = [folder / cell.file_name(number) for number, cell in enumerate(shown_cells, 1)]
    for target in targets:
        check_out(target, *inputs)
    return targets


def _label(name: str, value: Any) -> str:
    if value is None:
        said = NOTHING
    elif CONTROLS[name].low is None:
        said = Path(value).name if isinstance(value, str | Path) else str(value)
    else:
        said = f"{value:.10g}"
    return f"{name.replace('_', '-')} {said}"
