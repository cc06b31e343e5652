"""The app as a visitor meets it: real Chromium uploads, moves a slider, generates, plays and stops."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS = [*_QUIET, "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
TIMEOUT_MS = 90_000
VIDEO = "document.querySelector('#result video')"

expect.set_options(timeout=30_000)
pytestmark = pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed")


@pytest.fixture
def page(app_address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(app_address)
        yield page
        browser.close()


def test_upload_slider_generate_and_play(page: Page, portrait: Path, short_speech: Path) -> None:
    page.locator("#portrait input[type=file]").set_input_files(portrait)
    page.locator("#speech input[type=file]").set_input_files(short_speech)
    expect(page.locator("#portrait img").first).to_be_visible()
    expect(page.locator("#speech").get_by_text("0:02").first).to_be_visible()

    page.get_by_label("range slider for Gaze left / right").press("ArrowRight")
    expect(page.get_by_label("number input for Gaze left / right")).to_have_value("1")

    page.get_by_role("button", name="Generate").click()
    video = page.locator("#result video")
    expect(video).to_be_visible(timeout=TIMEOUT_MS)
    page.wait_for_function(f"{VIDEO}.readyState >= 2")
    assert video.evaluate("v => v.duration") == pytest.approx(2.0, abs=0.06)
    assert video.evaluate("v => [v.videoWidth, v.videoHeight]") == [512, 512]
    video.evaluate("v => { v.muted = true; v.currentTime = 0; return v.play() }")
    page.wait_for_function(f"{VIDEO}.currentTime > 0.5")
    if folder := os.environ.get("VASA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "app.png")


def test_an_example_fills_the_inputs_and_stop_ends_the_work(page: Page) -> None:
    page.get_by_text("speech.wav").first.click()
    expect(page.locator("#portrait img").first).to_be_visible()
    expect(page.locator("#speech").get_by_text(re.compile("0:(09|10)")).first).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Making the video")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Making the video")).to_be_hidden()
    expect(page.locator("#result video")).to_have_count(0)


def test_a_missing_portrait_is_said_in_one_sentence(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Add a portrait first.")).to_be_visible()
