"""The tabs beside Speak as a visitor meets them, in real Chromium; and what they make of what was typed."""

from __future__ import annotations

import re
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import DESKTOP, FAINT, PHONE, TIMEOUT_MS, needs_chromium, screenshot
from playwright.sync_api import Browser, Page, expect

from vasa_core.app.job import Models, loaded
from vasa_core.app.page import LAUNCH, build_app
from vasa_core.app.tabs.compare import NOTHING_VARIED, OPTIONS, suggested, varied
from vasa_core.app.tabs.reenact import FOLLOWED, OTHER, SPINNING, STILL, sources
from vasa_core.assets import ASSETS
from vasa_core.errors import InputError
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.rates import SAMPLE_RATE

expect.set_options(timeout=TIMEOUT_MS)
TABS = {"Speak": "", "Compare": "compare-", "Reenact": "reenact-", "Verify": "verify-"}
PLAIN = GenerationOptions()
# What a visitor types into or chooses with, and that has no name that is read out.
UNNAMED = """() => [...document.querySelectorAll('input:not([type=file]), textarea, select, button, [role=tab]')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().width)
  .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length
    || e.getAttribute('aria-labelledby') || e.alt)).map(e => e.outerHTML.slice(0, 120))"""


def opened(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.locator(f"#{TABS[tab]}start")).to_be_visible()


def page_of(browser: Browser, address: str, size: dict[str, int], theme: str = "light") -> Page:
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{address}?__theme={theme}")
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def brief_speech(short_speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.8 s, 20 frames."""
    target = tmp_path_factory.mktemp("speech") / "brief.wav"
    with wave.open(str(short_speech)) as source, wave.open(str(target), "wb") as stream:
        stream.setparams(source.getparams())
        stream.writeframes(source.readframes(SAMPLE_RATE * 4 // 5))
    return target


@pytest.fixture
def page(browser: Browser, app_address: str) -> Iterator[Page]:
    page = page_of(browser, app_address, DESKTOP)
    yield page
    page.close()


def test_an_option_s_values_are_written_with_commas() -> None:
    found = varied(PLAIN, ("gaze_yaw", " \u221220, 0 ,20,"), ("emotion", "none, fear"))
    assert found == {"gaze_yaw": [-20, 0, 20], "emotion": [None, "fear"]}
    assert varied(PLAIN, ("seed", "7"), (NOTHING_VARIED, "x")) == {"seed": [7]}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([(NOTHING_VARIED, "")], "Nothing shall differ; expected one or two options"),
        ([("seed", "1"), ("seed", "2")], "Seed is given twice; expected two different options"),
        ([("seed", " , ")], "Seed has no values; expected some"),
        ([("gaze_yaw", "99")], "gaze_yaw is 99.0; expected a number from -30.0 to 30.0"),
        ([("gaze_yaw", "left")], "gaze_yaw is 'left'; expected a number"),
        ([("style", "/etc/hostname")], "expected an option of the page"),
    ],
)
def test_what_cannot_differ_is_said(given: list[tuple[str, str]], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        varied(PLAIN, *given)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_suggested_values_can_be_used(name: str) -> None:
    values = varied(PLAIN, (name, suggested(name)))[name]
    assert 2 <= len(set(values)) <= 3


def test_head_and_face_come_from_where_the_visitor_says(tmp_path: Path) -> None:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    for file in (one, two):
        file.write_bytes(b"video")
    given: Any = (str(one), str(two))
    for head, mimic, expected in (
        (FOLLOWED, FOLLOWED, (one, one)),
        (FOLLOWED, STILL, (one, None)),
        (STILL, FOLLOWED, (None, one)),
        (SPINNING, FOLLOWED, ("spin", one)),
        (OTHER, FOLLOWED, (two, one)),
        (OTHER, STILL, (two, None)),
    ):
        assert sources(given[0], head, given[1], mimic) == expected
    for head, posing, mimic, sentence in (
        (STILL, None, STILL, "Head and face are both still"),
        (OTHER, None, FOLLOWED, "Add a video for the head first"),
        (OTHER, str(tmp_path / "gone.mp4"), FOLLOWED, "The video for the head has expired"),
    ):
        with pytest.raises(InputError, match=sentence):
            sources(str(one), head, posing, mimic)
    with pytest.raises(InputError, match="Add a video to follow first"):
        sources(None, FOLLOWED, None, FOLLOWED)


SCREENS = [
    pytest.param(DESKTOP, "light", id="desktop-light"),
    pytest.param(PHONE, "dark", id="phone-dark"),
    pytest.param(DESKTOP, "dark", id="desktop-dark", marks=pytest.mark.slow),
    pytest.param(PHONE, "light", id="phone-light", marks=pytest.mark.slow),
]


@needs_chromium
@pytest.mark.parametrize(("size", "theme"), SCREENS)
def test_every_tab_can_be_read_and_used_by_keyboard(
    browser: Browser, app_address: str, size: dict[str, int], theme: str
) -> None:
    page = page_of(browser, app_address, size, theme)
    hosts: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: hosts.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    for tab, prefix in TABS.items():
        opened(page, tab)
        page.wait_for_timeout(500)
        screenshot(page, f"{tab.lower()}-{size['width']}-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], tab
        assert page.evaluate(FAINT) == [], tab
        assert page.evaluate(UNNAMED) == [], tab
        start = page.locator(f"#{prefix}start")
        if size is DESKTOP:
            assert start.evaluate("e => e.getBoundingClientRect().bottom") <= size["height"], tab
        page.locator(f"#{prefix}stop").focus()
        page.keyboard.press("Shift+Tab")
        assert start.evaluate("e => document.activeElement === e"), tab
        assert start.evaluate("e => getComputedStyle(e).outlineWidth") == "3px", tab
    page.get_by_role("tab", name="Reenact").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reenact-start")).to_be_visible()
    assert all(url.startswith((app_address, "data:", "blob:")) for url in hosts)
    assert errors == []
    page.close()


@needs_chromium
def test_a_comparison_plays_in_step_and_its_winner_s_settings_go_to_speak(
    page: Page, portrait: Path, brief_speech: Path
) -> None:
    page.locator("#portrait input[type=file]").set_input_files(portrait)
    page.locator("#speech input[type=file]").set_input_files(brief_speech)
    expect(page.locator("#faces")).to_have_text("A face was found.")
    opened(page, "Compare")
    expect(page.locator("#compare-portrait img").first).to_be_visible()  # Speak's, taken over
    expect(page.locator("#compare-speech").get_by_text("0:00").first).to_be_visible()
    expect(page.locator("#compare-across-values textarea")).to_have_value("-15, 0, 15")
    page.locator("#compare-across-values textarea").fill("-20, 20")
    page.locator("#compare-start").click()
    expect(page.get_by_role("img", name="The newest frame")).to_be_visible()
    expect(page.locator("#compare-status")).to_contain_text("Done: 0.8 s, 640x")
    expect(page.locator("#compare-result video")).to_be_visible()
    assert page.locator("#compare-result video").evaluate("v => v.duration") == pytest.approx(0.8, abs=0.06)
    page.get_by_role("tab", name="In step").click()
    videos = page.frame_locator("iframe.player").locator("video")
    expect(videos).to_have_count(2)
    expect(videos.first).to_have_js_property("videoWidth", 512)
    screenshot(page, "compared")
    expect(page.locator("#compare-keep")).to_be_visible()
    page.get_by_label("gaze-yaw 20", exact=True).check()
    page.locator("#compare-keep").click()
    expect(page.get_by_label("number input for Gaze left / right")).to_have_value("20")
    expect(page.locator("#status")).to_contain_text("The winner's settings are on the page now: gaze-yaw 20.")


@needs_chromium
def test_a_blind_pair_is_judged_and_tallied(page: Page, brief_speech: Path) -> None:
    opened(page, "Compare")
    page.locator("#compare-example-faces button").nth(1).click()
    page.locator("#compare-speech input[type=file]").set_input_files(brief_speech)
    expect(page.locator("#compare-faces")).to_have_text("A face was found.")
    page.get_by_text("Blind test of two settings").click()
    page.locator("#blind-A-now").click()
    expect(page.locator("#blind-A textarea")).to_have_value(re.compile("gaze_yaw"))
    page.locator("#blind-start").click()
    expect(page.locator("#blind-status")).to_have_text("Setting B is empty; expected settings as JSON.")
    page.locator("#blind-A textarea").fill('{"steps": 1}')
    page.locator("#blind-B textarea").fill('{"steps": 1, "emotion": "happiness", "size": 256}')
    expect(page.get_by_role("button", name="Left is better")).to_be_disabled()
    page.locator("#blind-start").click()
    expect(page.locator("#blind-status")).to_have_text("Done: which of the two is better?")
    videos = page.frame_locator("#blind-player iframe").locator("video")
    expect(videos).to_have_count(2)
    expect(videos.first).to_have_js_property("readyState", 4)
    widths = videos.evaluate_all("all => all.map(video => video.videoWidth)")
    assert sorted(widths) == [256, 512]
    page.locator("#blind-player").scroll_into_view_if_needed()
    screenshot(page, "blind")
    page.get_by_role("button", name="Right is better").click()
    expect(page.get_by_role("button", name="Right is better")).to_be_disabled()
    page.get_by_text("The tally").click()
    told = "A was better 0 times, B 1 times" if widths[1] == 256 else "A was better 1 times, B 0 times"
    expect(page.locator("#blind-tally")).to_contain_text(told)
    assert page.evaluate(FAINT) == []
    assert page.evaluate(UNNAMED) == []


@pytest.mark.slow
@needs_chromium
def test_a_face_follows_a_video(page: Page) -> None:
    opened(page, "Reenact")
    page.locator("#reenact-start").click()
    expect(page.locator("#reenact-status")).to_have_text("Add a portrait first.")
    page.locator("#reenact-example-faces button").nth(1).click()
    expect(page.locator("#reenact-faces")).to_have_text("A face was found.")
    page.locator("#reenact-start").click()
    expect(page.locator("#reenact-status")).to_have_text("Add a video to follow first.")
    page.get_by_role("button", name="A video made here").click()
    expect(page.locator("#reenact-driving video")).to_be_visible()
    page.locator("#reenact-head").get_by_label("spinning").check()
    page.locator("#reenact-start").click()
    expect(page.locator("#reenact-status")).to_contain_text(re.compile("Following the video: .* frames so far"))
    expect(page.locator("#reenact-status")).to_contain_text("Done: 4.0 s, 512 px")
    video = page.locator("#reenact-result video")
    assert video.evaluate("v => v.duration") == pytest.approx(4.0, abs=0.06)
    page.locator("#reenact-start").click()
    expect(page.locator("#reenact-status")).to_contain_text(re.compile("Reading|Following"))
    page.locator("#reenact-stop").click()
    expect(page.locator("#reenact-status")).to_have_text("Stopped.")


@needs_chromium
def test_a_file_tells_how_it_was_made(page: Page, tmp_path: Path) -> None:
    opened(page, "Verify")
    page.locator("#verify-start").click()
    expect(page.locator("#verify-status")).to_have_text("Add a file first.")
    page.get_by_role("button", name="A video made here").click()
    expect(page.locator("#verify-file tr")).to_contain_text("example")
    page.locator("#verify-start").click()
    found = page.locator("#verify-found")
    expect(found).to_contain_text("the signer is not in a trust list")
    expect(found).to_contain_text("The mark is in it")
    expect(found).to_contain_text("Says that it is AI-generated")
    (tmp_path / "text.mp4").write_text("no video")
    page.locator("#verify-file").get_by_label("Clear").click()
    page.locator("#verify-file input[type=file]").set_input_files(tmp_path / "text.mp4")
    expect(page.locator("#verify-file tr")).to_contain_text("text")
    page.locator("#verify-start").click()
    expect(page.locator("#verify-status")).to_contain_text("text.mp4 is not a video that can be read; expected")
    expect(found).not_to_contain_text("mark is in it")


@needs_chromium
def test_the_page_is_there_before_the_models_and_says_so(
    browser: Browser, pipeline: Pipeline, portrait: Path, brief_speech: Path
) -> None:
    models = Models()
    app = build_app(models)
    _, address, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **LAUNCH)
    page = page_of(browser, address, DESKTOP)
    try:
        expect(page.locator("#status")).to_contain_text("The models are still being loaded")
        page.locator("#portrait input[type=file]").set_input_files(portrait)
        page.locator("#speech input[type=file]").set_input_files(brief_speech)
        expect(page.locator("#faces")).to_contain_text("the photo is looked at as soon as they are there")
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("#status progress")).to_be_visible()
        expect(page.locator("#status")).to_contain_text("The models are still being loaded")
        models.set_result(pipeline)
        expect(page.locator("#faces")).to_have_text("A face was found.")
        expect(page.locator("#status")).to_contain_text("Done: 0.8 s")
    finally:
        models.cancel()
        page.close()
        app.close()


@needs_chromium
@pytest.mark.slow
def test_what_a_comparison_wrote_is_deleted_in_time(
    browser: Browser, pipeline: Pipeline, brief_speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "visitors"))
    app = build_app(loaded(pipeline), kept_seconds=12)
    _, address, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **LAUNCH)
    page = page_of(browser, address, DESKTOP)
    try:
        opened(page, "Compare")
        page.locator("#compare-example-faces button").nth(1).click()
        page.locator("#compare-speech input[type=file]").set_input_files(brief_speech)
        expect(page.locator("#compare-faces")).to_have_text("A face was found.")
        page.locator("#compare-start").click()
        expect(page.locator("#compare-status")).to_contain_text("Done")
        written = list((tmp_path / "visitors").rglob("*.mp4"))
        assert len(written) == 4
        deadline = time.monotonic() + 60
        while list((tmp_path / "visitors").rglob("*.mp4")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert (ASSETS / "example.mp4").is_file()
    finally:
        page.close()
        app.close()
