"""The halo figure: about 1 on one texture, more where the outline is drawn, little inside where texture is missing."""

import cv2
import numpy as np
import pytest

from vasa_core.evaluation.metrics.halo import Halo, halo

SIZE, RADIUS, FACE = 300, 60, 120.0
Y, X = np.mgrid[:SIZE, :SIZE]
DISTANCE = np.hypot(X - 120, Y - 150)
BEFORE = (DISTANCE < RADIUS).astype(float)
NOW = (np.hypot(X - 170, Y - 150) < RADIUS).astype(float)
NOISE = np.random.default_rng(3).normal(128, 30, (SIZE, SIZE, 1)).clip(0, 255).repeat(3, 2)


def _halo(frame: np.ndarray) -> Halo:
    found = halo(np.rint(frame).astype(np.uint8), NOW, BEFORE, FACE)
    assert found is not None
    return found


def test_one_texture_everywhere_has_no_halo() -> None:
    found = _halo(NOISE)
    assert found.outline == pytest.approx(1, abs=0.1)
    assert found.inside == pytest.approx(1, abs=0.1)


def test_a_plain_wall_has_no_halo() -> None:
    found = _halo(np.full((SIZE, SIZE, 3), 128.0))
    assert found.outline == pytest.approx(1)
    assert found.inside == pytest.approx(1)


def test_a_smooth_disc_in_a_texture_is_glassy() -> None:
    smooth = np.where(BEFORE[..., None] > 0, 128.0, NOISE)
    assert _halo(smooth).inside < 0.1


def test_a_ring_on_a_wall_is_a_halo() -> None:
    frame = np.full((SIZE, SIZE, 3), 128, np.uint8)
    cv2.circle(frame, (120, 150), RADIUS, (60, 60, 60), 1, cv2.LINE_AA)
    found = _halo(frame)
    assert found.outline > 3
    assert found.inside == pytest.approx(1)


def test_a_head_that_stays_shows_nothing_of_what_is_behind() -> None:
    assert halo(NOISE.astype(np.uint8), BEFORE, BEFORE, FACE) is None
