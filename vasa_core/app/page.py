"""The page: its tabs, put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, no_type_check

import gradio as gr

from vasa_core.app.job import LOADING, Line, Models
from vasa_core.app.live import live_tab
from vasa_core.app.parts import HIDDEN, TOGETHER, Studio
from vasa_core.app.settings import Settings
from vasa_core.app.status import READY, sentence
from vasa_core.app.style import CSS, THEME
from vasa_core.app.tabs.compare import compare_tab
from vasa_core.app.tabs.reenact import reenact_tab
from vasa_core.app.tabs.speak import speak_tab
from vasa_core.app.tabs.verify import verify_tab
from vasa_core.assets import ASSETS
from vasa_core.options import MAX_UPLOAD_MB

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
# The tabs that are not open are not in the document yet.
NAME_FACES = """() => {
  const named = () => document.querySelectorAll('[id$=example-faces]').forEach(faces => faces.querySelectorAll('button')
    .forEach((button, index) => button.hasAttribute('aria-label')
      || button.setAttribute('aria-label', `Example face ${index + 1}`)));
  named();
  new MutationObserver(named).observe(document.body, {childList: true, subtree: true});
}"""


def build_app(models: Models, settings: Settings | None = None, kept_seconds: int = KEPT_SECONDS) -> gr.Blocks:
    """The app around a pipeline, which may still be loading: jobs wait for it. Its endpoint is `/generate`.

    kept_seconds: how long uploads and results are kept at least; they are gone after twice that time.
    """
    settings = settings or Settings()
    gr.set_static_paths([ASSETS])  # served from where they are: nothing deletes them
    line = Line(models, settings.queue, settings.max_seconds)
    with gr.Blocks(title="Talking portrait", delete_cache=(kept_seconds, kept_seconds), analytics_enabled=False) as app:
        gr.Markdown("# Talking portrait\nOne photo and one voice become a talking-head video.")
        with gr.Tabs(selected="speak", elem_id="tabs", overflow_behavior="wrap") as tabs:
            studio = Studio(line, models, settings, tabs)
            with gr.Tab("Speak", id="speak"):
                speak = speak_tab(studio)
            with gr.Tab("Live", id="live"):
                live_tab()
            with gr.Tab("Compare", id="compare") as opened:
                compare_tab(studio, speak, opened)
            with gr.Tab("Reenact", id="reenact"):
                reenact_tab(studio)
            with gr.Tab("Verify", id="verify"):
                verify_tab(studio)
        app.load(None, js=NAME_FACES, api_visibility="private")
        app.load(_waiter(models), None, speak.status, **HIDDEN, **TOGETHER)
    return app.queue()  # the line has a length of its own


def _waiter(models: Models) -> Any:
    """What the status line says when the page is opened, and once the models are there."""

    @no_type_check  # by beartype, whose wrapper would not be the generator that Gradio looks for
    def wait() -> Iterator[Any]:
        if models.done():
            yield gr.skip()
            return
        yield sentence(f"{LOADING} Choose a portrait and a voice meanwhile; Generate waits for them.")
        models.result()
        yield sentence(READY)

    return wait
