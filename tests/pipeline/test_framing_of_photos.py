"""What of a photo a video shows, and what is said where it cannot be as asked."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.options import GenerationOptions
from vasa_core.pipeline.pipeline import Pipeline
from vasa_core.pipeline.prepared import Prepared


@pytest.fixture(scope="module")
def tight(pipeline: Pipeline, prepared: Prepared) -> Prepared:
    """The bundled portrait cut just above the hair line and beside the cheeks."""
    points = np.linalg.solve(
        prepared.crop.matrix[:, :2], (prepared.portrait.landmarks[:, :2] - prepared.crop.matrix[:, 2]).T
    ).T
    (left, top), (right, bottom) = points.min(0).astype(int), points.max(0).astype(int)
    return pipeline.prepare(prepared.original[top - 6 : bottom + 50, left - 30 : right + 30])


def test_a_tight_photo_cannot_be_seen_from_farther_away(tight: Prepared) -> None:
    assert tight.zoomed(1.0)[0] == tight.zoomed(1.4)[0] == 1.0
    assert tight.zoomed(0.8)[0] == 0.8
    (said,) = tight.warnings_for(GenerationOptions(distance=1.4))
    assert said == "distance is 1.4, but the photo ends so near the head that 1.00 was taken."
    assert tight.warnings_for(GenerationOptions(distance=0.8)) == ()


def test_what_is_seen_from_farther_away_lies_inside_the_photo(prepared: Prepared) -> None:
    distance, centre = prepared.zoomed(1.2)
    assert distance == 1.2
    side = prepared.portrait.photo.shape[0]
    corners = (np.array([[-0.5, -0.5], [side - 0.5, side - 0.5]]) - centre) * distance + centre
    left, top, right, bottom = prepared.crop.border
    assert (corners[0] >= np.array([left, top]) - 1e-6).all()
    assert (corners[1] <= np.array([right, bottom]) + 1e-6).all()


def test_the_head_of_a_tight_photo_moves_less_and_its_border_stays(pipeline: Pipeline, tight: Prepared) -> None:
    assert tight.portrait.freedom < 1
    motion = pipeline.motion(tight, np.zeros(16_000, np.float32), head_motion=1.5)
    frames = np.stack(list(pipeline.render(tight, motion)))
    rows = frames[:, 0].astype(int)  # what lies on the upper border: hair that the photo cuts
    assert np.abs(rows - rows[0]).mean() < 3


def test_options_that_ask_for_another_framing_prepare_the_photo_anew(pipeline: Pipeline, prepared: Prepared) -> None:
    assert prepared.suits(GenerationOptions())
    whole = GenerationOptions(framing="photo")
    assert not prepared.suits(whole)
    video = pipeline.animate(prepared, np.zeros(3200, np.float32), whole)
    assert video.framing == "photo"
    assert video.size == tuple(side // 2 * 2 for side in prepared.original.shape[:2])
