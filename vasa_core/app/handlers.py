"""What the page's events do: generators and functions of plain values, around one line of generations."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.controls import DEFAULTS, SHOWN, asked, on_page, with_preset
from vasa_core.app.job import DONE, Line, Moment, Wish
from vasa_core.app.record import as_json, file_name, from_json, in_words
from vasa_core.app.status import STOPPED, preview, sentence, status
from vasa_core.errors import Cancelled, InputError, MissingModelError
from vasa_core.io.image import read_image
from vasa_core.options import CONTROLS, MESH
from vasa_core.preprocess.portrait import Preprocessor

REFUSALS = (InputError, MissingModelError, OSError)  # OSError: a full disk, say
MOST_PAST = 8  # videos of a session that are offered again
SEEDS = CONTROLS["seed"]


def moments(line: Line, visitor: str, portrait: str | None, speech: str | None, values: tuple[Any, ...]) -> Any:
    """The moments of one generation, and its settings. Raises what `Line.run` raises, InputError for missing inputs."""
    if not portrait or not speech:
        raise InputError(f"Add a {'speech clip' if portrait else 'portrait'} first.")
    for name, path in (("portrait", portrait), ("speech clip", speech)):
        if not Path(path).is_file():  # deleted, since the page had been open so long
            raise InputError(f"The {name} has expired; add it again.")
    options, face_model = asked(values)
    name = file_name(options, face_model)
    wish = Wish(visitor, Path(portrait), Path(speech), options, face_model, name)
    return line.run(wish), as_json(options, face_model, portrait, speech)


def speaker(line: Line) -> Any:
    """The page's Generate: (status, preview, video, settings as JSON) several times a second."""

    @no_type_check  # by beartype, whose wrapper would not be the generator that Gradio looks for
    def speak(request, portrait, speech, *values) -> Iterator[tuple[str, str, str | None, str]]:
        try:
            made, record = moments(line, _visitor(request), portrait, speech, values)
            for moment in made:
                # No gr.skip() for the video: it would make Gradio forget which files it has to delete.
                yield status(moment), preview(_shown(moment)), _path(moment), record if moment.stage == DONE else ""
        except Cancelled:
            yield sentence(STOPPED), "", None, ""
        except REFUSALS as error:
            yield sentence(str(error), "wrong"), "", None, ""

    return _with_request(speak)


def stopper(line: Line) -> Any:
    """The page's Stop: the generation itself then says that it ended. Gradio's own way to cancel may leave "Error"."""

    def stop(request: gr.Request) -> None:
        line.stop(_visitor(request))

    return stop


def endpoint(line: Line) -> Any:
    """The same for programs, whose only output is the video."""

    @no_type_check
    def generate(request, portrait, speech, *values) -> Iterator[str | None]:
        """Make the person in a photo speak. Returns an MP4 file, marked as AI-generated."""
        try:
            for moment in moments(line, _visitor(request), portrait, speech, values)[0]:
                yield _path(moment)
        except REFUSALS as error:
            raise gr.Error(str(error), print_exception=False) from error

    return _with_request(generate)


def _with_request(handler: Any) -> Any:
    """The handler as Gradio has to see it: with a name for every value, and who asks."""
    names = ("request", "portrait", "speech", *SHOWN)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    handler.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    handler.__annotations__ = {"request": gr.Request}
    handler.__no_type_check__ = False
    return handler


def _visitor(request: gr.Request) -> str:
    """Who asks: a page or a client has a session; a bare call stands for itself."""
    return request.session_hash or secrets.token_hex(8)


def _shown(moment: Moment) -> Any:
    return None if moment.stage == DONE else moment.frame


def _path(moment: Moment) -> str | None:
    return moment.result.path if moment.result else None


def looker(preprocessor: Preprocessor) -> Any:
    """What a new portrait is met with: (a sentence on its faces, the number of the face)."""

    def look(portrait: str | None) -> tuple[str, int]:
        if not portrait:
            return "", 0
        try:
            faces = len(preprocessor.faces(read_image(Path(portrait))))
        except InputError as error:
            return sentence(str(error), "wrong"), 0
        if faces > 1:
            return sentence(f"{faces} faces found; the largest speaks. Click on another one to choose it."), 0
        return sentence("A face was found." if faces else "No face stands out in the photo yet."), 0

    return look


def chooser(preprocessor: Preprocessor) -> Any:
    """A click on the portrait: (a sentence, the number of the face that was clicked on)."""

    def choose(portrait: str | None, click: gr.SelectData) -> tuple[str, int]:
        if not portrait or not Path(portrait).is_file():
            return "", 0
        faces = preprocessor.faces(read_image(Path(portrait)))
        x, y = click.index
        for number, (left, top, right, bottom) in enumerate(faces.tolist(), 1):
            if left <= x <= right and top <= y <= bottom:
                return sentence(f"Face {number} of {len(faces)}, from the left, will speak."), number
        return sentence("There is no face at that place; the largest will speak."), 0

    return choose


def preset(name: str) -> Any:
    """A preset's button: the page's values with it."""

    @no_type_check
    def apply(*values) -> list[Any]:
        return with_preset(name, values)

    return apply


def reset() -> list[Any]:
    """The defaults, on the page."""
    return on_page(DEFAULTS, MESH)


def random_seed() -> int:
    """Any seed."""
    return secrets.randbelow(int(SEEDS.high or 0) + 1)


@no_type_check
def paste(text, *values) -> list[Any]:
    """The settings of pasted JSON: (a sentence, the page's values); those there were if it cannot be used."""
    try:
        return [sentence("These settings are on the page now."), *on_page(*from_json(text))]
    except InputError as error:
        return [sentence(str(error), "wrong"), *values]


Past = list[tuple[str, str, str]]  # caption, file, settings as JSON; the newest first


def remember(video: str | None, record: str, past: Past) -> tuple[Past, Any]:
    """After a generation: the session's videos, and what is offered of them."""
    if video and record:
        caption = in_words(*from_json(record))
        past = [(caption, video, record), *past][:MOST_PAST]
    return past, gr.Dataset(samples=[[caption] for caption, _, _ in past], visible=bool(past))


@no_type_check
def recall(number, past, *values) -> list[Any]:
    """A video of the session again: (status, video, settings as JSON, the page's values)."""
    caption, video, record = past[number]
    if not Path(video).is_file():
        return [sentence("That video has expired; press Generate for it."), None, record, *on_page(*from_json(record))]
    return [sentence(f"Shown again: {caption}."), video, record, *on_page(*from_json(record))]
