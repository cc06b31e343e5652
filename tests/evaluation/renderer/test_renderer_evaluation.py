"""How the renderer is measured: figures with known answers, which frames are chosen, and one real clip measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vasa_core.assets import CHECKPOINTS
from vasa_core.data.clips import Clip
from vasa_core.errors import InputError
from vasa_core.evaluation.renderer.figures import (
    aligned,
    difference,
    eye_boxes,
    flicker,
    inside,
    lips_box,
    lips_mask,
    lips_sharpness_ratio,
    mouth_box,
    perceptual,
    sharpness_ratio,
    shrunk,
    shrunk_points,
    square,
)
from vasa_core.evaluation.renderer.measure import (
    EVEN,
    RUN,
    SHUT,
    WIDEST,
    liveliest_run,
    measure_renderer,
    measured_frames,
    widest_open,
)
from vasa_core.evaluation.renderer.report import reduction, render_table, summarise_clips
from vasa_core.evaluation.setup import distinct_first
from vasa_core.face.topology import EYES, LIPS_INNER
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter

WHOLE = (0, 0, 256, 256)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def test_points_stay_on_what_they_mark_when_the_frame_shrinks() -> None:
    frame = np.zeros((512, 512, 3), np.uint8)
    frame[200:204, 300:304] = 255
    points = np.zeros((478, 3))
    points[0, :2] = 301.5, 201.5  # the middle of the bright square
    x, y = shrunk_points(points, 512)[0, :2]
    rows, columns = np.nonzero(shrunk(frame)[..., 0])
    assert (x, y) == pytest.approx((columns.mean(), rows.mean()))


def test_boxes_lie_around_their_features_or_are_left_out() -> None:
    points = np.zeros((478, 3))
    points[:, :2] = 128
    for eye, x in zip(EYES, (90, 150), strict=True):
        points[list(eye.corners), :2] = [[x, 100], [x + 20, 100]]
    assert mouth_box(points, WHOLE) == (76, 76, 180, 180)
    assert eye_boxes(points, WHOLE) == [(84, 84, 116, 116), (144, 84, 176, 116)]
    assert len(eye_boxes(points, (130, 0, 256, 256))) == 1
    assert square(np.array([5.0, 128.0]), 20.0, WHOLE) == (0, 118, 16, 138)
    assert square(np.array([-5.0, 128.0]), 20.0, WHOLE) is None


def test_closed_lips_show_nothing_to_judge() -> None:
    points = np.zeros((478, 3))
    angles = np.linspace(0, 2 * np.pi, len(LIPS_INNER), endpoint=False)
    points[list(LIPS_INNER), :2] = 128 + np.stack([20 * np.cos(angles), 10 * np.sin(angles)], 1)
    mask = lips_mask(points, (256, 256))
    assert mask is not None
    assert mask.sum() == pytest.approx(np.pi * 200, rel=0.1)
    assert lips_box(points, WHOLE) == pytest.approx((104, 104, 152, 152), abs=1)  # 1.2 of 40 px
    points[list(LIPS_INNER), 1] = 128
    assert lips_mask(points, (256, 256)) is None


def test_picture_figures_have_their_known_answers() -> None:
    brighter = (NOISE // 2 + 20).astype(np.uint8)
    assert difference(brighter, (NOISE // 2).astype(np.uint8)) == pytest.approx(40 / 255)
    assert sharpness_ratio(NOISE, NOISE, (0, 0, 64, 64)) == pytest.approx(1)
    assert sharpness_ratio(cv2.GaussianBlur(NOISE, (0, 0), 1.5), NOISE, (0, 0, 64, 64)) < 0.1
    steady = np.stack([np.full((8, 8, 3), 10 * k, np.uint8) for k in range(5)])
    assert flicker(steady) == 0
    steady[2] += 6  # second differences of 6, -12 and 6
    assert flicker(steady) == pytest.approx(8)
    assert inside(NOISE, (2, 3, 10, 7)).shape == (4, 8, 3)


def test_lips_are_as_sharp_as_the_truth_s_or_less() -> None:
    lips = np.zeros((64, 64), bool)
    lips[20:40, 10:50] = True
    assert lips_sharpness_ratio(NOISE, NOISE, lips) == pytest.approx(1)
    blurred = NOISE.copy()
    blurred[lips] = cv2.GaussianBlur(NOISE, (0, 0), 1.5)[lips]
    assert lips_sharpness_ratio(blurred, NOISE, lips) < 0.2


def test_an_aligned_picture_is_the_truth_where_only_places_differ() -> None:
    truth = cv2.GaussianBlur(cv2.resize(NOISE, (256, 256)), (0, 0), 3)
    moved = np.roll(truth, (2, 3), (0, 1))
    middle = (slice(32, -32), slice(32, -32))
    before, after = (difference(picture[middle], truth[middle]) for picture in (moved, aligned(moved, truth)))
    assert after < 0.2 * before


def test_distances_see_pictures_in_minus_one_to_one() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)

    def largest(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).abs().max()

    assert [perceptual(largest, picture, white) for picture in (black, white)] == [2, 0]


def test_measured_frames_hold_the_widest_mouth_and_the_most_closed_eyes_but_never_the_portrait() -> None:
    rng = np.random.default_rng(1)
    gap, opening = rng.random(120), rng.random(120)
    gap[0], gap[57], opening[33] = 9, 2, -1
    kept = measured_frames(gap, opening)
    assert len(kept) == len(set(kept.tolist())) == EVEN + WIDEST + SHUT
    assert {57, 33} <= set(kept.tolist())
    assert 0 not in kept
    assert measured_frames(gap[:30], opening[:30]).tolist() == list(range(1, 30))


def test_the_liveliest_run_is_where_the_mouth_moves() -> None:
    gap = np.zeros(100)
    gap[60:70] = np.arange(10) % 2
    run = liveliest_run(gap)
    assert len(run) == RUN
    assert run[0] <= 60
    assert run[-1] >= 69
    assert (np.diff(run) == 1).all()


def test_the_widest_third_is_of_the_frames_whose_lips_are_open() -> None:
    gap = np.array([5.0, 1.0, 4.0, 3.0, 2.0, 0.0, 9.0])
    assert widest_open(gap, np.array([1, 1, 1, 1, 0, 0, 0], bool)) == {0, 2}
    assert widest_open(gap, np.zeros(7, bool)) == set()


def test_every_identity_comes_before_any_comes_again() -> None:
    a, b, c = (("ann", 1), ("ann", 2), ("bob", 3))
    assert distinct_first([a, b, c], lambda item: item[0]) == [a, c, b]


def test_summary_says_how_much_of_the_warps_error_is_gone() -> None:
    def clip(warp: float, render: float, distances: list[float]) -> dict[str, Any]:
        return {
            "frames": 10,
            "worse_psnr": 1,
            "warp": {"mouth_l1": warp, "eyes_sharpness": 0.5},
            "render": {"mouth_l1": render, "eyes_sharpness": 1.1},
            "aligned": {"mouth_l1": warp / 2},
            "truth": {},
            "distances": {"warp": distances, "render": distances, "truth": [0.0]},
        }

    clips = [clip(0.2, 0.1, [0.1, 0.2, 0.3]), clip(0.2, 0.3, [0.4, 0.5])]
    summary = summarise_clips(clips)
    assert summary["mouth_l1"]["reduction"] == pytest.approx(0)
    assert summary["mouth_l1"]["better"] == 1
    assert summary["mouth_l1"]["aligned"] == pytest.approx(0.1)
    assert summary["eyes_sharpness"]["reduction"] == pytest.approx(80)  # 0.5 away from 1, then 0.1
    assert summary["identity_median"]["render"] == pytest.approx(0.3)
    assert summary["worse_psnr"] == {"render": 2, "frames": 20}
    assert reduction([0.0], [0.0]) is None
    table = render_table({"summary": summary, "not_measured": ["identity: no file"]})
    assert "PSNR lower than the warp's on 2 of 20 frames" in table
    assert "not measured: identity: no file" in table


def mean_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Stands in for the perceptual distance."""
    return (a - b).abs().mean()


def test_a_real_clip_is_measured_and_shown(tmp_path: Path, portrait: Path) -> None:
    photo = cv2.resize(read_image(portrait), (320, 320), interpolation=cv2.INTER_AREA)
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, (320, 320), None, {}) as writer:
        for k in range(RUN):
            shift = np.array([[1, 0, 0.4 * k], [0, 1, 0]])  # px
            writer.write(cv2.warpAffine(photo, shift, (320, 320), borderMode=cv2.BORDER_REPLICATE))
    result = measure_renderer(CHECKPOINTS, [Clip(clip, "ann", "val")], tmp_path / "out")
    found = result["summary"]
    assert found["psnr"]["render"] > 20
    assert found["face_found"]["render"] == 1
    assert found["landmarks_mouth"]["render"] < 1.5
    assert found["mouth_flicker"]["render"] < 2
    assert found["mouth_l1"]["render"] < 0.1
    assert "perceptual distance: its model file is not installed" in result["not_measured"]
    judged = measure_renderer(CHECKPOINTS, [Clip(clip, "ann", "val")], tmp_path / "out", distance=mean_difference)[
        "summary"
    ]
    for name in ("lips_l1", "lips_distance", "lips_sharpness"):
        assert judged[f"wide_{name}"]["warp"] > 0
        assert judged[name]["render"] > 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"render.json", "sheet.png", "mouths.png", "eyes.png", "wide_mouths.png"}
    assert read_image(tmp_path / "out" / "wide_mouths.png").shape[1] > 3 * 3 * 256
    assert read_image(tmp_path / "out" / "sheet.png").shape[1] > 7 * 256


def test_a_folder_of_nothing_usable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clips is 0"):
        measure_renderer(CHECKPOINTS, [], tmp_path, most=0)
    with pytest.raises(InputError, match="No clip"):
        measure_renderer(CHECKPOINTS, [], tmp_path)
