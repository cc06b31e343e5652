"""Compare: one portrait and voice with one or two options varied, all in step; a winner's settings go to Speak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.controls import FACE_MODEL, SHOWN, asked, on_page
from vasa_core.app.follow import followed, photo_and_speech, visitor_of, with_names
from vasa_core.app.job import Line
from vasa_core.app.parts import (
    CONSENT,
    HIDDEN,
    SMALL,
    JobBar,
    Portrait,
    Stage,
    Studio,
    connect_faces,
    connect_job,
    face_examples,
    faces_line,
    job_bar,
    played_in_step,
    portrait_input,
    speech_input,
    stage,
    take_uploads,
    voice_examples,
)
from vasa_core.app.record import as_json, from_json
from vasa_core.app.status import sentence, video_told
from vasa_core.app.tabs.blind import blind_test
from vasa_core.app.tabs.speak import SpeakTab
from vasa_core.app.wishes import Comparison
from vasa_core.errors import InputError
from vasa_core.options import CONTROLS, MOST_COMPARED, NOTHING, WHOLE, GenerationOptions, listed

PREFIX = "compare-"
READY = "Add a portrait and a speech clip, say what shall differ, then press Compare."
NOTHING_VARIED = "nothing"
OPTIONS = tuple(name for name in SHOWN if name not in (FACE_MODEL, "face"))
CHOICES = [(CONTROLS[name].label, name) for name in OPTIONS]
HINT = "With commas, such as -20, 0, 20."
# Inputs that are empty take what Speak has; in the browser alone, so that no click on an example comes in between.
TAKEN_OVER = "(portrait, speech, spoken_by, spoken) => [portrait ?? spoken_by, speech ?? spoken]"
NOT_YET = "<p>The videos are played in step here.</p>"
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))  # as texts write a minus
SUGGESTED = 3  # values
Singles = list[tuple[str, str]]  # what differs, settings as JSON; of each video


@dataclass(frozen=True)
class _Varied:
    """An option and the text of its values."""

    name: gr.Dropdown
    values: gr.Textbox


@dataclass(frozen=True)
class _Result:
    stage: Stage
    player: gr.HTML
    files: gr.File
    singles: gr.State
    winner: gr.Radio
    keep: gr.Button


def compare_tab(studio: Studio, speak: SpeakTab, opened: gr.Tab) -> None:
    """Lay out the tab here. opened: the tab itself."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="desk-give"):
            with gr.Row(elem_classes="desk-inputs"):
                portrait, speech = portrait_input(PREFIX, SMALL), speech_input(PREFIX)
            faces, face = faces_line(PREFIX), gr.Number(0, visible=False, precision=0)
            face_examples(portrait, PREFIX)
            voice_examples(speech, PREFIX)
            with gr.Group():
                across = _varied("Across", "gaze_yaw", "across", "What differs, left to right.", HINT)
                down = _varied("Down", NOTHING_VARIED, "down")
            bar = job_bar("Compare", READY, PREFIX)
            gr.Markdown(f"At most {MOST_COMPARED} videos in all. Every other setting is as it is in Speak.")
        with gr.Column(elem_classes="desk-show"):
            result = _result()
    taken = [portrait, speech, speak.portrait, speak.speech]
    opened.select(None, taken, [portrait, speech], js=TAKEN_OVER, api_visibility="private")
    connect_faces(studio, Portrait(portrait, faces), face)
    for varied in (across, down):
        varied.name.input(suggested, varied.name, varied.values, queue=False, **HIDDEN)
    given = [portrait, speech, face, across.name, across.values, down.name, down.values, *speak.controls]
    _connect(studio, speak, bar, result, given)
    with gr.Accordion("Blind test of two settings", open=False, elem_id="blind"):
        blind_test(studio, speak, portrait, speech, face)


def _varied(label: str, name: str, place: str, info: str | None = None, hint: str | None = None) -> _Varied:
    choices = CHOICES if name != NOTHING_VARIED else [(NOTHING_VARIED, NOTHING_VARIED), *CHOICES]
    look: Any = {"min_width": 150}
    with gr.Row():
        dropdown = gr.Dropdown(choices, value=name, label=label, info=info, elem_id=f"{PREFIX}{place}", **look)
        values = gr.Textbox(
            suggested(name), label=f"Values {label.lower()}", info=hint, elem_id=f"{PREFIX}{place}-values", **look
        )
    return _Varied(dropdown, values)


def _result() -> _Result:
    with gr.Tabs():
        with gr.Tab("One video"):
            shown = stage("Comparison", PREFIX)
        with gr.Tab("In step"):
            player = gr.HTML(NOT_YET, elem_id=f"{PREFIX}player")
    with gr.Row():
        winner = gr.Radio(
            [], label="The winner", info="Its settings go to Speak.", visible=False, elem_id=f"{PREFIX}winner"
        )
        keep = gr.Button("Use in Speak", size="sm", visible=False, elem_id=f"{PREFIX}keep")
    with gr.Accordion("The single videos", open=False):
        files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id=f"{PREFIX}files")
    take_uploads(files)
    gr.Markdown(CONSENT)
    return _Result(shown, player, files, gr.State(list[tuple[str, str]]()), winner, keep)


def _connect(studio: Studio, speak: SpeakTab, bar: JobBar, result: _Result, given: list[Any]) -> None:
    shown = [bar.status, result.stage.preview, result.stage.video, result.files, result.singles]
    event = connect_job(studio, bar, _comparer(studio.line), given, shown, PREFIX)
    offered = [result.player, result.winner, result.keep]
    event.then(_offered, [result.files, result.singles], offered, **HIDDEN)
    kept = [speak.status, studio.tabs, *speak.controls]
    result.keep.click(_keep, [result.winner, result.singles, *speak.controls], kept, queue=False, **HIDDEN)


def suggested(name: str) -> str:
    """A few values of an option to begin with, as text."""
    if name == NOTHING_VARIED:
        return ""
    control = CONTROLS[name]
    if control.low is None or control.high is None:
        found = [*([NOTHING] if control.default is None else []), *map(str, control.choices)]
        return ", ".join(found[:SUGGESTED])
    if name == "seed":
        return "0, 1, 2"
    halves = [(control.low + control.default) / 2, control.default, (control.high + control.default) / 2]
    if name in WHOLE:
        halves = list(map(round, halves))
    return ", ".join(f"{value:g}" for value in dict.fromkeys(halves))


def varied(options: GenerationOptions, *given: tuple[str, str]) -> dict[str, list[Any]]:
    """What shall differ: options by name, with their values. given: (name or NOTHING_VARIED, values as text) each.

    Raises InputError for an option that is given twice or that the page does not have, and for its values.
    """
    found: dict[str, list[Any]] = {}
    for name, texts in given:
        if name == NOTHING_VARIED:
            continue
        if name not in OPTIONS:
            raise InputError(f"What shall differ is {name!r}; expected an option of the page.")
        label = CONTROLS[name].label
        if name in found:
            raise InputError(f"{label} is given twice; expected two different options.")
        if not texts.strip(" ,"):
            raise InputError(f"{label} has no values; expected some, with commas between them.")
        found[name] = listed(name, texts.translate(DASHES).strip(" ,"), options)
    if not found:
        raise InputError("Nothing shall differ; expected one or two options with their values.")
    return found


def _wish(request: gr.Request, portrait: Any, speech: Any, face: int, texts: Any, values: Any) -> Comparison:
    from vasa_core.pipeline.compare import cells

    photo, sound = photo_and_speech(portrait, speech)
    options, face_model = asked(values)
    options = GenerationOptions.of(options, face=face)
    vary = varied(options, *texts)
    return Comparison(visitor_of(request), photo, sound, options, face_model, vary, len(cells(vary, options)))


def _comparer(line: Line) -> Any:
    """The tab's Compare: (status, preview, grid, single videos, what they are) several times a second."""

    @no_type_check
    def compare(request, portrait, speech, whose, across, across_values, down, down_values, *values) -> Iterator[Any]:
        from vasa_core.pipeline.compare import cells

        wishes: list[Comparison] = []

        def wish() -> Comparison:
            texts = (across, across_values), (down, down_values)
            wishes.append(_wish(request, portrait, speech, whose, texts, values))
            return wishes[0]

        for said, picture, made in followed(line, wish, lambda made: video_told(made.grid)):
            if made is None:
                yield said, picture, None, None, []
                continue
            shown = cells(wishes[0].vary, wishes[0].options)
            singles = [
                (", ".join(cell.labels), as_json(cell.options, wishes[0].face_model, portrait, speech))
                for cell in shown
            ]
            yield said, picture, made.grid.path, list(made.singles), singles

    names = ("portrait", "speech", "whose", "across", "across_values", "down", "down_values", *SHOWN)
    return with_names(compare, names)


def _offered(files: list[str] | None, singles: Singles) -> Any:
    """After a comparison: the videos in step, and the winners to choose from."""
    labels = [label for label, _ in singles]
    if not files or len(files) != len(singles):
        return NOT_YET, gr.Radio(visible=False), gr.Button(visible=False)
    choices = [(label, str(number)) for number, label in enumerate(labels)]
    page = played_in_step(files, labels)
    return page, gr.Radio(choices=choices, value=None, visible=True), gr.Button(visible=True)


@no_type_check
def _keep(winner, singles, *values) -> list[Any]:
    """The winner's settings to Speak: (Speak's status, the tab that is open, the page's values)."""
    if winner is None:
        gr.Warning("Choose the winner first.")
        return [gr.skip(), gr.skip(), *values]
    label, record = singles[int(winner)]
    said = sentence(f"The winner's settings are on the page now: {label}.")
    return [said, gr.Tabs(selected="speak"), *on_page(*from_json(record))]
