"""What several tests share: the bundled example files and one loaded pipeline."""

from __future__ import annotations

import os
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

    from vasa_core.pipeline import Pipeline


def pytest_configure() -> None:
    """One thread for torch: two that wait for each other take a hundred times as long on a machine that is busy.

    Videos are signed with a key of the tests, not the user's, and what is uploaded lies in a folder of theirs: Gradio
    names files by their content, and an app that ends takes another's with it.
    """
    os.environ.setdefault("VASA_CONFIG", tempfile.mkdtemp(prefix="vasa-tests-"))
    os.environ.setdefault("GRADIO_TEMP_DIR", tempfile.mkdtemp(prefix="vasa-tests-"))
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are skipped, and say why, where torch has no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def portrait() -> Path:
    return ASSETS / "portrait.jpg"


@pytest.fixture(scope="session")
def short_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of the bundled speech."""
    from vasa_core.io.audio import read_audio

    samples = read_audio(ASSETS / "speech.wav")[: 2 * SAMPLE_RATE]
    target = tmp_path_factory.mktemp("speech") / "short.wav"
    with wave.open(str(target), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(SAMPLE_RATE)
        stream.writeframes((samples * 32767).round().astype(np.dtype("<i2")).tobytes())
    return target


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The bundled models, loaded once, on the CPU."""
    from vasa_core.pipeline import Pipeline

    return Pipeline.load("cpu")


@pytest.fixture(scope="session")
def app_address(pipeline: Pipeline) -> Iterator[str]:
    """The real app, served on a free loopback port."""
    from vasa_core.app.job import loaded
    from vasa_core.app.page import LAUNCH, build_app

    app = build_app(loaded(pipeline))
    _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **LAUNCH)
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
