"""One portrait photo and a speech clip in, a talking-head video out.

import vasa_core
pipeline = vasa_core.load()
pipeline.animate("me.jpg", "hello.wav", gaze=(10, 0), emotion="happiness", seed=7).save("out.mp4")
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vasa_core.errors import Cancelled, InputError, MissingModelError
    from vasa_core.options import GenerationOptions
    from vasa_core.pipeline import Pipeline, Prepared, Video
    from vasa_core.types import Motion

# No dependency reports anything about this machine: read when each is first imported, which is after this.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime, which writes a device id and sends events
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # what Gradio, transformers and accelerate use of the Hugging Face hub
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
for _name, _value in NO_TELEMETRY.items():
    os.environ.setdefault(_name, _value)

__version__ = "0.2.0"
__all__ = [
    "Cancelled",
    "GenerationOptions",
    "InputError",
    "MissingModelError",
    "Motion",
    "Pipeline",
    "Prepared",
    "Video",
    "load",
]
_PLACES = {
    **dict.fromkeys(("Cancelled", "InputError", "MissingModelError"), "errors"),
    "GenerationOptions": "options",
    "Motion": "types",
    **dict.fromkeys(("Pipeline", "Prepared", "Video"), "pipeline"),
}


def load(device: str = "auto", face_model: str = "mesh") -> Pipeline:
    """Load the bundled models.

    device: "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N". face_model: "mesh", or "volume" (a research
    preview).
    Raises InputError for a device that is not there, MissingModelError for a third-party file that is not.
    """
    from vasa_core.pipeline import Pipeline

    return Pipeline.load(device, face_model=face_model)


def __getattr__(name: str) -> Any:
    """The public names, whose modules are imported when they are first used: importing the package itself is cheap."""
    if name in _PLACES:
        return getattr(import_module(f"vasa_core.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
