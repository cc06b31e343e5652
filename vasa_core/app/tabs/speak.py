"""Speak: portrait, voice and examples, Generate and its result, controls; and the endpoint for programs."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from vasa_core.app import handlers
from vasa_core.app.controls import PRESETS, SHOWN, laid_out
from vasa_core.app.parts import (
    CONSENT,
    EXAMPLE_RESULT,
    HIDDEN,
    TOGETHER,
    JobBar,
    Portrait,
    Stage,
    Studio,
    connect_faces,
    connect_job,
    face_examples,
    faces_line,
    job_bar,
    portrait_input,
    speech_input,
    stage,
    voice_examples,
)
from vasa_core.app.status import READY
from vasa_core.options import MAX_IMAGE_PIXELS, MAX_UPLOAD_MB, PICTURES

TAKES = (
    f"Portrait: {PICTURES}, at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels. Speech: any audio or video file, "
    "at most {seconds}. " + f"Each at most {MAX_UPLOAD_MB} MB."
)


@dataclass(frozen=True)
class _Inputs:
    portrait: Portrait
    speech: gr.Audio
    bar: JobBar


@dataclass(frozen=True)
class _Result:
    stage: Stage
    record: gr.Textbox
    apply: gr.Button
    past: gr.Dataset


@dataclass(frozen=True)
class _Tune:
    controls: list[gr.components.Component]
    presets: dict[str, gr.Button]
    reset: gr.Button
    seed: gr.Button


@dataclass(frozen=True)
class SpeakTab:
    """What other tabs take from Speak. controls: in the order of SHOWN. past: the session's videos, a `Past`."""

    portrait: gr.Image
    speech: gr.Audio
    status: gr.HTML
    controls: list[gr.components.Component]
    past: gr.State


def speak_tab(studio: Studio) -> SpeakTab:
    """Lay out the tab here. Its endpoint for programs is `/generate`."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="desk-give"):
            inputs = _inputs()
        with gr.Column(elem_classes="desk-show"):
            result = _result()
        with gr.Column(elem_classes="desk-tune"):
            tune = _tune()
    seconds = studio.settings.max_seconds
    gr.Markdown(TAKES.format(seconds=f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} s"))
    past = _connect_generation(studio, inputs, result, tune)
    _connect_settings(inputs, result, tune)
    connect_faces(studio, inputs.portrait, tune.controls[SHOWN.index("face")])
    return SpeakTab(inputs.portrait.image, inputs.speech, inputs.bar.status, tune.controls, past)


def _inputs() -> _Inputs:
    with gr.Row(elem_classes="desk-inputs"):
        image, speech = portrait_input(), speech_input()
    faces = faces_line()
    face_examples(image)
    voice_examples(speech)
    return _Inputs(Portrait(image, faces), speech, job_bar("Generate", READY))


def _result() -> _Result:
    shown = stage("Result", example=str(EXAMPLE_RESULT))
    past = gr.Dataset(
        components=[gr.Textbox(visible=False)],
        samples=[],
        type="index",
        label="Made before in this session",
        visible=False,
        elem_id="past",
    )
    with gr.Accordion("What was used", open=False):
        record = gr.Textbox(
            label="Settings as JSON",
            info="Copy them to keep them; paste them and press Use these settings to have them again.",
            lines=6,
            max_lines=12,
            buttons=["copy"],
            elem_id="record",
        )
        apply = gr.Button("Use these settings", size="sm")
    gr.Markdown(CONSENT)
    return _Result(shown, record, apply, past)


def _tune() -> _Tune:
    with gr.Row():
        presets = {name: gr.Button(name, size="sm", min_width=80) for name in PRESETS}
    with gr.Row():
        reset = gr.Button("Reset all", size="sm", min_width=80)
        seed = gr.Button("Random seed", size="sm", min_width=80)
    return _Tune(list(laid_out().values()), presets, reset, seed)


def _connect_generation(studio: Studio, inputs: _Inputs, result: _Result, tune: _Tune) -> gr.State:
    given = [inputs.portrait.image, inputs.speech, *tune.controls]
    video, record, status = result.stage.video, result.record, inputs.bar.status
    event = connect_job(
        studio, inputs.bar, handlers.speaker(studio.line), given, [status, result.stage.preview, video, record]
    )
    past = gr.State(list[tuple[str, str, str]]())
    event.then(handlers.remember, [video, record, past], [past, result.past], **HIDDEN)
    recalled = [status, video, record, *tune.controls]
    result.past.click(handlers.recall, [result.past, past, *tune.controls], recalled, **HIDDEN)
    program, made = gr.Button(visible=False), gr.Video(visible=False, label="result")
    program.click(handlers.endpoint(studio.line), given, made, api_name="generate", **TOGETHER)
    return past


def _connect_settings(inputs: _Inputs, result: _Result, tune: _Tune) -> None:
    seed = tune.controls[SHOWN.index("seed")]
    for name, button in tune.presets.items():
        button.click(handlers.preset(name), tune.controls, tune.controls, queue=False, **HIDDEN)
    tune.reset.click(handlers.reset, None, tune.controls, queue=False, **HIDDEN)
    tune.seed.click(handlers.random_seed, None, seed, queue=False, **HIDDEN)
    pasted = [result.record, *tune.controls]
    result.apply.click(handlers.paste, pasted, [inputs.bar.status, *tune.controls], queue=False, **HIDDEN)
