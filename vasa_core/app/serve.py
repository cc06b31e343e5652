"""What a process that serves the app does: load the models, keep visitors' files in a folder of its own, listen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from vasa_core.app.folder import visitors_folder
from vasa_core.app.page import LAUNCH, build_app
from vasa_core.app.settings import Settings
from vasa_core.app.speak_socket import Speaking
from vasa_core.assets import ASSETS
from vasa_core.cpu import share_cores
from vasa_core.device import usable_device
from vasa_core.pipeline import Pipeline


def serve(settings: Settings) -> None:
    """Load the models and serve the app until the process is asked to end; nothing of its visitors stays on disk."""
    with visitors_folder(Path(tempfile.gettempdir())) as folder:
        tempfile.tempdir = str(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "files")
        device = usable_device("auto")
        share_cores(device)
        pipeline = Pipeline.load(device)
        where = {"server_name": settings.host, "server_port": settings.port, "auth": settings.login}
        _warm_up(pipeline)
        live = {"routes": Speaking(lambda: pipeline, settings).routes}
        build_app(pipeline, settings).launch(**where, **LAUNCH, app_kwargs=live)


def _warm_up(pipeline: Pipeline) -> None:
    """Draw a frame, so that no visitor waits for what is compiled and read at the first use."""
    next(pipeline.stream(pipeline.prepare(ASSETS / "portrait.jpg"), ASSETS / "speech2.wav"))
