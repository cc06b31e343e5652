"""The sheet of lips: what is where on it, and that a mouth is cut upright; once from the bundled files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import MOUTH
from vasa_core.evaluation.video.lip_sheet import (
    CELL,
    CURVE,
    EVERY,
    LIPS,
    ROW_FRAMES,
    TITLE,
    WAVE,
    WIDEST,
    WIDTH,
    lip_sheet,
    make_lip_sheet,
    mouth,
)
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.rates import SAMPLES_PER_FRAME

ROW = WAVE + CURVE + CELL


def test_rows_hold_every_second_mouth_under_its_sound() -> None:
    frames = ROW_FRAMES + 6
    sound = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    sound[10 * SAMPLES_PER_FRAME : 12 * SAMPLES_PER_FRAME] = np.tile([1, -1], SAMPLES_PER_FRAME)
    mouths = [np.full((CELL, CELL, 3), index, np.uint8) for index in range(frames)]
    picture = lip_sheet(sound, np.zeros(frames), mouths, "a voice")
    assert picture.shape == (TITLE + 2 * ROW, ROW_FRAMES // EVERY * CELL, 3)
    shown = picture[TITLE + WAVE + CURVE :: ROW][:2, ::CELL, 0]  # the upper left px of each mouth
    assert shown[0].tolist() == list(range(0, ROW_FRAMES, EVERY))
    assert shown[1].tolist() == [50, 52, 54] + [255] * 22
    wave = picture[TITLE + 15 : TITLE + WAVE - 1, :, 0]
    loud = (wave < 100).sum(0) > WAVE // 2
    assert loud[5 * CELL + 2 : 6 * CELL - 2].all()
    assert not loud[6 * CELL + 2 :].any()


def test_the_curve_is_as_high_as_the_lips_are_apart() -> None:
    frames = ROW_FRAMES
    gaps = np.where(np.arange(frames) < 25, 0.0, WIDEST / 2)
    mouths = [np.full((CELL, CELL, 3), 255, np.uint8)] * frames
    picture = lip_sheet(np.zeros(frames * SAMPLES_PER_FRAME, np.float32), gaps, mouths, "")
    curve = picture[TITLE + WAVE : TITLE + WAVE + CURVE]
    heights = [np.flatnonzero((curve[:, x] == LIPS).all(-1)).mean() for x in (CELL * 5, CELL * 20)]
    assert heights[0] == pytest.approx(CURVE - 2, abs=1.5)
    assert heights[1] == pytest.approx(CURVE / 2, abs=1.5)


def test_a_mouth_is_cut_upright_and_to_scale() -> None:
    """A face 200 px wide, turned by 0.3 rad, with a dot at the middle of its lips and one 50 px to their right."""
    along = np.array([np.cos(0.3), np.sin(0.3)])
    points = np.zeros((478, 3))
    points[CHEEK_LEFT, :2], points[CHEEK_RIGHT, :2] = [250, 250] - 100 * along, [250, 250] + 100 * along
    points[list(MOUTH), :2] = [260, 300]
    frame = np.zeros((512, 512, 3), np.uint8)
    cv2.circle(frame, (260, 300), 3, (255, 0, 0), -1)
    cv2.circle(frame, np.round([260, 300] + 30 * along).astype(int).tolist(), 3, (0, 255, 0), -1)
    cut = mouth(frame, points)
    for channel, x in ((0, (CELL - 1) / 2), (1, (CELL - 1) / 2 + 30 / 200 * CELL / WIDTH)):
        rows, columns = np.nonzero(cut[..., channel] > 100)
        assert (columns.mean(), rows.mean()) == pytest.approx((x, (CELL - 1) / 2), abs=0.7)


@pytest.mark.slow
def test_a_sheet_of_the_bundled_speech(tmp_path: Path) -> None:
    pipeline, options = Pipeline.load("cpu"), GenerationOptions(steps=4)
    figures = make_lip_sheet(pipeline, ASSETS / "portrait.jpg", ASSETS / "speech2.wav", tmp_path / "lips.png", options)
    assert figures["lag"] is not None
    assert abs(figures["lag"]) <= 1
    picture = cv2.imread(str(tmp_path / "lips.png"))
    assert picture is not None
    assert picture.shape[0] == TITLE + 2 * ROW
    with pytest.raises(InputError, match="speech"):
        make_lip_sheet(pipeline, ASSETS / "portrait.jpg", ASSETS / "no speech.wav", tmp_path / "none.png", options)
