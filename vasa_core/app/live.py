"""The Live tab: talk into the microphone, and a face says it at once. Its page is live.html, live.css and live.js."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

import gradio as gr

from vasa_core.app.talk import FACES
from vasa_core.options import CONTROLS, GenerationOptions

TUNED = ("emotion", "expressiveness", "head_motion", "gaze_yaw", "gaze_pitch", "distance", "size")
SIZES = (256, 512)  # px that are drawn as fast as one talks
_HERE = Path(__file__).parent


def live_tab() -> None:
    """Render the tab's content here, into the tab that is open."""
    page = (_HERE / "live.html").read_text()
    page = page.replace("@FACES@", "\n".join(map(_face, FACES))).replace("@CONTROLS@", "\n".join(map(_control, TUNED)))
    style, script = (_HERE / "live.css").read_text(), (_HERE / "live.js").read_text()
    gr.HTML(page, css_template=style, js_on_load=script, elem_id="live")


def _face(name: str) -> str:
    """A bundled face to choose."""
    source = f"gradio_api/file={quote(str(FACES[name]))}"
    chosen = " checked" if name == next(iter(FACES)) else ""
    return (
        f'<label><input type="radio" name="live-face" value="{escape(name)}"{chosen}>'
        f'<img src="{source}" alt="{escape(name)}" width="64" height="64"></label>'
    )


def _control(name: str) -> str:
    """An option's slider or list, as `options.CONTROLS` has it."""
    control, default = CONTROLS[name], getattr(GenerationOptions(), name)
    if control.low is not None:
        limits = f'min="{control.low}" max="{control.high}" step="{control.step}" value="{default}"'
        field = f'<input type="range" data-option="{name}" {limits}><output>{default:g}</output>'
    else:
        choices = SIZES if name == "size" else ("", *control.choices)
        chosen = ("" if default is None else default,)
        options = [
            f'<option value="{choice}"{" selected" if choice in chosen else ""}>{choice or "none"}</option>'
            for choice in choices
        ]
        field = f'<select data-option="{name}">{"".join(options)}</select>'
    return f'<label title="{escape(control.help)}"><span>{escape(control.label)}</span>{field}</label>'
