"""What the commands share: the command line itself, the options that several have, checks of paths, and reporting."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vasa_core.errors import InputError
from vasa_core.files import check_source, check_target
from vasa_core.options import CONTROLS, FACES, MESH, SPIN, GenerationOptions

cli = typer.Typer(
    help="One portrait photo and a speech clip in, a talking-head video out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
DEFAULTS = GenerationOptions()

Json = Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
FaceModel = Annotated[str, typer.Option(help="mesh, or volume (a research preview).")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the trained checkpoints.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same video.")]
Framing = Annotated[str, typer.Option(help=CONTROLS["framing"].help)]
Face = Annotated[int, typer.Option(help=CONTROLS["face"].help)]
Data = Annotated[list[Path], typer.Option(help="Folder of videos of single talking faces; may be repeated.")]
KEEPS = "Keeps what was computed from each clip, and the run."
Cache = Annotated[Path, typer.Option(help=KEEPS, envvar="VASA_CACHE", show_default="~/.cache/vasa_core")]
Minutes = Annotated[float, typer.Option(help="Length of the training; the same command again resumes it.")]
WRITTEN = "Folder of the checkpoint to write."
DEFAULT_CACHE = Path("~/.cache/vasa_core").expanduser()


def check_paths(*sources: Path | str | None, out: Path, suffix: str) -> None:
    """Raise InputError at once, before models are loaded, if a source is missing or `out` cannot be right."""
    files = [Path(source) for source in sources if source is not None and source != SPIN]
    for source in files:
        check_source(source, "a file")
    check_target(out, suffix, *files)


def check_videos(*videos: Path | str | None) -> None:
    """Raise InputError at once if a video cannot be read; only the first frame of each is."""
    from vasa_core.io.video import read_frames

    for video in videos:
        if video is not None and video != SPIN:
            next(read_frames(Path(video)))


def read_photo(portrait: Path) -> Any:
    """The photo's pixels (height, width, 3). Raises InputError for none."""
    from vasa_core.io.image import read_image

    return read_image(portrait)


def open_speech(speech: Path) -> Any:
    """The speech, decoded once. Raises InputError for a file without sound that can be used."""
    from vasa_core.io.audio import AudioFile

    return AudioFile.open(speech)


def video_folders(folders: list[Path]) -> list[Path]:
    """The folders, each of which holds videos. Raises InputError for one that does not."""
    from vasa_core.data.clips import find_clips

    for folder in folders:
        find_clips(folder)
    return folders


def positive(name: str, value: float) -> float:
    """The value itself. Raises InputError, naming it, if it is not above 0."""
    if not 0 < value < float("inf"):
        raise InputError(f"{name} is {value}; expected a number above 0.")
    return value


def load_pipeline(device: str, checkpoints: Path, face_model: str = MESH) -> Any:
    """The pipeline; imported only now, so that the command line starts at once."""
    if face_model not in FACES:
        raise InputError(f"face_model is {face_model!r}; expected one of {', '.join(FACES)}.")
    import torch

    from vasa_core.pipeline import Pipeline

    pipeline = Pipeline.load(device, checkpoints, face_model)
    if pipeline.device == "cpu":
        torch.set_num_threads(1)  # frames are drawn side by side: threads inside each would only get in the way
    return pipeline


def _version(asked: bool) -> None:
    if asked:
        import vasa_core

        print(f"vasa {vasa_core.__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before any command."""


def report(made: Any, as_json: bool, sentence: str = "") -> None:
    """Print what was made: a dataclass or dict as JSON, or a sentence."""
    if as_json:
        values = asdict(made) if is_dataclass(made) and not isinstance(made, type) else made
        print(json.dumps(values, indent=2, default=str))
        return
    for warning in getattr(made, "warnings", ()):
        print(f"vasa: {warning}", file=sys.stderr)
    print(sentence)
