"""Pictures in one tone are told from coloured ones; grain is found where there is some."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vasa_core.face.inpaint.tone import grain_of, one_tone

SEPIA = np.array([1.08, 0.95, 0.74])


def _grey(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 200, (96, 96)).astype(np.uint8)
    return np.dstack([cv2.GaussianBlur(noise, (0, 0), 1.0)] * 3)


def test_grey_stays_grey() -> None:
    tone = one_tone(_grey())
    assert tone is not None
    assert np.abs(tone.astype(int) - np.arange(256)[:, None]).max() <= 1


def test_sepia_stays_sepia() -> None:
    sepia = np.rint(_grey() * SEPIA).clip(0, 255).astype(np.uint8)
    tone = one_tone(sepia)
    assert tone is not None
    grey = np.asarray(cv2.cvtColor(sepia, cv2.COLOR_RGB2GRAY), np.uint8)
    assert np.abs(tone[grey].astype(int) - sepia).max() <= 4


def test_skin_and_lips_are_no_single_tone() -> None:
    picture = _grey()
    picture[32:64, 32:64] = (190, 90, 90)
    assert one_tone(picture) is None


@pytest.mark.parametrize(("level", "found"), [(0.0, False), (6.0, True)])
def test_grain_is_as_strong_as_the_photos(level: float, found: bool) -> None:
    landmarks = np.zeros((478, 3))
    landmarks[234], landmarks[454] = (60, 128, 0), (196, 128, 0)
    landmarks[50], landmarks[280] = (96, 140, 0), (160, 140, 0)
    noise = np.random.default_rng(1).normal(0, level, (256, 256, 1))
    grain = grain_of(np.rint(150 + noise + np.zeros(3)).clip(0, 255).astype(np.uint8), landmarks)
    assert (grain is not None) == found
    if grain is not None:
        assert grain.shape[0] == grain.shape[1]
        assert 0.6 * level < grain.std() < level
