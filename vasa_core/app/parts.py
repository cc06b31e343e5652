"""What several tabs are laid out of: inputs with examples, buttons and status line of a job, the stage of its result.

A tab gives a prefix, with which the ids of its elements begin; Speak's is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData, ListFiles
from gradio_client.utils import is_http_url_like

from vasa_core.app.follow import chooser, looker, stopper
from vasa_core.app.job import Line, Models
from vasa_core.app.settings import Settings
from vasa_core.app.status import sentence
from vasa_core.assets import ASSETS
from vasa_core.errors import shortened

FACES = (ASSETS / "portrait.jpg", *sorted((ASSETS / "faces").glob("*.jpg")))
VOICES = {"speech.wav": "Maple introduces herself (10 s)", "speech2.wav": "Maple on pumpkins (4 s)"}
EXAMPLE_RESULT = ASSETS / "example.mp4"
CONSENT = (
    "Use only portraits and voices of people who agreed to it. Every video is marked as AI-generated, "
    "in its pixels and in its file. Uploads and results are deleted within two hours."
)
ANNOUNCED = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"
PLAY = "() => setTimeout(() => document.querySelector('#{prefix}result video')?.play().catch(() => {{}}), 400)"
# On a phone the result is below the button that was pressed.
SEEN = "() => innerWidth <= 800 && document.querySelector('#{prefix}status').scrollIntoView({{block: 'start'}})"
SMALL = 228  # px, height of inputs in tabs that have more of them
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
TOGETHER: dict[str, Any] = {"concurrency_limit": None}  # visitors wait in the line, which tells them how long


@dataclass(frozen=True)
class Studio:
    """What every tab is given: the line of jobs, the models, which may still be loading, and the tabs themselves."""

    line: Line
    models: Models
    settings: Settings
    tabs: gr.Tabs


@dataclass(frozen=True)
class Portrait:
    """A photo, and the sentence on its faces."""

    image: gr.Image
    faces: gr.HTML


@dataclass(frozen=True)
class JobBar:
    """A job's buttons and status line."""

    start: gr.Button
    stop: gr.Button
    status: gr.HTML


@dataclass(frozen=True)
class Stage:
    """Where a video is shown, and before it is there its newest frame."""

    video: gr.Video
    preview: gr.HTML


def portrait_input(prefix: str = "", height: int = 296) -> gr.Image:
    """Where a photo is given. height: px."""
    sources: Any = ["upload", "webcam"]
    image = gr.Image(
        label="Portrait",
        type="filepath",
        image_mode=None,
        sources=sources,
        height=height,
        buttons=[],
        elem_id=f"{prefix}portrait",
    )
    take_uploads(image)
    return image


def speech_input(prefix: str = "") -> gr.Audio:
    """Where a speech clip is given."""
    look: Any = {"type": "filepath", "sources": ["upload", "microphone"], "buttons": []}
    speech = gr.Audio(label="Speech", elem_id=f"{prefix}speech", **look)
    take_uploads(speech)
    return speech


def video_input(label: str, elem_id: str) -> gr.Video:
    """Where a video is given."""
    look: Any = {"sources": ["upload"], "buttons": [], "height": SMALL}
    video = gr.Video(label=label, elem_id=elem_id, **look)
    take_uploads(video)
    return video


def face_examples(image: gr.Image, prefix: str = "") -> None:
    """Faces to take in one click."""
    gr.Examples([[str(face)] for face in FACES], [image], label="Faces", elem_id=f"{prefix}example-faces")


def voice_examples(speech: gr.Audio, prefix: str = "") -> None:
    """Voices to take in one click."""
    voices = [[str(ASSETS / name)] for name in VOICES]
    names = list(VOICES.values())
    gr.Examples(voices, [speech], label="Voices", example_labels=names, elem_id=f"{prefix}example-voices")


def faces_line(prefix: str = "") -> gr.HTML:
    """The sentence on a photo's faces."""
    return gr.HTML("", elem_id=f"{prefix}faces", elem_classes="faces-line", js_on_load=ANNOUNCED)


def job_bar(label: str, ready: str, prefix: str = "") -> JobBar:
    """A button that starts a job, Stop, and the line that tells how far it is. ready: what stands there before."""
    with gr.Row():
        start = gr.Button(label, variant="primary", min_width=100, elem_id=f"{prefix}start")
        stop = gr.Button("Stop", variant="stop", min_width=100, elem_id=f"{prefix}stop")
    status = gr.HTML(sentence(ready), elem_id=f"{prefix}status", elem_classes="status-line", js_on_load=ANNOUNCED)
    return JobBar(start, stop, status)


def stage(label: str, prefix: str = "", example: str | None = None) -> Stage:
    """Where a job's video is shown, with an example at first."""
    with gr.Column(elem_classes="desk-stage"):
        look: Any = {"buttons": ["download"], "height": 440, "interactive": False}
        video = gr.Video(example, label=label, elem_id=f"{prefix}result", **look)
        take_uploads(video)
        preview = gr.HTML("", elem_classes="desk-preview")
    return Stage(video, preview)


def connect_job(
    studio: Studio, bar: JobBar, handler: Any, given: Sequence[Any], shown: Sequence[Any], prefix: str = ""
) -> Any:
    """Let the bar's buttons start and stop a job. Returns what happens when it has ended."""
    seen = SEEN.format(prefix=prefix)
    bar.start.click(None, js=seen, api_visibility="private")  # before the next, which would hold it up
    event = bar.start.click(handler, list(given), list(shown), **HIDDEN, **TOGETHER)
    event.then(None, js=PLAY.format(prefix=prefix), api_visibility="private")
    bar.stop.click(stopper(studio.line), None, None, queue=False, **HIDDEN)
    return event


def connect_faces(studio: Studio, portrait: Portrait, number: Any) -> None:
    """Say how many faces a photo has, and let a click choose one. number: the component that holds which."""
    told: Any = {"outputs": [portrait.faces, number], **HIDDEN}
    portrait.image.change(looker(studio.models), portrait.image, **told)
    portrait.image.select(chooser(studio.models), portrait.image, **told)


def played_in_step(files: list[str], labels: list[str]) -> str:
    """A frame of the page in which files that the app serves are played in step."""
    from vasa_core.pipeline.player import player_page

    page = player_page([(f"gradio_api/file={file}", label) for file, label in zip(files, labels, strict=True)])
    return f'<iframe class="player" title="The videos in step" srcdoc="{escape(page)}"></iframe>'


def take_uploads(component: gr.components.Component) -> None:
    """Let a component give what was uploaded to it, and refuse an address: what lies there may be of any size."""
    move = component.async_move_resource_to_block_cache

    async def moved(url_or_file_path: str | Path | None) -> str | None:
        if is_http_url_like(str(url_or_file_path)):
            said = f"The file is {shortened(str(url_or_file_path))}, an address; expected an upload."
            raise gr.Error(said, print_exception=False)
        return await move(url_or_file_path)

    component.async_move_resource_to_block_cache = moved
    component.preprocess = _uploaded_path


def _uploaded_path(payload: ImageData | FileData | ListFiles | None) -> Any:
    """The uploaded file, or the list of them, as it is, without Gradio opening it first: what reads it says what is
    wrong with a bad one."""
    if isinstance(payload, ListFiles):
        return [file.path for file in payload.root]
    return payload.path if payload else None
