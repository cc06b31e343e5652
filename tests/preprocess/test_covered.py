"""What lies over a mouth or an eye is found, and faces with nothing over them are left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import resolve
from vasa_core.io.image import read_image
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.preprocess.visibility import Visible, visible
from vasa_core.types import TrackedImage

EYES = ((33, 133), (362, 263))  # corners; image-left, image-right
MOUTH = (61, 291, 0, 17)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LOWER_FACE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 5)
FACES = ("ada", "ben", "cleo", "dan", "eve", "finn", "gwen")
WEARERS = FACES[:3]  # of what is drawn over faces


@pytest.fixture(scope="module")
def faces(portrait: Path) -> dict[str, TrackedImage]:
    folder = portrait.parent / "faces"
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        return {name: preprocess(read_image(folder / f"{name}.jpg")).tracked for name in FACES}


@pytest.fixture(scope="module")
def look() -> Iterator[Callable[[np.ndarray], Visible]]:
    """What a picture shows, by landmarks that are found in that very picture."""
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:

        def seen(picture: np.ndarray) -> Visible:
            tracked = preprocess.track(picture)
            assert tracked is not None
            return visible(tracked.image, tracked.landmarks)

        yield seen


def _width(face: TrackedImage) -> float:
    return float(np.linalg.norm(face.landmarks[234, :2] - face.landmarks[454, :2]))


def _with_fingers(face: TrackedImage, over: np.ndarray, along: tuple[float, float], count: int) -> np.ndarray:
    """Fingers of the face's own skin, shaded at their sides. over: px, where their tips are. along: where they lead."""
    width, direction = _width(face), np.array(along) / np.hypot(*along)
    x, y = np.rint(face.landmarks[9, :2]).astype(int).tolist()
    skin = np.median(face.image[y - 4 : y + 5, x - 4 : x + 5], (0, 1))
    picture = face.image.astype(np.float32)
    for index in range(count):
        base = over + (index - (count - 1) / 2) * 0.17 * width * np.array([-direction[1], direction[0]])
        ends = np.rint([base - 0.2 * width * direction, base + 1.2 * width * direction]).astype(int)
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.line(mask, ends[0].tolist(), ends[1].tolist(), 255, round(0.18 * width))
        round_off = 0.72 + 0.28 * np.sqrt(np.clip(cv2.distanceTransform(mask, cv2.DIST_L2, 3) / (0.09 * width), 0, 1))
        share = cv2.GaussianBlur(mask, (0, 0), 1.2).astype(np.float32)[..., None] / 255  # (h, w, 1)
        picture += share * (skin * round_off[..., None] - picture)
    return picture.round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", FACES)
def test_nothing_covers_an_ordinary_face(faces: dict[str, TrackedImage], name: str) -> None:
    found = visible(faces[name].image, faces[name].landmarks)
    assert found.hidden == ()
    assert found.mouth


@pytest.mark.parametrize("name", WEARERS)
def test_a_hand_covers_the_mouth(
    faces: dict[str, TrackedImage], look: Callable[[np.ndarray], Visible], name: str
) -> None:
    face = faces[name]
    found = look(_with_fingers(face, face.landmarks[list(MOUTH), :2].mean(0), (0.3, 1.0), 3))
    assert not found.mouth
    assert found.eyes == (True, True)


def test_a_moustache_is_no_hand(faces: dict[str, TrackedImage]) -> None:
    face = faces["eve"]
    picture, width = face.image.copy(), _width(face)
    x, y = np.rint(face.landmarks[list(MOUTH), :2].mean(0)).astype(int).tolist()
    cv2.ellipse(picture, (x, y), (round(0.27 * width), round(0.11 * width)), 0, 0, 360, (52, 40, 32), -1)
    assert visible(picture, face.landmarks).mouth


def test_lips_of_the_beards_colour_are_no_mask_if_they_have_a_rim(faces: dict[str, TrackedImage]) -> None:
    face = faces["ben"]
    lower, lips = (
        cv2.fillPoly(np.zeros((512, 512), np.uint8), [np.rint(face.landmarks[list(outline), :2]).astype(np.int32)], 1)
        for outline in (LOWER_FACE, LIPS)
    )
    picture = np.where(lower[..., None] > 0, np.array([70, 52, 44], np.uint8), face.image)
    assert not visible(picture, face.landmarks).mouth
    reach = round(0.07 * _width(face))
    rim = cv2.dilate(lips, np.ones((reach, reach), np.uint8)) * (1 - lips)
    picture[rim > 0] = (150, 110, 95)
    assert visible(picture, face.landmarks).mouth


@pytest.mark.parametrize("name", WEARERS)
@pytest.mark.parametrize("side", [0, 1])
def test_a_hand_covers_one_eye(
    faces: dict[str, TrackedImage], look: Callable[[np.ndarray], Visible], name: str, side: int
) -> None:
    face = faces[name]
    middle = face.landmarks[list(EYES[side]), :2].mean(0)
    found = look(_with_fingers(face, middle, (-0.5 if side == 0 else 0.5, -0.9), 3))
    assert found.eyes == (side != 0, side != 1)
    assert found.hidden == (("left eye", "right eye")[side],)
    assert found.mouth
    assert "One eye is covered" in found.warnings[0]


def test_a_cup_covers_a_lip(faces: dict[str, TrackedImage], look: Callable[[np.ndarray], Visible]) -> None:
    face = faces["ben"]
    picture, width = face.image.copy(), _width(face)
    top = face.landmarks[list(MOUTH), :2].mean(0)
    corner, other = np.rint([top - [0.25 * width, 0], top + [0.25 * width, 0.5 * width]]).astype(int).tolist()
    cv2.rectangle(picture, corner, other, (40, 80, 190), -1)
    found = look(picture)
    assert not found.lips
    assert found.hidden == ()  # warped lips without paint tear
    assert "front of the lips" in found.warnings[0]
