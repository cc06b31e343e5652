"""Comparisons: which videos there are, what they cost, all in one marked grid, and the page that plays them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from vasa_core.audio import SpeechEncoder
from vasa_core.errors import InputError
from vasa_core.io.audio import AudioFile
from vasa_core.io.video import read_frames
from vasa_core.options import MOST_COMPARED, GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared, compare
from vasa_core.pipeline.compare import cells
from vasa_core.pipeline.grid import TILE, Grid
from vasa_core.pipeline.player import player_page
from vasa_core.pipeline.sound import Heard
from vasa_core.provenance.mark import MARKED_FROM, mark_score

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = GenerationOptions(size=256, steps=2)


def test_the_first_control_goes_across_and_the_second_down() -> None:
    found = cells({"gaze_yaw": [-20, 0, 20], "seed": [1, 2]}, GenerationOptions(gaze_pitch=5.0))
    assert [(c.options.gaze_yaw, c.options.seed) for c in found] == [(y, s) for s in (1, 2) for y in (-20, 0, 20)]
    assert {c.options.gaze_pitch for c in found} == {5}
    assert found[0].labels == ("gaze-yaw -20", "seed 1")
    assert found[0].file_name(1) == "01_gaze-yaw=-20_seed=1.mp4"
    assert cells({"emotion": [None, "anger"]}, GenerationOptions())[0].labels == ("emotion none",)


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        ({}, "expected one or two options"),
        ({"seed": [1], "steps": [1], "face": [0]}, "expected one or two options"),
        ({"seed": []}, "expected a list of values"),
        ({"seed": "12"}, "expected a list of values"),
        ({"shoe_size": [1]}, "shoe_size is no option"),
        ({"gaze_yaw": [0, 99]}, "gaze_yaw is 99; expected a number from -30.0 to 30.0"),
        (
            {"seed": list(range(MOST_COMPARED + 1))},
            f"makes {MOST_COMPARED + 1} videos; expected at most {MOST_COMPARED}",
        ),
    ],
)
def test_what_cannot_be_varied_is_named(vary: dict[str, list[Any]], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cells(vary, GenerationOptions())


def test_a_grid_shows_each_picture_in_its_place_whole_and_marked() -> None:
    grid = Grid([("a", "b")] * 4, 2)
    frames = [np.full((h, w, 3), level, np.uint8) for h, w, level in ((64, 64, 50), (512, 512, 100), (64, 128, 150))]
    whole = grid.frame([*frames, np.full((128, 64, 3), 200, np.uint8)])
    assert whole.shape == (*grid.size, 3)
    below = TILE + grid.band
    centres = [whole[top + TILE // 2, left + TILE // 2] for top in (0, below) for left in (0, TILE)]
    assert np.abs(np.array(centres, int) - [[50], [100], [150], [200]]).max() <= 4  # the mark's levels
    assert whole[below + 20, 40].max() < 40  # above the wide picture: paper
    assert whole[below + TILE // 2, TILE + 20].max() < 40  # beside the high one


@dataclass
class Counting:
    """A speech encoder that counts the calls of another."""

    encoder: SpeechEncoder
    calls: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def version(self) -> str:
        return self.encoder.version

    @property
    def channels(self) -> int:
        return self.encoder.channels

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        self.calls.append(len(waveform))
        return self.encoder(waveform)


def test_a_comparison_is_one_video_with_sound_of_what_generate_makes(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(pipeline.speech)
    monkeypatch.setattr(pipeline, "speech", counting)
    seen: list[tuple[int, int]] = []
    vary = {"gaze_yaw": [-20, 20], "seed": [1]}
    made = compare(
        pipeline,
        portrait,
        brief_speech,
        tmp_path / "out.mp4",
        vary,
        OPTIONS,
        tmp_path / "singles",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(counting.calls) == 1
    frames = list(read_frames(tmp_path / "out.mp4"))
    assert made.frames == len(frames) == 15
    assert frames[0].shape == (made.height, made.width, 3)
    assert made.width == 2 * TILE
    assert seen[-1] == (15, 15)
    assert mark_score(frames[::2], 2) > MARKED_FROM
    assert AudioFile.open(tmp_path / "out.mp4").seconds == pytest.approx(0.6, abs=0.03)
    names = ["01_gaze-yaw=-20_seed=1.mp4", "02_gaze-yaw=20_seed=1.mp4", "index.html"]
    assert sorted(path.name for path in (tmp_path / "singles").iterdir()) == names
    single = np.stack(list(read_frames(tmp_path / "singles" / names[0])))
    alone = np.stack(
        list(pipeline.stream(pipeline.prepare(portrait), brief_speech, OPTIONS.of(OPTIONS, gaze_yaw=-20, seed=1)))
    )
    assert np.abs(single.astype(int) - alone).mean() < 4  # H.264
    assert mark_score(list(single[::2]), 2) > MARKED_FROM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "singles"]


def test_known_features_give_the_same_frames(pipeline: Pipeline, prepared: Prepared, brief_speech: Path) -> None:
    heard = Heard.by(pipeline.speech, brief_speech)
    assert Heard.by(pipeline.speech, heard) is heard
    twice = [np.stack(list(pipeline.animate(prepared, speech, OPTIONS))) for speech in (brief_speech, heard, heard)]
    assert np.array_equal(twice[0], twice[1])
    assert np.array_equal(twice[0], twice[2])


def test_the_page_names_its_videos_and_nothing_elsewhere() -> None:
    page = player_page([("a b#1.mp4", "style <me>.mp4"), ("2.mp4", "two")])
    assert 'src="a%20b%231.mp4" preload="auto" playsinline>' in page
    assert 'src="2.mp4" preload="auto" playsinline muted>' in page
    assert "style &lt;me&gt;.mp4" in page
    assert "http" not in page
    assert "@FIGURES@" not in page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed")
def test_the_page_plays_all_in_step(pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path) -> None:
    vary = {"seed": [1, 2, 3]}
    compare(
        pipeline, portrait, brief_speech, tmp_path / "out.mp4", vary, GenerationOptions(size=256, steps=1), tmp_path
    )
    times = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
    shown = "[...document.querySelectorAll('figure')].map(figure => figure.offsetParent !== null)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.readyState >= 2)")
        page.locator("#time").evaluate("slider => { slider.value = 0.32; slider.dispatchEvent(new Event('input')); }")
        page.wait_for_function(f"{times}.every(time => time === 0.32)")
        assert page.evaluate(shown) == [True, True, True]
        page.get_by_role("button", name="Solo").nth(1).click()
        assert page.evaluate(shown) == [False, True, False]
        page.locator("#a").select_option("0")
        page.locator("#b").select_option("2")
        page.locator("#wiped").check()
        assert page.evaluate(shown) == [True, False, True]
        boxes = [page.locator("video").nth(number).bounding_box() for number in (0, 2)]
        assert boxes[0] == boxes[1]
        page.locator("#wipe").evaluate("slider => { slider.value = 30; slider.dispatchEvent(new Event('input')); }")
        assert page.locator("figure").nth(2).evaluate("figure => figure.style.clipPath") == "inset(0px 0px 0px 30%)"
        if folder := os.environ.get("VASA_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / "compare.png")
        page.locator("#wiped").uncheck()
        page.get_by_role("button", name="Play").click()
        page.wait_for_function(f"{times}.every(time => time > 0.36)")
        now = page.evaluate(times)
        assert max(now) - min(now) < 0.3
        browser.close()
