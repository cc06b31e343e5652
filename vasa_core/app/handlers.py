"""What the events of Speak do: generators and functions of plain values."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.controls import DEFAULTS, SHOWN, asked, on_page, with_preset
from vasa_core.app.follow import REFUSALS, followed, photo_and_speech, visitor_of, with_names
from vasa_core.app.job import DONE, Line
from vasa_core.app.record import as_json, file_name, from_json, in_words
from vasa_core.app.status import sentence
from vasa_core.app.wishes import Talk
from vasa_core.errors import InputError
from vasa_core.options import CONTROLS, MESH

MOST_PAST = 8  # videos of a session that are offered again
SEEDS = CONTROLS["seed"]
GIVEN = ("portrait", "speech", *SHOWN)


def _talk(request: gr.Request, portrait: str | None, speech: str | None, values: tuple[Any, ...]) -> Talk:
    """Raises InputError for what is missing or cannot be used."""
    photo, sound = photo_and_speech(portrait, speech)
    options, face_model = asked(values)
    return Talk(visitor_of(request), photo, sound, options, face_model, file_name(options, face_model))


def speaker(line: Line) -> Any:
    """The page's Generate: (status, preview, video, settings as JSON) several times a second."""

    @no_type_check
    def speak(request, portrait, speech, *values) -> Iterator[tuple[str, str, str | None, str]]:
        for said, picture, result in followed(line, lambda: _talk(request, portrait, speech, values)):
            record = as_json(*asked(values), portrait, speech) if result else ""
            # No gr.skip() for the video: it would make Gradio forget which files it has to delete.
            yield said, picture, result.path if result else None, record

    return with_names(speak, GIVEN)


def endpoint(line: Line) -> Any:
    """The same for programs, whose only output is the video."""

    @no_type_check
    def generate(request, portrait, speech, *values) -> Iterator[str | None]:
        """Make the person in a photo speak. Returns an MP4 file, marked as AI-generated."""
        try:
            for moment in line.run(_talk(request, portrait, speech, values)):
                yield moment.result.path if moment.stage == DONE else None
        except REFUSALS as error:
            raise gr.Error(str(error), print_exception=False) from error

    return with_names(generate, GIVEN)


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
