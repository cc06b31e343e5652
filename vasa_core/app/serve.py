"""What a process that serves the app does: load the models, keep visitors' files in a folder of its own, listen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from vasa_core.app.folder import visitors_folder
from vasa_core.app.page import LAUNCH, build_app, theme
from vasa_core.cpu import share_cores
from vasa_core.pipeline import Pipeline


def serve() -> None:
    """Load the models and serve the app until the process is asked to end; nothing of its visitors stays on disk."""
    with visitors_folder(Path(tempfile.gettempdir())) as folder:
        tempfile.tempdir = str(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "files")
        pipeline = Pipeline.load()
        share_cores(pipeline.device)
        build_app(pipeline).launch(theme=theme(), **LAUNCH)
