"""What the handlers of every tab share: who asks, which files they gave, and how a job is followed to its end."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.job import DONE, Line, Models, Wish
from vasa_core.app.status import STOPPED, preview, sentence, status, video_told
from vasa_core.errors import Cancelled, InputError, MissingModelError
from vasa_core.io.audio import AudioFile
from vasa_core.io.image import read_image

REFUSALS = (InputError, MissingModelError, OSError)  # OSError: a full disk, say
LATER = "The models are still being loaded; the photo is looked at as soon as they are there."


def given_files(**files: str | None) -> list[Path]:
    """The files that a visitor gave, by what they are called. Raises InputError for one that is not there."""
    for name, path in files.items():
        if not path:
            raise InputError(f"Add a {name.replace('_', ' ')} first.")
    for name, path in files.items():
        if not Path(str(path)).is_file():  # deleted, since the page had been open so long
            raise InputError(f"The {name.replace('_', ' ')} has expired; add it again.")
    return [Path(str(path)) for path in files.values()]


def photo_and_speech(portrait: str | None, speech: str | None) -> tuple[Path, AudioFile]:
    """Both, the speech looked at. Raises InputError for one that is not there or cannot be used."""
    photo, sound = given_files(portrait=portrait, speech_clip=speech)
    return photo, AudioFile.open(sound)


@no_type_check  # by beartype, as below: its wrapper would not be the generator that Gradio looks for
def followed(
    line: Line, wished: Callable[[], Wish], told: Callable[[Any], str] = video_told
) -> Iterator[tuple[str, str, Any]]:
    """A job to its end: (status, preview, result, which is None until it is done), several times a second.

    wished: what is asked for; what it raises is told as what the job raises is. told: the last status of a result.
    """
    try:
        for moment in line.run(wished()):
            frame = None if moment.stage == DONE else moment.frame
            yield status(moment, told), preview(frame), moment.result
    except Cancelled:
        yield sentence(STOPPED), "", None
    except REFUSALS as error:
        yield sentence(str(error), "wrong"), "", None


def with_names(handler: Any, names: Sequence[str]) -> Any:
    """A handler of (request, *values) as Gradio has to see it: with a name for every value."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    handler.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in ("request", *names)])
    handler.__annotations__ = {"request": gr.Request}
    handler.__no_type_check__ = False
    return handler


def visitor_of(request: gr.Request) -> str:
    """Who asks: a page or a client has a session; a bare call stands for itself."""
    return request.session_hash or secrets.token_hex(8)


def stopper(line: Line) -> Any:
    """A tab's Stop: the job itself then says that it ended. Gradio's own way to cancel may leave "Error"."""

    def stop(request: gr.Request) -> None:
        line.stop(visitor_of(request))

    return stop


def looker(models: Models) -> Any:
    """What a new portrait is met with: (a sentence on its faces, the number of the face)."""

    @no_type_check
    def look(portrait: str | None) -> Iterator[tuple[str, int]]:
        if not portrait:
            yield "", 0
            return
        if not models.done():
            yield sentence(LATER), 0
        try:
            faces = len(models.result().preprocessor.faces(read_image(Path(portrait))))
        except InputError as error:
            yield sentence(str(error), "wrong"), 0
            return
        if faces > 1:
            yield sentence(f"{faces} faces found; the largest speaks. Click on another one to choose it."), 0
        else:
            yield sentence("A face was found." if faces else "No face stands out in the photo yet."), 0

    return look


def chooser(models: Models) -> Any:
    """A click on the portrait: (a sentence, the number of the face that was clicked on)."""

    def choose(portrait: str | None, click: gr.SelectData) -> tuple[str, int]:
        if not portrait or not Path(portrait).is_file():
            return "", 0
        faces = models.result().preprocessor.faces(read_image(Path(portrait)))
        x, y = click.index
        for number, (left, top, right, bottom) in enumerate(faces.tolist(), 1):
            if left <= x <= right and top <= y <= bottom:
                return sentence(f"Face {number} of {len(faces)}, from the left, will speak."), number
        return sentence("There is no face at that place; the largest will speak."), 0

    return choose
