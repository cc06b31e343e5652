"""The controls on the page: one component for each option that the app shows, in groups; presets; and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from vasa_core.app.gaze import connect_gaze, gaze_pad
from vasa_core.errors import InputError, shown
from vasa_core.options import CONTROLS, FACES, MESH, WHOLE, GenerationOptions

DEFAULTS = GenerationOptions()
NO_EMOTION = "none"
FACE_MODEL = "face_model"
SHOWN = (*(name for name, control in CONTROLS.items() if control.label), FACE_MODEL)
GROUPS = {
    "Eyes and head": ("gaze_yaw", "gaze_pitch", "distance", "head_motion"),
    "Expression": ("emotion", "emotion_strength", "expressiveness", "guidance_audio"),
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "Newsreader": {"expressiveness": 0.8, "head_motion": 0.7},
    "Warm": {"emotion": "happiness", "emotion_strength": 0.4, "distance": 0.9},
    "Excited": {"emotion": "happiness", "emotion_strength": 0.7, "expressiveness": 1.6, "head_motion": 1.5},
    "Still": {"expressiveness": 0.6, "head_motion": 0.0},
}
KEPT = ("seed", "size", "framing", "face", FACE_MODEL)  # of the page's values, by a preset
FACE_MODEL_HELP = "mesh moves the photo's own pixels; volume is a research preview at 128 px."


def laid_out() -> dict[str, gr.components.Component]:
    """Render the controls here, everyday ones in GROUPS, the others in a drawer. Returns them in the order of SHOWN."""
    made = {name: _component(name) for name in SHOWN}
    grouped = [name for names in GROUPS.values() for name in names]
    for title, names in GROUPS.items():
        with gr.Group(), gr.Accordion(title, open=True):
            pad = gaze_pad() if "gaze_yaw" in names else None
            for name in names:
                made[name].render()
            if pad:
                connect_gaze(pad, made["gaze_yaw"], made["gaze_pitch"])
    with gr.Accordion("Expert: seed, size, framing, sampler, guidance", open=False, elem_id="expert"):
        for name in ("seed", "size", "framing", "face", *SHOWN):
            if name not in grouped and not made[name].is_rendered:
                made[name].render()
    return made


def _component(name: str) -> gr.components.Component:
    """The component of an option, which gives its value as it was sent: what is wrong with it is said by `asked`."""
    made = _drawn(name)
    control = CONTROLS.get(name)
    told = f"{control.help} {control.meaning}".strip() if control else FACE_MODEL_HELP
    schema: dict[str, Any] = {**made.api_info(), "additional_description": told}
    if name == "seed":
        schema["description"] = told
    made.api_info = lambda: schema
    made.preprocess = _as_given
    return made


def _drawn(name: str) -> gr.components.Component:
    if name == FACE_MODEL:
        return gr.Radio(FACES, value=MESH, label="Face model", info=FACE_MODEL_HELP, render=False)
    control, default = CONTROLS[name], getattr(DEFAULTS, name)
    look: Any = {"label": control.label, "info": control.help, "render": False, "elem_id": f"option-{name}"}
    if isinstance(default, bool):
        return gr.Checkbox(default, **look)
    if name == "emotion":
        return gr.Dropdown([NO_EMOTION, *control.choices], value=NO_EMOTION, **look)
    if control.choices:
        return gr.Radio([str(choice) for choice in control.choices], value=str(default), **look)
    if name in WHOLE and name != "steps":
        return gr.Number(default, precision=0, minimum=0, **look)
    assert control.low is not None
    assert control.high is not None
    return gr.Slider(control.low, control.high, default, step=control.step, **look)


def _as_given(payload: Any) -> Any:
    return payload


def asked(values: tuple[Any, ...]) -> tuple[GenerationOptions, str]:
    """The options and the face model of the values of SHOWN.

    Raises InputError, naming it, for a value that cannot be used.
    """
    given = dict(zip(SHOWN, values, strict=True))
    face_model = given.pop(FACE_MODEL)
    if face_model not in FACES:
        raise InputError(f"face_model is {shown(face_model)}; expected one of {', '.join(FACES)}.")
    if given["emotion"] == NO_EMOTION:
        given["emotion"] = None
    texts = {str(size): size for size in CONTROLS["size"].choices}
    if isinstance(given["size"], str):
        given["size"] = texts.get(given["size"], given["size"])
    return GenerationOptions.of(**given), face_model


def on_page(options: GenerationOptions, face_model: str) -> list[Any]:
    """The values of SHOWN on the page that stand for them."""
    values = {name: getattr(options, name) for name in SHOWN if name != FACE_MODEL}
    values |= {"emotion": options.emotion or NO_EMOTION, "size": str(options.size), FACE_MODEL: face_model}
    return [values[name] for name in SHOWN]


def with_preset(name: str, values: tuple[Any, ...]) -> list[Any]:
    """The page's values with a preset: its own, those of KEPT as they are, and defaults for the others."""
    preset = dict(zip(SHOWN, on_page(GenerationOptions.of(**PRESETS[name]), MESH), strict=True))
    now = dict(zip(SHOWN, values, strict=True))
    return [now[name] if name in KEPT else preset[name] for name in SHOWN]
