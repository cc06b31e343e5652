"""What a process that serves the app does: listen, load the models, keep visitors' files in a folder of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from vasa_core.app.folder import visitors_folder
from vasa_core.app.job import Models
from vasa_core.app.page import LAUNCH, build_app
from vasa_core.app.settings import Settings
from vasa_core.app.speak_socket import Speaking
from vasa_core.assets import ASSETS


def serve(settings: Settings) -> None:
    """Serve the app until the process is asked to end; nothing of its visitors stays on disk.

    The page is there at once, and the models as soon as they are loaded. Raises MissingModelError, which ends the app,
    if they cannot be.
    """
    with visitors_folder(Path(tempfile.gettempdir())) as folder:
        tempfile.tempdir = str(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "files")
        models: Models = Models()
        where = {"server_name": settings.host, "server_port": settings.port, "auth": settings.login}
        live = {"routes": Speaking(models.result, settings).routes}
        app = build_app(models, settings)
        try:
            app.launch(prevent_thread_lock=True, **where, **LAUNCH, app_kwargs=live)
            models.set_result(_loaded())
            app.block_thread()
        finally:
            models.cancel()  # whoever waits for them would keep the process


def _loaded() -> Any:
    """The pipeline, which has drawn a frame: no visitor waits for what is compiled and read at the first use."""
    from vasa_core.cpu import share_cores
    from vasa_core.device import usable_device
    from vasa_core.pipeline import Pipeline

    device = usable_device("auto")
    share_cores(device)
    pipeline = Pipeline.load(device)
    next(pipeline.stream(pipeline.prepare(ASSETS / "portrait.jpg"), ASSETS / "speech2.wav"))
    return pipeline
