"""The web app: a portrait, a speech clip and the controls of one generation. Everything else is in `vasa_core`."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from vasa_core.assets import ASSETS
from vasa_core.errors import InputError, MissingModelError
from vasa_core.options import DISTANCE_RANGE, EMOTION_CHOICES, FACES, GAZE_LIMIT, GenerationOptions
from vasa_core.pipeline import Pipeline

DEFAULTS = GenerationOptions()
NO_EMOTION = "none"
FURTHER_SCALES = {
    "gaze": "gaze",
    "emotion": "emotion",
    "distance": "head distance",
    "previous": "the motion before",
    "liveliness": "liveliness",
}
POLL_SECONDS = 0.2
GPU_SECONDS = 120  # of a ZeroGPU Space, per generation
CONSENT = (
    "Use only portraits and voices of people who agreed to it. Every video is marked as AI-generated, "
    "in its pixels and in its file. Uploads and results are deleted within two hours."
)


def build_app(pipeline: Pipeline) -> gr.Blocks:
    """The app around a loaded pipeline. Its endpoint for programs is `/generate`."""
    worker = ThreadPoolExecutor(1)  # the pipeline serves one generation at a time, also while a stopped one winds down

    def generate(
        portrait: str | None,
        speech: str | None,
        gaze_yaw: float,
        gaze_pitch: float,
        distance: float,
        emotion: str,
        emotion_strength: float,
        guidance_audio: float,
        guidance_gaze: float,
        guidance_emotion: float,
        guidance_distance: float,
        guidance_previous: float,
        guidance_liveliness: float,
        expressiveness: float,
        head_motion: float,
        steps: int,
        seed: int,
        size: int,
        paste_back: bool,
        face: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio recognises it
    ) -> Iterator[Any]:
        if not portrait or not speech:
            raise gr.Error(f"Add a {'speech clip' if portrait else 'portrait'} first.", print_exception=False)
        options = GenerationOptions(
            gaze_yaw=float(gaze_yaw),
            gaze_pitch=float(gaze_pitch),
            distance=float(distance),
            emotion=None if emotion == NO_EMOTION else emotion,
            emotion_strength=float(emotion_strength),
            guidance_audio=float(guidance_audio),
            guidance_gaze=float(guidance_gaze),
            guidance_emotion=float(guidance_emotion),
            guidance_distance=float(guidance_distance),
            guidance_previous=float(guidance_previous),
            guidance_liveliness=float(guidance_liveliness),
            expressiveness=float(expressiveness),
            head_motion=float(head_motion),
            steps=steps,
            seed=seed,
            size=size,
            paste_back=paste_back,
        )
        progress(0, desc="Reading the portrait and the speech")
        try:
            for done, total, video in _run(worker, pipeline, face, Path(portrait), Path(speech), options):
                if video is None:
                    progress((done, total), desc="Making the video", unit="frames")
                    yield gr.skip()
                else:
                    yield str(video)
        except (InputError, MissingModelError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Blocks(title="Talking portrait", delete_cache=(3600, 3600), analytics_enabled=False) as app:
        gr.Markdown(f"# Talking portrait\nOne photo and one voice become a talking-head video. {CONSENT}")
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
                controls = _controls()
            with gr.Column():
                look: Any = {"autoplay": True, "buttons": ["download"], "height": 512, "interactive": False}
                video = gr.Video(label="Result", elem_id="result", **look)
                with gr.Row():
                    start = gr.Button("Generate", variant="primary")
                    stop = gr.Button("Stop", variant="stop")
        one_at_a_time: Any = {"concurrency_limit": 1, "concurrency_id": "gpu"}
        inputs = [portrait, speech, *controls]
        event = start.click(_on_gpu(generate), inputs, video, api_name="generate", **one_at_a_time)
        stop.click(None, cancels=[event], api_visibility="private")
        gr.Examples(
            [[str(ASSETS / "portrait.jpg"), str(ASSETS / name)] for name in ("speech.wav", "speech2.wav")],
            [portrait, speech],
            api_visibility="private",
        )
    return app.queue(max_size=16)


def _controls() -> list[gr.components.Component]:
    """One component for each of `generate`'s arguments, in their order."""
    gaze_yaw = gr.Slider(-GAZE_LIMIT, GAZE_LIMIT, DEFAULTS.gaze_yaw, step=1, label="Gaze left / right (degrees)")
    gaze_pitch = gr.Slider(-GAZE_LIMIT, GAZE_LIMIT, DEFAULTS.gaze_pitch, step=1, label="Gaze down / up (degrees)")
    distance = gr.Slider(*DISTANCE_RANGE, DEFAULTS.distance, step=0.05, label="Head distance (1 = as photographed)")
    with gr.Row():
        emotion = gr.Dropdown([NO_EMOTION, *EMOTION_CHOICES], value=NO_EMOTION, label="Emotion")
        strength = gr.Slider(0, 1, DEFAULTS.emotion_strength, step=0.05, label="Emotion strength")
    audio = gr.Slider(0, 5, DEFAULTS.guidance_audio, step=0.1, label="CFG scale (how closely to follow the speech)")
    with gr.Row():
        face_life = gr.Slider(0, 2, DEFAULTS.expressiveness, step=0.1, label="Expressiveness (how lively the face is)")
        head = gr.Slider(0, 2, DEFAULTS.head_motion, step=0.1, label="Head motion (0 = still)")
    with gr.Accordion("More", open=False):
        scales = [  # where the default is -1, the motion model is not told of it
            gr.Slider(min(0, scale), 5, scale, step=0.1, label=f"CFG scale of {label}")
            for label, scale in ((t, getattr(DEFAULTS, f"guidance_{n}")) for n, t in FURTHER_SCALES.items())
        ]
        steps = gr.Slider(1, 50, DEFAULTS.steps, step=1, label="Sampler steps")
        seed = gr.Number(DEFAULTS.seed, precision=0, minimum=0, label="Seed")
        size = gr.Radio([256, 512], value=DEFAULTS.size, label="Size (px)")
        whole = gr.Checkbox(DEFAULTS.paste_back, label="Show the whole photo")
        face = gr.Radio(FACES, value=FACES[0], label="Face model (volume: a research preview, 128 px)")
    motion = [gaze_yaw, gaze_pitch, distance, emotion, strength, audio, *scales, face_life, head]
    return [*motion, steps, seed, size, whole, face]


def _run(
    worker: ThreadPoolExecutor, pipeline: Pipeline, face: str, portrait: Path, speech: Path, options: GenerationOptions
) -> Iterator[tuple[int, int, Path | None]]:
    """Generate on `worker`; yields (frames done, frames in all, None) while it runs, then the video.

    The video lives until the caller asks for the next item. Closing this generator stops the work without waiting
    for it; either way nothing is left on disk.
    """
    stopped = threading.Event()
    folder = tempfile.TemporaryDirectory(prefix="vasa_")
    out = Path(folder.name) / "result.mp4"
    reached = (0, 1)

    def report(done: int, total: int) -> None:
        nonlocal reached
        reached = (done, total)

    watch: Any = {"cancelled": stopped.is_set, "progress": report}
    job = worker.submit(lambda: pipeline.with_face(face).generate(portrait, speech, out, options, **watch))
    try:
        while wait([job], POLL_SECONDS).not_done:
            yield *reached, None
        job.result()
        yield *reached, out
    finally:
        stopped.set()
        job.cancel()
        job.add_done_callback(lambda _: folder.cleanup())


def _uploaded_path(payload: ImageData | None) -> str | None:
    """The uploaded photo as it is, without Gradio opening it first: `read_image` says what is wrong with a bad one."""
    return payload.path if payload else None


def _on_gpu(handler: Any) -> Any:
    """On a ZeroGPU Space a handler borrows the GPU for each call; anywhere else it is left as it is."""
    if importlib.util.find_spec("spaces") is None:
        return handler
    return importlib.import_module("spaces").GPU(duration=GPU_SECONDS)(handler)


def main() -> None:
    """Load the models and serve the app."""
    build_app(Pipeline.load()).launch(max_file_size="50mb", theme=gr.themes.Soft())


if __name__ == "__main__":
    main()
