"""Dark glasses, masks, closed eyes and drawings are told from faces that may be painted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import resolve
from vasa_core.io.image import read_image
from vasa_core.preprocess.portrait import FaceCrop, Preprocessor
from vasa_core.preprocess.visibility import visible

LEFT, RIGHT = (33, 133, 159, 145), (263, 362, 386, 374)  # corners, lids
LOWER_FACE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 5)


@pytest.fixture(scope="module")
def crop(portrait: Path) -> FaceCrop:
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        return preprocess(read_image(portrait))


def _with_lenses(crop: FaceCrop, lightness: int) -> np.ndarray:
    picture = crop.tracked.image.copy()
    for corner, other, *_ in (LEFT, RIGHT):
        ends = crop.tracked.landmarks[[corner, other], :2]
        middle, half = ends.mean(0), float(np.linalg.norm(ends[0] - ends[1]))
        cv2.circle(picture, tuple(np.rint(middle).astype(int).tolist()), round(0.9 * half), (lightness,) * 3, -1)
    return picture


def test_an_ordinary_face_shows_all(crop: FaceCrop) -> None:
    found = visible(crop.tracked.image, crop.tracked.landmarks)
    assert (found.eyes, found.mouth, found.open_eyes, found.drawn) == ((True, True), True, True, False)
    assert found.warnings == ()


def test_dark_glasses_hide_the_eyes(crop: FaceCrop) -> None:
    found = visible(_with_lenses(crop, 12), crop.tracked.landmarks)
    assert found.hidden == ("left eye", "right eye")
    assert found.mouth
    assert "dark glasses" in found.warnings[0]
    assert visible(_with_lenses(crop, 200), crop.tracked.landmarks).hidden == ()


@pytest.mark.parametrize("cloth", [(150, 190, 220), (30, 30, 34), (90, 150, 110)])
def test_a_mask_hides_the_mouth(crop: FaceCrop, cloth: tuple[int, int, int]) -> None:
    picture = crop.tracked.image.copy()
    outline = np.rint(crop.tracked.landmarks[list(LOWER_FACE), :2]).astype(np.int32)
    cv2.fillPoly(picture, [outline], cloth)
    found = visible(picture, crop.tracked.landmarks)
    assert not found.mouth
    assert all(found.eyes)


def test_lids_that_meet_are_closed_eyes(crop: FaceCrop) -> None:
    landmarks = crop.tracked.landmarks.copy()
    for *_, upper, lower in (LEFT, RIGHT):
        landmarks[upper] = landmarks[lower]
    found = visible(crop.tracked.image, landmarks)
    assert not found.open_eyes
    assert "closed in the photo" in found.warnings[0]


def test_even_areas_are_a_drawing(crop: FaceCrop) -> None:
    few = cv2.pyrMeanShiftFiltering(crop.tracked.image, 12, 60) // 48 * 48
    assert visible(few, crop.tracked.landmarks).drawn
