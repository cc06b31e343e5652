"""The person's matte: who belongs to it on real and on made-up pictures, and what happens when nobody is found."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import RUNTIME_MODELS, resolve
from vasa_core.io.image import read_image
from vasa_core.preprocess.person import PersonMatte, refine
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.types import TrackedImage


@pytest.fixture(scope="module")
def tracked(portrait: Path) -> TrackedImage:
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        return preprocess(read_image(portrait)).tracked


@pytest.fixture(scope="module")
def matte() -> PersonMatte:
    return PersonMatte(resolve("person_mask"))


def test_the_mask_is_fetched_with_the_other_models() -> None:
    assert "person_mask" in RUNTIME_MODELS


def test_head_and_hair_are_the_person_and_the_wall_is_not(matte: PersonMatte, tracked: TrackedImage) -> None:
    found = matte(tracked.image, tracked.landmarks)
    forehead, chin = tracked.landmarks[10, :2], tracked.landmarks[152, :2]
    face = tracked.landmarks[:468, :2].round().astype(int)
    assert np.median(found[face[:, 1], face[:, 0]]) == 255
    hair = (forehead + 0.15 * (forehead - chin)).round().astype(int)
    collar = (chin + 0.3 * (chin - forehead)).round().astype(int)
    for x, y in (hair, collar):
        assert found[y, x] == 255
    assert (found[:60, :60] == 0).all()
    assert (found[:60, -60:] == 0).all()
    soft = (found > 0) & (found < 255)
    assert 0 < soft.mean() < 0.05  # a narrow soft edge


def test_where_nobody_is_found_the_picture_stays_in_one_piece(matte: PersonMatte, tracked: TrackedImage) -> None:
    noise = np.random.default_rng(0).integers(0, 256, tracked.image.shape, np.uint8)
    assert (matte(noise, tracked.landmarks) == 255).all()


def test_a_second_person_is_left_behind(matte: PersonMatte, tracked: TrackedImage) -> None:
    wide = np.full((512, 1400, 3), 180, np.uint8)
    small = cv2.resize(tracked.image, (256, 256), interpolation=cv2.INTER_AREA)
    wide[:, :512] = tracked.image
    wide[128:384, 1100:1356] = small
    found = matte(wide, tracked.landmarks)
    assert (found[:, 1000:] == 0).all()
    assert found[200:300, 200:300].mean() > 250


def test_of_two_people_shoulder_to_shoulder_one_is_cut_out(matte: PersonMatte, portrait: Path) -> None:
    """The bundled person twice, so near that the network sees one piece."""
    photo = read_image(portrait)
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        left = preprocess(photo).framing
        cut = round(left.x + 0.32 * left.side)
        pair = np.concatenate([photo[:, :cut], photo[:, round(left.x - 0.32 * left.side) :]], 1)
        first = preprocess(pair, face=1)
    assert len(first.others) == 1
    x0, y0, x1, y1 = first.others[0]
    landmarks = np.linalg.solve(first.matrix[:, :2], (first.tracked.landmarks[:, :2] - first.matrix[:, 2]).T).T
    landmarks = np.column_stack([landmarks, np.zeros(478)]).astype(np.float32)
    together, apart = matte(pair, landmarks), matte(pair, landmarks, first.others)
    other = (slice(int(0.7 * y0 + 0.3 * y1), int(0.3 * y0 + 0.7 * y1)), slice(int(0.7 * x0 + 0.3 * x1), int(x1)))
    own = landmarks.round().astype(int)[:468]
    assert together[other].mean() > 200
    assert apart[other].mean() < 5
    assert np.median(apart[own[:, 1], own[:, 0]]) == 255


def test_refining_finds_the_true_edge_and_mixes_as_the_picture_does() -> None:
    """A dark disc, soft at its rim, on a light ground, and a rough mask that is 2 px too large."""
    y, x = np.mgrid[:200, :200]
    radius = np.hypot(x - 100, y - 100)
    truth = np.clip((62 - radius) / 4, 0, 1)
    picture = np.rint(220 - 170 * truth[..., None]).repeat(3, 2).astype(np.uint8)
    found = refine(picture, (radius < 62).astype(np.float32), 6)
    assert np.abs(found - truth).max() < 0.12
    assert np.abs(found - truth).mean() < 0.01


def test_where_person_and_background_look_alike_the_rough_edge_stays() -> None:
    _y, x = np.mgrid[:100, :100]
    rough = (x < 50).astype(np.float32)
    found = refine(np.full((100, 100, 3), 90, np.uint8), rough, 5)
    assert np.array_equal(found > 0.5, rough > 0.5)
    assert (np.diff(found, axis=1) <= 1e-6).all()
