"""The app as a visitor meets it: real Chromium uploads, moves a slider, generates, plays and stops."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import DESKTOP, FAINT, PHONE, TIMEOUT_MS, needs_chromium, screenshot
from playwright.sync_api import Browser, Page, expect

from vasa_core.io.image import read_image, write_png

VIDEO = "document.querySelector('#result video')"

expect.set_options(timeout=120_000)
pytestmark = needs_chromium


@pytest.fixture
def page(browser: Browser, app_address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(app_address)
    expect(page.get_by_role("button", name="Generate")).to_be_visible(timeout=TIMEOUT_MS)
    yield page
    page.close()


def upload(page: Page, portrait: Path, speech: Path) -> None:
    page.locator("#portrait input[type=file]").set_input_files(portrait)
    page.locator("#speech input[type=file]").set_input_files(speech)
    expect(page.locator("#portrait img").first).to_be_visible()
    expect(page.locator("#faces")).to_contain_text("face")
    expect(page.locator("#speech").get_by_text("0:00").first).to_be_visible()


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#status")).not_to_contain_text("Done")  # of the video before
    expect(page.locator("#status")).to_contain_text("Done", timeout=TIMEOUT_MS)


def set_number(page: Page, name: str, value: int) -> None:
    page.locator(f"#option-{name} input[type=number]").fill(str(value))
    page.locator(f"#option-{name} input[type=number]").blur()


def test_upload_slider_generate_and_play(page: Page, portrait: Path, short_speech: Path) -> None:
    upload(page, portrait, short_speech)
    page.get_by_label("range slider for Gaze left / right").press("ArrowRight")
    expect(page.get_by_label("number input for Gaze left / right")).to_have_value("1")

    page.get_by_role("button", name="Generate").click()
    preview = page.get_by_role("img", name="The newest frame")
    expect(preview).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_role("status").filter(has_text="left")).to_be_visible()  # it is read out
    seen = preview.evaluate("i => [i.naturalWidth, i.getBoundingClientRect().height <= 480]")
    assert seen == [384, True]
    status = page.get_by_role("status").filter(has_text="Done: 2.0 s, 512 px, seed 0")
    expect(status).to_be_visible(timeout=TIMEOUT_MS)
    expect(preview).to_have_count(0)

    video = page.locator("#result video")
    page.wait_for_function(f"{VIDEO}.currentTime > 0.5")  # it plays by itself
    assert video.evaluate("v => v.duration") == pytest.approx(2.0, abs=0.06)
    assert video.evaluate("v => [v.videoWidth, v.videoHeight]") == [512, 512]
    assert "talking-gaze-yaw-1-seed-0" in str(video.get_attribute("src"))
    screenshot(page, "app")


def test_an_example_fills_the_inputs_and_stop_ends_the_work(page: Page) -> None:
    page.get_by_role("button", name="Example face 1").click()
    page.get_by_role("button", name="Maple introduces herself").click()
    expect(page.locator("#portrait img").first).to_be_visible()
    expect(page.locator("#speech").get_by_text(re.compile("0:(09|10)")).first).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Reading the photo|frames to make|Frame "))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.locator("#result video")).to_have_count(0)
    page.wait_for_timeout(1500)
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.get_by_text("Error")).to_have_count(0)


def test_what_is_wrong_is_said_in_one_sentence_that_stays(page: Page, tmp_path: Path, portrait: Path) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#status")).to_have_text("Add a portrait first.")
    page.locator("#portrait input[type=file]").set_input_files(portrait)
    expect(page.locator("#faces")).to_have_text("A face was found.")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#status")).to_have_text("Add a speech clip first.")
    (tmp_path / "text.wav").write_text("no sound")
    page.locator("#speech input[type=file]").set_input_files(tmp_path / "text.wav")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#status")).to_contain_text("text.wav")
    expect(page.locator("#status")).to_contain_text("expected")
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        pytest.param(DESKTOP, "light", id="desktop-light"),
        pytest.param(PHONE, "dark", id="phone-dark"),
        pytest.param(DESKTOP, "dark", id="desktop-dark", marks=pytest.mark.slow),
        pytest.param(PHONE, "light", id="phone-light", marks=pytest.mark.slow),
    ],
)
def test_the_first_screen(browser: Browser, app_address: str, size: dict[str, int], theme: str) -> None:
    """Inputs, examples, Generate and a result in sight; readable; nothing from other hosts."""
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    hosts: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: hosts.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{app_address}?__theme={theme}")
    page.wait_for_function(f"{VIDEO} && {VIDEO}.readyState >= 2", timeout=TIMEOUT_MS)
    page.wait_for_timeout(500)
    tops = {
        name: page.locator(f"#{name}").evaluate("e => e.getBoundingClientRect().top")
        for name in ("portrait", "example-faces", "example-voices", "start", "result", "option-gaze_yaw")
    }
    order = sorted(tops, key=lambda name: tops[name])
    screenshot(page, f"first-{size['width']}-{theme}")
    if size is PHONE:
        assert order == ["portrait", "example-faces", "example-voices", "start", "result", "option-gaze_yaw"]
    assert tops["start"] < size["height"] - 40
    assert tops["result"] < 1.3 * size["height"]
    assert page.locator("#example-faces button").count() == 8
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(FAINT) == []
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily").startswith("system-ui")
    assert all(url.startswith((app_address, "data:", "blob:")) for url in hosts)
    assert errors == []
    page.close()


def test_on_a_phone_the_newest_frame_is_in_sight_and_a_closed_page_ends_the_work(
    browser: Browser, app_address: str
) -> None:
    page = browser.new_page(viewport=PHONE)  # pyright: ignore[reportArgumentType]
    page.goto(app_address)
    page.locator("#example-faces button").nth(1).click(timeout=TIMEOUT_MS)
    page.get_by_role("button", name="Maple introduces herself").click()
    expect(page.locator("#faces")).to_have_text("A face was found.")
    expect(page.locator("#speech").get_by_text("0:00").first).to_be_visible()
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("img", name="The newest frame")).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_role("img", name="The newest frame")).to_be_in_viewport(ratio=0.7)
    expect(page.locator("#status p").first).to_be_in_viewport()
    parts = list(Path(tempfile.gettempdir()).glob("vasa_*/.talking-*"))
    assert parts
    page.close()
    deadline = time.monotonic() + 120
    while any(part.exists() for part in parts):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_keyboard_s_place_is_seen(page: Page) -> None:
    for name in ("#start", "#option-gaze_yaw input[type=range]", "#option-emotion input", "#example-faces button"):
        page.locator(name).first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        outline = page.locator(name).first.evaluate("e => getComputedStyle(e).outlineWidth")
        assert outline == "3px", name


def test_settings_are_remembered_pasted_and_reset(page: Page, portrait: Path, brief_speech: Path) -> None:
    upload(page, portrait, brief_speech)
    page.get_by_role("button", name="Warm").click()
    expect(page.get_by_label("number input for Head distance")).to_have_value("0.9")
    page.get_by_text("Expert:").click()
    page.locator("#option-size").get_by_label("256").check()
    set_number(page, "seed", 7)
    generate(page)
    expect(page.locator("#status")).to_contain_text("256 px, seed 7")
    first = page.locator("#result video").get_attribute("src")

    page.get_by_role("button", name="Reset all").click()
    expect(page.get_by_label("number input for Head distance")).to_have_value("1")
    set_number(page, "steps", 2)
    generate(page)
    page.locator("#past").get_by_text("emotion happiness").click()
    expect(page.get_by_label("number input for Head distance")).to_have_value("0.9")
    expect(page.locator("#result video")).to_have_attribute("src", str(first))

    page.get_by_text("What was used").click()
    expect(page.locator("#record textarea")).to_have_value(re.compile("happiness"))
    used = json.loads(page.locator("#record textarea").input_value())
    assert used["emotion"] == "happiness"
    assert used["seed"] == 7
    assert used["portrait"] == "portrait.jpg"
    page.locator("#record textarea").fill(json.dumps({**used, "gaze_yaw": -12, "emotion": None}))
    page.get_by_role("button", name="Use these settings").click()
    expect(page.get_by_label("number input for Gaze left / right")).to_have_value("-12")
    page.locator("#record textarea").fill('{"gaze_yaw": 99}')
    page.get_by_role("button", name="Use these settings").click()
    expect(page.locator("#status")).to_contain_text("gaze_yaw is 99; expected a number from -30.0 to 30.0.")
    expect(page.get_by_label("number input for Gaze left / right")).to_have_value("-12")
    page.get_by_role("button", name="Random seed").click()
    expect(page.locator("#option-seed input")).not_to_have_value("7")


def click_at(page: Page, x: float, y: float) -> None:
    """Click on a pixel of the uploaded portrait, which is shown as large as fits."""
    picture = page.locator("#portrait img").first
    width, height, natural_width, natural_height = picture.evaluate(
        "i => [i.getBoundingClientRect().width, i.getBoundingClientRect().height, i.naturalWidth, i.naturalHeight]"
    )
    scale = min(width / natural_width, height / natural_height)
    left, top = (width - scale * natural_width) / 2, (height - scale * natural_height) / 2
    picture.click(position={"x": left + scale * x, "y": top + scale * y})


def test_a_click_chooses_whose_face(page: Page, portrait: Path, tmp_path: Path) -> None:
    photo = read_image(portrait)
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.hstack([small, photo[:256, 120:376]])  # two faces, the larger one on the right
    write_png(tmp_path / "two.png", both)
    page.locator("#portrait input[type=file]").set_input_files(tmp_path / "two.png")
    expect(page.locator("#faces")).to_contain_text("2 faces found")
    page.get_by_text("Expert:").click()
    expect(page.locator("#option-face input")).to_have_value("0")
    for (x, y), number in (((112, 60), 1), ((360, 115), 2), ((250, 20), 0)):  # px of the picture: faces, and none
        click_at(page, x, y)
        expect(page.locator("#option-face input")).to_have_value(str(number))
        said = f"Face {number} of 2" if number else "There is no face at that place"
        expect(page.locator("#faces")).to_contain_text(said)


def test_the_gaze_pad_is_in_step_with_its_sliders(page: Page) -> None:
    pad, said = page.locator("#gaze-pad .pad"), page.locator("#gaze-pad output")
    yaw, pitch = (page.get_by_label(f"number input for Gaze {way}") for way in ("left / right", "down / up"))
    expect(said).to_have_text("into the camera")
    pad.focus()
    assert pad.evaluate("e => getComputedStyle(e).outlineWidth") == "3px"
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(yaw).to_have_value("6")
    expect(pitch).to_have_value("-5")
    expect(said).to_have_text("6\u00b0 right, 5\u00b0 down")
    field = page.locator("#gaze-pad .field")
    box = field.bounding_box()
    assert box
    field.click(position={"x": box["width"] / 6, "y": box["height"] / 3})  # 24 degrees left, 12 up
    expect(yaw).to_have_value("-24")
    expect(pitch).to_have_value("12")
    field.click(position={"x": 1, "y": box["height"] / 2})
    expect(yaw).to_have_value("-30")
    irises = page.locator("#gaze-pad .iris").evaluate_all("all => all.map(e => e.getAttribute('transform'))")
    assert irises == ["translate(-15.0 0.0)"] * 2
    page.get_by_label("range slider for Gaze left / right").press("ArrowRight")
    expect(said).to_have_text("29\u00b0 left")
    page.get_by_role("button", name="Reset all").click()
    expect(said).to_have_text("into the camera")
    page.locator("#gaze-pad").scroll_into_view_if_needed()
    screenshot(page, "gaze")
