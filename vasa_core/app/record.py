"""What a video was made with: as JSON to copy and to paste back, and as a few words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vasa_core.app.controls import DEFAULTS, FACE_MODEL, SHOWN
from vasa_core.errors import InputError
from vasa_core.files import parsed_json
from vasa_core.options import CONTROLS, FACES, MESH, GenerationOptions

OPTIONS = tuple(name for name in SHOWN if name != FACE_MODEL)
_NAME_LENGTH = 80  # characters


def changed(options: GenerationOptions, face_model: str) -> dict[str, Any]:
    """The settings that are not the defaults."""
    found = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) != getattr(DEFAULTS, name)}
    return found | ({FACE_MODEL: face_model} if face_model != MESH else {})


def in_words(options: GenerationOptions, face_model: str) -> str:
    """The changed settings and the seed: "emotion happiness, seed 3"."""
    names = changed(options, face_model) | {"seed": options.seed}
    return ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in names.items())


def file_name(options: GenerationOptions, face_model: str) -> str:
    """A name for the video that tells its settings."""
    words = re.sub(r"[^a-z0-9.-]+", "-", in_words(options, face_model))
    return f"talking-{words[:_NAME_LENGTH].strip('-.')}.mp4"


def as_json(options: GenerationOptions, face_model: str, portrait: str, speech: str) -> str:
    """All settings, and the names of the two files."""
    values = {name: getattr(options, name) for name in OPTIONS}
    files = {"portrait": Path(portrait).name, "speech": Path(speech).name}
    return json.dumps({**files, **values, FACE_MODEL: face_model}, indent=2)


def from_json(text: str) -> tuple[GenerationOptions, str]:
    """The settings of such JSON, defaults for those that it leaves out.

    Raises InputError for what is no such JSON, and for a setting that cannot be used.
    """
    values = parsed_json(text.encode(), "The text")
    face_model = values.pop(FACE_MODEL, MESH)
    if face_model not in FACES:
        raise InputError(f"face_model is {face_model!r}; expected one of {', '.join(FACES)}.")
    given = {name: value for name, value in values.items() if name not in ("portrait", "speech")}
    for name in given:
        if name in CONTROLS and name not in OPTIONS:  # a file of the server's, say
            raise InputError(f"{name} is given; expected only settings that the page has.")
    return GenerationOptions.of(**given), face_model


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
