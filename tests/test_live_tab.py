"""The Live tab in real Chromium: a recorded voice as the microphone, and the face that speaks it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, DESKTOP, FAINT, FLAGS, PHONE, TIMEOUT_MS, needs_chromium
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vasa_core.app.talk import FACES

FAKE = ["--use-fake-device-for-media-stream", "--use-file-for-fake-audio-capture="]
ALLOWED = "--use-fake-ui-for-media-stream"
SYNC_MS = 40
pytestmark = needs_chromium
NUMBERS = """() => { const found = [...document.querySelectorAll('#live, #live *')].find(e => e.dataset.frames);
  return found ? {...found.dataset} : {frames: '0'}; }"""


@pytest.fixture(scope="module")
def browser(short_speech: Path) -> Iterator[Browser]:
    """Chromium that hears the short speech again and again."""
    flags = [*FLAGS, ALLOWED, FAKE[0], FAKE[1] + str(short_speech)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


def opened(browser: Browser, address: str, size: dict[str, int], theme: str = "light") -> Page:
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{address}?__theme={theme}")
    page.get_by_role("tab", name="Live").click()
    expect(page.get_by_role("img", name="The talking face")).to_be_visible(timeout=TIMEOUT_MS)
    page.locator("#live [data-option=size]").select_option("256")
    return page


def numbers(page: Page) -> dict[str, int]:
    """What the tab measures: frames shown; delay, skew (ms)."""
    return {name: int(value) for name, value in page.evaluate(NUMBERS).items() if value.isdigit()}


def picture(page: Page) -> str:
    return page.locator("#live canvas").evaluate("c => c.toDataURL()")


def talking() -> int:
    """Threads of sessions."""
    return sum(thread.name.startswith("talk") for thread in threading.enumerate())


def wait_for_frames(page: Page, frames: int) -> None:
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while numbers(page)["frames"] < frames:
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)


def test_what_is_said_is_seen_until_stop(browser: Browser, app_address: str) -> None:
    page = opened(browser, app_address, DESKTOP)
    empty = picture(page)
    assert page.locator("#live .live-faces input").count() == len(FACES)
    page.locator("#live .live-faces label").nth(1).click()
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.get_by_role("status").filter(has_text="Talk: the face follows.")
    expect(status).to_be_visible(timeout=TIMEOUT_MS)
    wait_for_frames(page, 30)
    first = picture(page)
    assert first != empty
    page.get_by_label("Play the sound").check()
    wait_for_frames(page, numbers(page)["frames"] + 30)
    assert picture(page) != first
    found = numbers(page)
    assert found["delay"] > 0
    assert found["skew"] <= SYNC_MS
    expect(page.get_by_label("Delay", exact=True)).to_contain_text("ms from mouth to screen")
    if folder := os.environ.get("VASA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "live.png")
    assert talking() == 1
    page.get_by_role("button", name="Stop", exact=True).last.click()
    expect(page.get_by_role("status").filter(has_text="Stopped.").last).to_be_visible()
    wait_until_silent()
    page.close()


def wait_until_silent() -> None:
    deadline = time.monotonic() + 20
    while talking():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_closed_page_ends_its_session_and_an_own_photo_speaks(
    browser: Browser, app_address: str, portrait: Path
) -> None:
    page = opened(browser, app_address, PHONE)
    page.get_by_label("My own photo").check()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Choose a photo first.")).to_be_visible()
    page.get_by_label("Photo of a face").set_input_files(portrait)
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_frames(page, 10)
    assert talking() == 1
    page.close()
    wait_until_silent()


def test_a_microphone_that_is_refused_is_said(browser: Browser, app_address: str) -> None:
    deaf = browser.browser_type.launch(executable_path=CHROMIUM, args=FLAGS)
    page = opened(deaf, app_address, DESKTOP)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("There is no microphone, or it is not allowed for this page.")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    deaf.close()


@pytest.mark.parametrize(("size", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_the_tab_can_be_read_and_asks_nobody_else(
    browser: Browser, app_address: str, size: dict[str, int], theme: str
) -> None:
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    hosts: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: hosts.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{app_address}?__theme={theme}")
    page.get_by_role("tab", name="Live").click(timeout=TIMEOUT_MS)
    expect(page.locator("#live img").first).to_be_visible()
    page.wait_for_timeout(300)
    if folder := os.environ.get("VASA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"live-{size['width']}-{theme}.png", full_page=True)
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert all(page.locator("#live img").evaluate_all("i => i.map(e => e.naturalWidth > 0)"))
    assert all(url.startswith((app_address, "data:", "blob:")) for url in hosts)
    assert errors == []
    page.close()
