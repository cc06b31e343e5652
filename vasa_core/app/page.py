"""The page: inputs and examples, Generate and its result, controls; and the endpoint for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData

from vasa_core.app import handlers
from vasa_core.app.controls import PRESETS, SHOWN, laid_out
from vasa_core.app.job import Line
from vasa_core.app.live import live_tab
from vasa_core.app.settings import Settings
from vasa_core.app.status import READY, sentence
from vasa_core.app.style import CSS, THEME
from vasa_core.assets import ASSETS
from vasa_core.options import MAX_IMAGE_PIXELS, MAX_UPLOAD_MB, PICTURES
from vasa_core.pipeline import Pipeline

FACES = tuple(sorted((ASSETS / "faces").glob("*.jpg")))
VOICES = {"speech.wav": "Maple introduces herself (10 s)", "speech2.wav": "Maple on pumpkins (4 s)"}
EXAMPLE_RESULT = ASSETS / "example.mp4"
TAKES = (
    f"Portrait: {PICTURES}, at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels. Speech: any audio or video file, "
    "at most {seconds}. " + f"Each at most {MAX_UPLOAD_MB} MB."
)
# What `launch` is given. No run history: it would stay in the browser for the next person at it.
LAUNCH: dict[str, Any] = {
    "max_file_size": f"{MAX_UPLOAD_MB}mb",
    "show_error": True,
    "theme": THEME,
    "css": CSS,
    "run_history": False,
    "footer_links": ["api", "gradio", "settings"],
}
KEPT_SECONDS = 3600  # that a file is kept at least; every so often those older are deleted
CONSENT = (
    "Use only portraits and voices of people who agreed to it. Every video is marked as AI-generated, "
    "in its pixels and in its file. Uploads and results are deleted within two hours."
)
ANNOUNCED = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"
PLAY = "() => setTimeout(() => document.querySelector('#result video')?.play().catch(() => {}), 400)"
# On a phone the result is below the button that was pressed.
SEEN = "() => innerWidth <= 800 && document.querySelector('#status').scrollIntoView({block: 'start'})"
NAME_FACES = """() => document.querySelectorAll('#example-faces button').forEach(
  (button, index) => button.setAttribute('aria-label', `Example face ${index + 1}`))"""
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class _Inputs:
    portrait: gr.Image
    speech: gr.Audio
    start: gr.Button
    stop: gr.Button
    status: gr.HTML
    faces: gr.HTML


@dataclass(frozen=True)
class _Result:
    video: gr.Video
    preview: gr.HTML
    record: gr.Textbox
    apply: gr.Button
    past: gr.Dataset


@dataclass(frozen=True)
class _Tune:
    controls: list[gr.components.Component]
    presets: dict[str, gr.Button]
    reset: gr.Button
    seed: gr.Button


def build_app(pipeline: Pipeline, settings: Settings | None = None, kept_seconds: int = KEPT_SECONDS) -> gr.Blocks:
    """The app around a loaded pipeline. Its endpoint for programs is `/generate`.

    kept_seconds: how long uploads and results are kept at least; they are gone after twice that time.
    """
    settings = settings or Settings()
    gr.set_static_paths([ASSETS])  # served from where they are: nothing deletes them
    line = Line(pipeline, settings.queue, settings.max_seconds)
    with gr.Blocks(title="Talking portrait", delete_cache=(kept_seconds, kept_seconds), analytics_enabled=False) as app:
        gr.Markdown("# Talking portrait\nOne photo and one voice become a talking-head video.")
        with gr.Tab("Speak"):
            with gr.Row(elem_id="desk"):
                with gr.Column(elem_id="give"):
                    inputs = _inputs()
                with gr.Column(elem_id="show"):
                    result = _result()
                with gr.Column(elem_id="tune"):
                    tune = _tune()
            seconds = settings.max_seconds
            gr.Markdown(TAKES.format(seconds=f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} s"))
        with gr.Tab("Live"):
            live_tab()
        app.load(None, js=NAME_FACES, api_visibility="private")
        _connect_generation(line, inputs, result, tune)
        _connect_settings(inputs, result, tune)
        _connect_portrait(pipeline, inputs, tune)
    return app.queue()  # the line has a length of its own


def _inputs() -> _Inputs:
    with gr.Row(elem_id="inputs"):
        portrait = gr.Image(
            label="Portrait",
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam"],
            height=296,
            buttons=[],
            elem_id="portrait",
        )
        speech_look: Any = {"type": "filepath", "sources": ["upload", "microphone"], "buttons": []}
        speech = gr.Audio(label="Speech", elem_id="speech", **speech_look)
    portrait.preprocess = _uploaded_path
    speech.preprocess = _uploaded_path
    faces = gr.HTML("", elem_id="faces", js_on_load=ANNOUNCED)
    face_files = [ASSETS / "portrait.jpg", *FACES]
    gr.Examples([[str(face)] for face in face_files], [portrait], label="Faces", elem_id="example-faces")
    voices = [[str(ASSETS / name)] for name in VOICES]
    gr.Examples(voices, [speech], label="Voices", example_labels=list(VOICES.values()), elem_id="example-voices")
    with gr.Row():
        start = gr.Button("Generate", variant="primary", min_width=100, elem_id="start")
        stop = gr.Button("Stop", variant="stop", min_width=100, elem_id="stop")
    status = gr.HTML(sentence(READY), elem_id="status", js_on_load=ANNOUNCED)
    return _Inputs(portrait, speech, start, stop, status, faces)


def _result() -> _Result:
    with gr.Column(elem_id="stage"):
        look: Any = {"buttons": ["download"], "height": 440, "interactive": False}
        example = str(EXAMPLE_RESULT)
        video = gr.Video(example, label="Result", elem_id="result", **look)
        video.preprocess = _uploaded_path
        preview = gr.HTML("", elem_id="preview")
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
    return _Result(video, preview, record, apply, past)


def _tune() -> _Tune:
    with gr.Row():
        presets = {name: gr.Button(name, size="sm", min_width=80) for name in PRESETS}
    with gr.Row():
        reset = gr.Button("Reset all", size="sm", min_width=80)
        seed = gr.Button("Random seed", size="sm", min_width=80)
    return _Tune(list(laid_out().values()), presets, reset, seed)


def _connect_generation(line: Line, inputs: _Inputs, result: _Result, tune: _Tune) -> None:
    given = [inputs.portrait, inputs.speech, *tune.controls]
    shown = [inputs.status, result.preview, result.video, result.record]
    together: Any = {"concurrency_limit": None}  # visitors wait in the line, which tells them how long
    inputs.start.click(None, js=SEEN, api_visibility="private")  # before the next, which would hold it up
    event = inputs.start.click(handlers.speaker(line), given, shown, **HIDDEN, **together)
    event.then(None, js=PLAY, api_visibility="private")
    past = gr.State(list[tuple[str, str, str]]())
    event.then(handlers.remember, [result.video, result.record, past], [past, result.past], **HIDDEN)
    result.past.click(
        handlers.recall,
        [result.past, past, *tune.controls],
        [inputs.status, result.video, result.record, *tune.controls],
        **HIDDEN,
    )
    inputs.stop.click(handlers.stopper(line), None, None, queue=False, **HIDDEN)
    program, made = gr.Button(visible=False), gr.Video(visible=False, label="result")
    program.click(handlers.endpoint(line), given, made, api_name="generate", **together)


def _connect_settings(inputs: _Inputs, result: _Result, tune: _Tune) -> None:
    seed = tune.controls[SHOWN.index("seed")]
    for name, button in tune.presets.items():
        button.click(handlers.preset(name), tune.controls, tune.controls, queue=False, **HIDDEN)
    tune.reset.click(handlers.reset, None, tune.controls, queue=False, **HIDDEN)
    tune.seed.click(handlers.random_seed, None, seed, queue=False, **HIDDEN)
    pasted = [result.record, *tune.controls]
    result.apply.click(handlers.paste, pasted, [inputs.status, *tune.controls], queue=False, **HIDDEN)


def _connect_portrait(pipeline: Pipeline, inputs: _Inputs, tune: _Tune) -> None:
    face, preprocessor = tune.controls[SHOWN.index("face")], pipeline.preprocessor
    told: Any = {"outputs": [inputs.faces, face], **HIDDEN}
    inputs.portrait.change(handlers.looker(preprocessor), inputs.portrait, **told)
    inputs.portrait.select(handlers.chooser(preprocessor), inputs.portrait, **told)


def _uploaded_path(payload: ImageData | FileData | None) -> str | None:
    """The uploaded file as it is, without Gradio opening it first: what reads it says what is wrong with a bad one."""
    return payload.path if payload else None
