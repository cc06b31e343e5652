"""What several tests share: the bundled example files and one loaded pipeline."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.rates import SAMPLE_RATE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from vasa_core.pipeline import Pipeline, Prepared

# Files of tests that take longest, the longest first: begun first, none of them is left to one process at the end.
LONGEST = (
    *("test_cli.py", "test_app.py", "test_tabs.py", "test_browser.py", "test_live_tab.py", "test_live_talk.py"),
    *("test_pipeline.py", "test_batch.py", "test_wheel.py"),
    *("test_volume_training.py", "test_compare.py", "test_api.py", "test_retarget.py", "test_head.py"),
    *("test_motion_training.py", "test_live.py", "test_folder.py", "test_mark.py", "test_imports.py"),
    *("test_motion_evaluation.py", "test_renderer_evaluation.py", "test_preparation.py", "test_verify.py"),
    *("test_line.py", "test_background.py", "test_hostile_inputs.py", "test_hostile_arguments.py", "test_idle.py"),
)


def pytest_configure() -> None:
    """One thread for torch: two that wait for each other take a hundred times as long on a machine that is busy.

    Each process of tests has a folder of its own for temporary files, uploads (Gradio names them by their content, and
    an app that ends takes another's with it) and the key that signs videos.
    """
    folder = tempfile.mkdtemp(prefix="vasa-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tempfile.tempdir = folder
    os.environ |= {"TMPDIR": folder, "VASA_CONFIG": f"{folder}/config", "GRADIO_TEMP_DIR": f"{folder}/uploads"}
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first; tests marked `gpu` are skipped, and say why, where torch has no CUDA device."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def portrait() -> Path:
    return ASSETS / "portrait.jpg"


def _beginning(seconds: float, target: Path) -> Path:
    """The first seconds of the bundled speech, written to the file `target`."""
    from vasa_core.io.audio import read_audio

    samples = read_audio(ASSETS / "speech.wav")[: round(seconds * SAMPLE_RATE)]
    with wave.open(str(target), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(SAMPLE_RATE)
        stream.writeframes((samples * 32767).round().astype(np.dtype("<i2")).tobytes())
    return target


@pytest.fixture(scope="session")
def short_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of the bundled speech: 50 frames."""
    return _beginning(2.0, tmp_path_factory.mktemp("speech") / "short.wav")


@pytest.fixture(scope="session")
def brief_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 0.6 s of the bundled speech, 15 frames: for tests of what does not depend on how long it is."""
    return _beginning(0.6, tmp_path_factory.mktemp("speech") / "brief.wav")


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The bundled models, loaded once, on the CPU."""
    from vasa_core.pipeline import Pipeline

    return Pipeline.load("cpu")


@pytest.fixture(scope="session")
def prepared(pipeline: Pipeline, portrait: Path) -> Prepared:
    """The bundled portrait, prepared once."""
    return pipeline.prepare(portrait)


@pytest.fixture(scope="session")
def app_address(pipeline: Pipeline) -> Iterator[str]:
    """The real app, served on a free loopback port."""
    from vasa_core.app.job import loaded
    from vasa_core.app.page import LAUNCH, build_app
    from vasa_core.app.settings import Settings
    from vasa_core.app.speak_socket import Speaking

    app, live = build_app(loaded(pipeline)), {"routes": Speaking(lambda: pipeline, Settings()).routes}
    where = {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True}
    _, url, _ = app.launch(**where, **LAUNCH, app_kwargs=live)
    yield url
    app.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Real Chromium, one for the tests of a file."""
    from chromium import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
