"""The web app: a portrait, a speech clip and the controls of one generation. Everything else is in `vasa_core`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, no_type_check

import gradio as gr
from gradio.data_classes import FileData, ImageData

from vasa_core.app.job import run
from vasa_core.assets import ASSETS
from vasa_core.errors import InputError, MissingModelError, shown
from vasa_core.options import CONTROLS, FACES, MAX_IMAGE_PIXELS, MAX_UPLOAD_MB, PICTURES, WHOLE, GenerationOptions
from vasa_core.pipeline import Pipeline

DEFAULTS = GenerationOptions()
NO_EMOTION = "none"
SHOWN = tuple(name for name, control in CONTROLS.items() if control.label)
TAKES = (
    f"Portrait: {PICTURES}, at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels. Speech: any audio or video file. "
    f"Each at most {MAX_UPLOAD_MB} MB."
)
# A refused request is answered with its sentence, by Gradio too.
LAUNCH: dict[str, Any] = {"max_file_size": f"{MAX_UPLOAD_MB}mb", "show_error": True}
KEPT_SECONDS = 3600  # that a file is kept at least; every so often those older are deleted
CONSENT = (
    "Use only portraits and voices of people who agreed to it. Every video is marked as AI-generated, "
    "in its pixels and in its file. Uploads and results are deleted within two hours."
)


def build_app(pipeline: Pipeline, kept_seconds: int = KEPT_SECONDS) -> gr.Blocks:
    """The app around a loaded pipeline. Its endpoint for programs is `/generate`.

    kept_seconds: how long uploads and results are kept at least; they are gone after twice that time.
    """
    gr.set_static_paths([ASSETS])  # served from where they are: nothing deletes them
    worker = ThreadPoolExecutor(1)  # the pipeline serves one generation at a time, also while a stopped one winds down

    @no_type_check  # by beartype, whose wrapper would not be the generator that Gradio looks for
    def generate(portrait: str | None, speech: str | None, *values: Any) -> Iterator[Any]:
        *chosen, face_model, progress = values
        if not portrait or not speech:
            raise gr.Error(f"Add a {'speech clip' if portrait else 'portrait'} first.", print_exception=False)
        progress(0, desc="Reading the portrait and the speech")
        try:
            _check_kept({"portrait": portrait, "speech clip": speech})
            if face_model not in FACES:
                raise InputError(f"face_model is {shown(face_model)}; expected one of {', '.join(FACES)}.")
            named = dict(zip(SHOWN, chosen, strict=True))
            options = GenerationOptions.of(**{**named, "emotion": _emotion(named["emotion"])})
            for done, total, video in run(worker, pipeline, face_model, Path(portrait), Path(speech), options):
                if video is None:
                    progress((done, total), desc="Making the video", unit="frames")
                    yield None  # gr.skip() would make Gradio forget which files it has to delete
                else:
                    yield str(video)
        except (InputError, MissingModelError, OSError) as error:  # OSError: a full disk, say
            raise gr.Error(str(error), print_exception=False) from error

    generate.__signature__ = _signature()  # names the API's parameters

    with gr.Blocks(title="Talking portrait", delete_cache=(kept_seconds, kept_seconds), analytics_enabled=False) as app:
        gr.Markdown(f"# Talking portrait\nOne photo and one voice become a talking-head video. {CONSENT}\n\n{TAKES}")
        with gr.Row():
            with gr.Column():
                portrait = gr.Image(
                    label="Portrait",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam"],
                    height=280,
                    elem_id="portrait",
                )
                portrait.preprocess = _uploaded_path
                speech = gr.Audio(label="Speech", type="filepath", sources=["upload", "microphone"], elem_id="speech")
                speech.preprocess = _uploaded_path
                controls = _controls()
                for control in controls:  # what is wrong with a value is said by its control's own sentence
                    control.preprocess = _as_given
            with gr.Column():
                look: Any = {"autoplay": True, "buttons": ["download"], "height": 512, "interactive": False}
                video = gr.Video(label="Result", elem_id="result", **look)
                with gr.Row():
                    start = gr.Button("Generate", variant="primary")
                    stop = gr.Button("Stop", variant="stop")
        one_at_a_time: Any = {"concurrency_limit": 1, "concurrency_id": "gpu"}
        inputs = [portrait, speech, *controls]
        event = start.click(generate, inputs, video, api_name="generate", **one_at_a_time)
        stop.click(None, cancels=[event], api_visibility="private")
        gr.Examples(
            [[str(ASSETS / "portrait.jpg"), str(ASSETS / name)] for name in ("speech.wav", "speech2.wav")],
            [portrait, speech],
            api_visibility="private",
        )
    return app.queue(max_size=16)


def _signature() -> inspect.Signature:
    """Parameters of the endpoint: portrait, speech, every control that the app shows, and Gradio's progress."""
    names = ["portrait", "speech", *SHOWN, "face_model"]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    progress = inspect.Parameter("progress", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=gr.Progress())
    return inspect.Signature([*parameters, progress])


def _check_kept(uploads: dict[str, str]) -> None:
    """Raises InputError for an upload that was deleted because the page had been open too long."""
    for name, path in uploads.items():
        if not Path(path).is_file():
            raise InputError(f"The {name} has expired; add it again.")


def theme() -> gr.themes.Base:
    """How the app looks."""
    return gr.themes.Soft()


def _emotion(chosen: Any) -> Any:
    return None if chosen == NO_EMOTION else chosen


def _controls() -> list[gr.components.Component]:
    """One component for each of SHOWN, and the face model."""
    shown = {name: _component(name) for name in SHOWN}
    for name, component in shown.items():
        if not CONTROLS[name].expert:
            component.render()
    with gr.Accordion("More", open=False):
        for name, component in shown.items():
            if CONTROLS[name].expert:
                component.render()
        face_model = gr.Radio(FACES, value=FACES[0], label="Face model (volume: a research preview, 128 px)")
    return [*shown.values(), face_model]


def _component(name: str) -> gr.components.Component:
    control, default = CONTROLS[name], getattr(DEFAULTS, name)
    look: Any = {"label": control.label, "info": control.help, "render": False}
    if isinstance(default, bool):
        return gr.Checkbox(default, **look)
    if name == "emotion":
        return gr.Dropdown([NO_EMOTION, *control.choices], value=NO_EMOTION, **look)
    if control.choices:
        return gr.Radio(list(control.choices), value=default, **look)
    if name in WHOLE and name != "steps":
        return gr.Number(default, precision=0, minimum=0, **look)
    assert control.low is not None
    assert control.high is not None
    return gr.Slider(control.low, control.high, default, step=control.step, **look)


def _uploaded_path(payload: ImageData | FileData | None) -> str | None:
    """The uploaded file as it is, without Gradio opening it first: what reads it says what is wrong with a bad one."""
    return payload.path if payload else None


def _as_given(payload: Any) -> Any:
    return payload
