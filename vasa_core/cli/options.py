"""What the commands share: the command line itself, the options that several have, checks of paths, and reporting."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from vasa_core.errors import InputError, shown
from vasa_core.files import check_source, check_target, write_text
from vasa_core.io.containers import check_video_target
from vasa_core.options import CONTROLS, FACES, MESH, SPIN, GenerationOptions, control_named, listed

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
Certificate = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the certificates that sign the video, the signer's first.",
        envvar="VASA_CERTIFICATE",
        show_default="this machine's own",
    ),
]
Key = Annotated[
    Path | None, typer.Option(help="PEM file of the certificate's private key.", envvar="VASA_KEY", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Same seed, same video.")]
Framing = Annotated[str, typer.Option(help=CONTROLS["framing"].help)]
Face = Annotated[int, typer.Option(help=CONTROLS["face"].help)]
Data = Annotated[list[Path], typer.Option(help="Folder of videos of single talking faces; may be repeated.")]
KEEPS = "Keeps what was computed from each clip, and the run."
Cache = Annotated[Path, typer.Option(help=KEEPS, envvar="VASA_CACHE", show_default="~/.cache/vasa_core")]
Minutes = Annotated[float, typer.Option(help="Length of the training; the same command again resumes it.")]
WRITTEN = "Folder of the checkpoint to write."
DEFAULT_CACHE = Path("~/.cache/vasa_core").expanduser()


def with_fields(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator of commands: an option for each field of a dataclass, all of which it gets as its one `options`.

    The options stand where the command has that parameter, which is named and not positional.
    """
    hints = get_type_hints(kind, include_extras=True)
    named = inspect.Parameter.KEYWORD_ONLY
    made = [inspect.Parameter(f.name, named, default=f.default, annotation=hints[f.name]) for f in fields(kind)]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())
        place = [parameter.name for parameter in own].index("options")

        @wraps(command)
        def run(**given: Any) -> None:
            command(options=kind(**{field.name: given.pop(field.name) for field in made}), **given)

        return with_signature(run, [*own[:place], *made, *own[place + 1 :]])

    return decorated


def with_signature(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """The command as one that has these parameters, for the command line to read."""
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def check_paths(*sources: Path | str | None, out: Path, suffix: str | None = None, transparent: bool = False) -> None:
    """Raise InputError at once, before models are loaded, if a source is missing or `out` cannot be right.

    suffix: that `out` must have; without one, it is a video's, which may be transparent.
    """
    files = [Path(source) for source in sources if source is not None and source != SPIN]
    for source in files:
        check_source(source, "a file")
    if suffix is None:
        check_video_target(out, transparent, *files)
    else:
        check_target(out, suffix, *files)


def check_videos(*videos: Path | str | None) -> None:
    """Raise InputError at once if a video cannot be read; only the first frame of each is."""
    from vasa_core.io.video import read_frames

    for video in videos:
        if video is not None and video != SPIN:
            next(read_frames(Path(video)))


def check_photo(portrait: Path) -> None:
    """Raise InputError at once if a photo cannot be read."""
    from vasa_core.io.image import read_image

    read_image(portrait)


def check_inputs(
    portrait: Path, speech: Path | None, options: GenerationOptions, out: Path, suffix: str | None = None
) -> None:
    """Raise InputError at once, before models are loaded, for files that no video with these options can be made of.

    suffix: see `check_paths`.
    """
    sources = (portrait, speech, options.style, options.head_pose, options.backdrop)
    check_paths(*sources, out=out, suffix=suffix, transparent=options.transparent)
    check_videos(options.style, options.head_pose)
    check_photo(portrait)
    if options.backdrop:
        check_photo(options.backdrop)


def open_speech(speech: Path) -> Any:
    """The speech, decoded once. Raises InputError for a file without sound that can be used."""
    from vasa_core.io.audio import AudioFile

    return AudioFile.open(speech)


def spoken_file(speech: list[Path], text: str | None, subtitles: str | None, out: Path) -> Path | None:
    """The one file of speech, or None if a text is spoken. Raises InputError for both, neither, or wrong subtitles."""
    if len(speech) > 1 or bool(speech) == (text is not None):
        given = " ".join(map(str, speech)) or "none"
        raise InputError(f"the speech is {given} and --text {shown(text)}; expected one file of speech, or --text.")
    if subtitles is None:
        return speech[0] if speech else None
    from vasa_core.io.subtitles import KINDS

    if subtitles not in KINDS or text is None:
        raise InputError(f"--subtitles is {shown(subtitles)}; expected {' or '.join(KINDS)}, and --text.")
    check_target(out.with_suffix(f".{subtitles}"), f".{subtitles}")
    return None


def read_aloud(text: str | None) -> tuple[Any, tuple[Any, ...]]:
    """The sound of a text, and its words. Raises InputError or MissingModelError as `speak` does."""
    from vasa_core.pipeline import speak

    spoken = speak(text or "")
    return spoken.waveform, spoken.words


def write_subtitles(video: Path, kind: str, words: Sequence[Any]) -> None:
    """Write the words beside the video."""
    from vasa_core.io.subtitles import subtitles

    write_text(video.with_suffix(f".{kind}"), subtitles(words, kind))


def burnt(video: Any, words: Sequence[Any]) -> Any:
    """The video with the words in its frames. Raises InputError for letters that cannot be drawn."""
    from vasa_core.pipeline.captions import captioned

    return captioned(video, words)


def varied_values(given: list[str], options: GenerationOptions) -> dict[str, list[Any]]:
    """What `--vary NAME=VALUE,VALUE` says, checked. Raises InputError for what is no option or cannot be its value."""
    found: dict[str, list[Any]] = {}
    for text in given:
        name, _, values = text.partition("=")
        name = control_named(name)
        if not values or name in found:
            raise InputError(f"--vary is {shown(text)}; expected OPTION=VALUE,VALUE and each option once.")
        found[name] = listed(name, values, options)
    return found


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


def signing(certificate: Path | None, key: Path | None) -> Any:
    """Who signs; None is this machine's own key. Raises InputError for one file without the other, or unusable ones."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError(f"--certificate is {certificate} and --key {key}; expected both, or neither.")
    from vasa_core.provenance.credentials import Credentials
    from vasa_core.provenance.manifest import check_credentials

    found = Credentials.of_files(certificate, key)
    check_credentials(found, certificate.name)
    return found


def load_pipeline(device: str, checkpoints: Path, face_model: str = MESH, signer: Any = None) -> Any:
    """The pipeline; imported only now, so that the command line starts at once."""
    if face_model not in FACES:
        raise InputError(f"face_model is {face_model!r}; expected one of {', '.join(FACES)}.")
    from vasa_core.cpu import share_cores
    from vasa_core.device import usable_device
    from vasa_core.pipeline import Pipeline

    device = usable_device(device)
    share_cores(device)  # before the models are loaded: threads that wait for work burn more time than loading takes
    pipeline = Pipeline.load(device, checkpoints, face_model)
    pipeline.credentials = signer
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
