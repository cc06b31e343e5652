"""The blind test of two settings, a part of Compare: pairs in random order, a click for the better, a tally."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.controls import asked
from vasa_core.app.follow import followed, photo_and_speech, visitor_of, with_names
from vasa_core.app.handlers import Past
from vasa_core.app.job import Line
from vasa_core.app.parts import (
    ANNOUNCED,
    FACES,
    HIDDEN,
    Studio,
    connect_job,
    job_bar,
    played_in_step,
    take_uploads,
)
from vasa_core.app.record import as_json, from_json
from vasa_core.app.status import sentence
from vasa_core.app.tabs.speak import SpeakTab
from vasa_core.app.tally import LEFT, NEITHER, RIGHT, Blind
from vasa_core.app.wishes import Pair
from vasa_core.errors import InputError
from vasa_core.options import GenerationOptions

PREFIX = "blind-"
READY = "Give two settings; the portrait and the speech are those above. Then press Next pair."
ABOUT = (
    "Every pair shows the two settings with another seed and in random order; judge as many as you like. "
    "Other settings begin a new tally."
)
NO_PAIR = "<p>The pair is shown here, without saying which is which.</p>"
SAME = "A and B are the same; expected two different settings."


@dataclass(frozen=True)
class _Setting:
    """One of the two: its JSON, and where it may be taken from."""

    json: gr.Textbox
    past: gr.Dropdown
    now: gr.Button


def blind_test(studio: Studio, speak: SpeakTab, portrait: Any, speech: Any, face: Any) -> None:
    """Lay out the test here. portrait, speech, face: components that hold what is shown, and whose face."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="desk-give"):
            first, second = _setting("A"), _setting("B")
            others = gr.Checkbox(False, label="Other faces as well", info="Go through the example faces, pair by pair.")
            bar = job_bar("Next pair", READY, PREFIX)
            gr.Markdown(ABOUT)
        with gr.Column(elem_classes="desk-show"):
            player = gr.HTML(NO_PAIR, elem_id=f"{PREFIX}player")
            with gr.Row():
                sides = (LEFT, "Left is better"), (NEITHER, "No difference"), (RIGHT, "Right is better")
                judges = {side: gr.Button(text, min_width=80, interactive=False) for side, text in sides}
            with gr.Accordion("The tally; it may tell which is which", open=False, elem_id=f"{PREFIX}open"):
                tally = gr.HTML(sentence(Blind().says), elem_id=f"{PREFIX}tally", js_on_load=ANNOUNCED)
    files = gr.File(visible=False, file_count="multiple")
    take_uploads(files)
    test = gr.State(Blind())
    for setting in (first, second):
        _connect_setting(speak, setting)
    given = [portrait, speech, face, first.json, second.json, others, test]
    event = connect_job(studio, bar, _pairs(studio.line), given, [bar.status, files, test], PREFIX)
    event.then(_shown, [files, test], [player, tally, *judges.values()], **HIDDEN)
    for side, button in judges.items():
        button.click(partial(_judged, side), test, [test, player, tally, *judges.values()], queue=False, **HIDDEN)


def _setting(name: str) -> _Setting:
    text = gr.Textbox(
        label=f"Setting {name}",
        info="As JSON: What was used, in Speak.",
        lines=2,
        max_lines=4,
        elem_id=f"{PREFIX}{name}",
    )
    with gr.Row():
        past = gr.Dropdown([], label=f"{name} from this session's videos", min_width=120)
        now = gr.Button(f"{name} as Speak is now", size="sm", min_width=120, elem_id=f"{PREFIX}{name}-now")
    return _Setting(text, past, now)


def _connect_setting(speak: SpeakTab, setting: _Setting) -> None:
    @no_type_check
    def now(*values) -> str:
        try:
            return as_json(*asked(values), "", "")
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def offered(past: Past) -> Any:
        return gr.Dropdown(choices=[(caption, record) for caption, _, record in past], value=None)

    setting.now.click(now, speak.controls, setting.json, queue=False, **HIDDEN)
    speak.past.change(offered, speak.past, setting.past, queue=False, **HIDDEN)
    setting.past.input(lambda record: record, setting.past, setting.json, queue=False, **HIDDEN)


def two_settings(a: str, b: str, seed: int) -> tuple[tuple[GenerationOptions, str], tuple[GenerationOptions, str]]:
    """Options and face model of both, with that seed. Raises InputError for unusable JSON, and for two equals."""
    found = []
    for name, text in (("A", a), ("B", b)):
        if not text.strip():
            raise InputError(f"Setting {name} is empty; expected settings as JSON.")
        options, face_model = from_json(text)
        found.append((replace(options, seed=seed), face_model))
    if found[0] == found[1]:
        raise InputError(SAME)
    return found[0], found[1]


def _pairs(line: Line) -> Any:
    """Next pair: (status, the two files, the test) several times a second."""

    @no_type_check
    def pair(request, portrait, speech, face, first, second, others, test) -> Iterator[Any]:
        test = test.of(first, second)
        following = test.shuffled()

        def wish() -> Pair:
            shown = str(FACES[test.rounds % len(FACES)]) if others else portrait
            photo, sound = photo_and_speech(shown, speech)
            whose = 0 if others else face
            both = [(replace(o, face=whose), model) for o, model in two_settings(first, second, test.rounds)]
            if following.a_on == RIGHT:
                both.reverse()
            return Pair(visitor_of(request), photo, sound, (both[0], both[1]))

        for said, _, files in followed(line, wish, lambda _: sentence("Done: which of the two is better?")):
            yield said, list(files) if files else None, following if files else test

    return with_names(pair, ("portrait", "speech", "face", "first", "second", "others", "test"))


def _shown(files: list[str] | None, test: Blind) -> list[Any]:
    """(the pair in step, the tally, the three buttons)"""
    page = played_in_step(files, ["Left", "Right"]) if files and test.a_on else NO_PAIR
    return [page, sentence(test.says), *[gr.Button(interactive=bool(test.a_on))] * 3]


def _judged(better: str, test: Blind) -> list[Any]:
    """(the test, what is shown instead of the pair, the tally, the three buttons)"""
    after = test.judged(better)
    return [after, NO_PAIR, sentence(after.says), *[gr.Button(interactive=False)] * 3]
