"""Photos become framed, tracked portraits; those that cannot are refused with one sentence."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.io.image import read_image
from vasa_core.options import EMOTIONS, PORTRAIT_SIZE
from vasa_core.preprocess.emotion import EmotionClassifier
from vasa_core.preprocess.paste_back import PasteBack
from vasa_core.preprocess.portrait import FaceCrop, Preprocessor, check_yaw, crop_side, cut_square, yaw_degrees


@pytest.fixture(scope="module")
def preprocess() -> Iterator[Preprocessor]:
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocessor:
        yield preprocessor


@pytest.fixture(scope="module")
def photo(portrait: Path) -> np.ndarray:
    return read_image(portrait)


@pytest.fixture(scope="module")
def crop(preprocess: Preprocessor, photo: np.ndarray) -> FaceCrop:
    return preprocess(photo)


def _on_canvas(photo: np.ndarray, height: int, width: int, x: int, y: int, scale: float) -> np.ndarray:
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 120, np.uint8)
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    return canvas


def _turned(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    transform = np.eye(4, dtype=np.float32)
    transform[[0, 2, 0, 2], [0, 0, 2, 2]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return transform


def test_framing(crop: FaceCrop) -> None:
    tracked = crop.tracked
    assert tracked.image.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3)
    assert tracked.landmarks.shape == (478, 3)
    height = np.linalg.norm(tracked.landmarks[10, :2] - tracked.landmarks[152, :2])
    assert abs(PORTRAIT_SIZE / height - 2.2) < 0.05
    centre = (tracked.landmarks[10] + tracked.landmarks[152]) / 2 / PORTRAIT_SIZE
    assert abs(centre[0] - 0.5) < 0.05
    assert abs(centre[1] - 0.56) < 0.04
    left, top, right, bottom = crop.border
    assert left <= -0.5 <= PORTRAIT_SIZE - 0.5 <= right
    assert top <= -0.5 <= PORTRAIT_SIZE - 0.5 <= bottom
    assert abs(yaw_degrees(tracked.transform)) < 15


def test_the_matrix_takes_photo_to_crop(crop: FaceCrop, photo: np.ndarray) -> None:
    size = (PORTRAIT_SIZE, PORTRAIT_SIZE)
    warped = cv2.warpAffine(photo, crop.matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(warped.astype(int) - crop.tracked.image)[100:400, 100:400]
    assert difference.mean() < 2


def test_pasting_the_crop_back_changes_nothing(crop: FaceCrop, photo: np.ndarray) -> None:
    back = PasteBack(crop, photo)(crop.tracked.image)
    height, width = photo.shape[0] // 2 * 2, photo.shape[1] // 2 * 2
    assert back.shape == (height, width, 3)
    assert PasteBack(crop, photo).size == (height, width)
    assert np.abs(back.astype(int) - photo[:height, :width]).mean() < 0.5


def test_pasting_back_touches_the_crop_only_and_leaves_no_seam(preprocess: Preprocessor, photo: np.ndarray) -> None:
    canvas = _on_canvas(photo, 901, 1400, 500, 300, 1.0)
    crop = preprocess(canvas)
    pasted = PasteBack(crop, canvas)(np.zeros_like(crop.tracked.image)).astype(int)
    canvas = canvas[:900].astype(int)
    changed = np.argwhere((pasted != canvas).any(2))
    corners = (changed[[0, -1]][:, ::-1] @ crop.matrix[:, :2].T) + crop.matrix[:, 2]
    assert corners.min() > -2
    assert corners.max() < PORTRAIT_SIZE + 2
    assert (pasted != canvas).any(2).sum() > 0.8 * (PORTRAIT_SIZE / crop.matrix[0, 0]) ** 2
    white = np.full_like(canvas, 255, np.uint8)
    faded = PasteBack(crop, white)(np.zeros_like(crop.tracked.image)).astype(int)
    assert np.abs(np.diff(faded[..., 0], axis=1)).max() <= 255 * crop.matrix[0, 0] / (0.06 * PORTRAIT_SIZE) + 2


def test_a_large_photo_is_pasted_into_a_smaller_picture_of_even_sides(
    preprocess: Preprocessor, photo: np.ndarray
) -> None:
    canvas = _on_canvas(photo, 3000, 4201, 1800, 900, 2.0)
    crop = preprocess(canvas)
    paste = PasteBack(crop, canvas)
    assert paste.size == (1370, 1920)
    small = cv2.resize(canvas, (1920, round(3000 * 1920 / 4201)), interpolation=cv2.INTER_AREA)[:1370]
    assert np.abs(paste(crop.tracked.image).astype(int) - small).mean() < 0.5


@pytest.mark.parametrize("zoom", [1 / 1.4, 1.25])
def test_pasted_pictures_are_zoomed_as_a_whole_about_the_face(
    preprocess: Preprocessor, crop: FaceCrop, photo: np.ndarray, zoom: float
) -> None:
    frame = PasteBack(crop, photo, zoom)(crop.tracked.image)
    assert frame.shape == PasteBack(crop, photo)(crop.tracked.image).shape
    found = preprocess(frame)
    assert found.face_height == pytest.approx(zoom * crop.face_height, rel=0.03)
    middle = np.full(2, (PORTRAIT_SIZE - 1) / 2)
    fixed = np.linalg.solve(crop.matrix[:, :2], middle - crop.matrix[:, 2])
    before, after = (_in_photo(c) for c in (crop, found))
    assert np.abs(after - (fixed + zoom * (before - fixed))).mean() < 3


def _in_photo(crop: FaceCrop) -> np.ndarray:
    """The landmarks, px of the photo."""
    return np.linalg.solve(crop.matrix[:, :2], (crop.tracked.landmarks[:, :2] - crop.matrix[:, 2]).T).T


def test_the_same_face_anywhere(preprocess: Preprocessor, crop: FaceCrop, photo: np.ndarray) -> None:
    """Small in a large picture, large, and at the edge: the same crop, to within a few px."""
    for canvas in (
        _on_canvas(photo, 3000, 4000, 3300, 200, 1.0),
        _on_canvas(photo, 1400, 1300, 100, 100, 2.0),
    ):
        other, own = (found.tracked.landmarks[:, :2] for found in (preprocess(canvas), crop))
        assert np.abs((other - other.mean(0)) - (own - own.mean(0))).mean() < 6


def test_the_largest_face_is_taken(preprocess: Preprocessor, photo: np.ndarray) -> None:
    canvas = _on_canvas(photo, 1024, 1600, 0, 0, 1.0)
    canvas[:, 576:] = _on_canvas(photo, 1024, 1024, 0, 0, 2.0)
    found = preprocess(canvas)
    centre = np.linalg.solve(found.matrix[:, :2], [256, 256] - found.matrix[:, 2])
    assert centre[0] > 576
    assert found.face_height > 150


def test_a_face_that_fills_the_picture(preprocess: Preprocessor, crop: FaceCrop) -> None:
    low, high = crop.tracked.landmarks[:, :2].min(0).astype(int), crop.tracked.landmarks[:, :2].max(0).astype(int)
    close = crop.tracked.image[low[1] : high[1], low[0] : high[0]].copy()
    found = preprocess(cv2.resize(close, None, fx=3, fy=3))
    assert found.tracked.image.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3)


@pytest.mark.parametrize("turn", [-25, 20])
def test_a_tilted_head(preprocess: Preprocessor, photo: np.ndarray, turn: int) -> None:
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1)
    tilted = cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    transform = preprocess(tilted).tracked.transform
    roll = np.degrees(np.arctan2(transform[1, 0], transform[1, 1]))
    assert abs(roll - turn) < 8


def test_grey_pictures(preprocess: Preprocessor, photo: np.ndarray) -> None:
    grey = np.dstack([cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)] * 3)
    assert preprocess(grey).face_height > 64


def test_no_face(preprocess: Preprocessor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    for picture in (noise, np.zeros((300, 400, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)):
        with pytest.raises(InputError, match="No face was found"):
            preprocess(picture)


@pytest.mark.parametrize(("height", "width"), [(30_000, 1), (1, 65_535), (40_000, 300), (300, 40_000)])
def test_a_long_picture_takes_no_square_of_its_length(preprocess: Preprocessor, height: int, width: int) -> None:
    """The square around it would take up to 18 GB."""
    picture = np.full((height, width, 3), 90, np.uint8)
    tracemalloc.start()  # NumPy's and OpenCV's arrays are counted
    with pytest.raises(InputError, match="No face was found"):
        preprocess(picture)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 200e6


def test_a_face_in_a_long_picture(preprocess: Preprocessor, crop: FaceCrop, photo: np.ndarray) -> None:
    """A strip of 512x9000 px, in which the whole is looked at as well as the crop at its end."""
    other = preprocess(np.vstack([photo, np.full((9000 - len(photo), photo.shape[1], 3), 120, np.uint8)]))
    assert other.face_height == pytest.approx(crop.face_height, rel=0.03)


def test_a_thin_strip_is_cut_as_its_padded_square_would_be() -> None:
    x = np.linspace(0, 6, 900)
    strip = (128 + 100 * np.sin(x)[:, None, None] * np.ones((1, 80, 3))).astype(np.uint8)
    thin, matrix = cut_square(strip, 40.0, 450.0, 1000.0)
    square = np.pad(strip, ((50, 50), (460, 460), (0, 0)), mode="edge")
    assert square.shape == (1000, 1000, 3)
    whole = cv2.resize(square, (PORTRAIT_SIZE, PORTRAIT_SIZE), interpolation=cv2.INTER_AREA)
    assert np.abs(thin.astype(int) - whole)[30:-30, 238:274].max() <= 3  # the rest lies outside and is blurred
    assert np.allclose(matrix[:, :2] @ [39.5, 449.5] + matrix[:, 2], (PORTRAIT_SIZE - 1) / 2)


@pytest.mark.parametrize("height", [20, 40, 56])
def test_a_face_that_is_too_small(preprocess: Preprocessor, crop: FaceCrop, photo: np.ndarray, height: int) -> None:
    small = _on_canvas(photo, 700, 900, 300, 200, height / crop.face_height)
    with pytest.raises(InputError, match=r"The face is \d+ px high; expected at least 64 px"):
        preprocess(small)


def test_a_profile_is_refused() -> None:
    for degrees in (0, 30, -40):
        check_yaw(_turned(degrees))
        assert abs(yaw_degrees(_turned(degrees)) - degrees) < 1e-3
    for degrees in (43, -75, 120):
        with pytest.raises(InputError, match="in profile; expected one turned at most 45 degrees"):
            check_yaw(_turned(degrees))


def test_a_smile_reads_as_happiness(crop: FaceCrop) -> None:
    found = EmotionClassifier(resolve("emotion_classifier"))(crop.tracked.image, crop.tracked.landmarks)
    assert abs(found.sum() - 1) < 1e-2
    assert EMOTIONS[int(found.argmax())] == "happiness"


def test_leaving_python_without_closing_is_quiet() -> None:
    program = (
        "from vasa_core.preprocess.landmarker import Landmarker\nfrom vasa_core.assets import resolve\n"
        "landmarker = Landmarker(resolve('face_landmarker'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_surroundings_are_the_photo_around_the_crop(crop: FaceCrop, photo: np.ndarray) -> None:
    canvas = crop.surroundings(photo, 100)
    assert canvas.shape == (712, 712, 3)
    assert np.array_equal(canvas[100:612, 100:612], crop.tracked.image)
    inverse = np.linalg.inv(np.vstack([crop.matrix, [0, 0, 1]]))
    x, y = (inverse @ [256, 560, 1])[:2].round().astype(int)  # 48 px below the crop
    if 1 <= y < photo.shape[0] - 1:
        near = photo[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        assert (near.min(0) - 12 <= canvas[660, 356]).all()
        assert (canvas[660, 356] <= near.max(0) + 12).all()


def test_faces_are_counted_from_the_left(preprocess: Preprocessor, photo: np.ndarray) -> None:
    canvas = np.concatenate([photo, _on_canvas(photo, photo.shape[0], photo.shape[1], 0, 0, 0.8)], 1)
    places = [preprocess(canvas, face=face).framing.x for face in (0, 1, 2)]
    assert places[0] == places[1] < photo.shape[1] < places[2]
    assert len(preprocess(canvas).others) == 1
    boxes = preprocess.faces(canvas)
    assert all(box[0] < x < box[2] for box, x in zip(boxes, places[1:], strict=True))
    with pytest.raises(InputError, match="face is 3; expected at most 2, since the picture shows 2 faces"):
        preprocess(canvas, face=3)


def test_a_photo_cut_at_the_hair_is_framed_inside_itself(
    preprocess: Preprocessor, crop: FaceCrop, photo: np.ndarray
) -> None:
    top = int(_in_photo(crop)[:, 1].min())
    tight = photo[max(0, top - 8) :]
    found = preprocess(tight)
    assert found.border[1] == pytest.approx(-0.5, abs=1)
    assert np.array_equal(found.surroundings(tight, 0), found.tracked.image)
    expected = _in_photo(crop) - [0, max(0, top - 8)]
    assert np.abs(_in_photo(found) - expected).mean() < 2


@pytest.mark.parametrize(
    ("square", "most", "side"), [(300.0, 1024, 512), (700.0, 512, 512), (700.0, 1024, 768), (3000.0, 1024, 1024)]
)
def test_a_crop_is_as_large_as_photo_and_video_make_use_of(square: float, most: int, side: int) -> None:
    assert crop_side(square, most) == side


def test_a_larger_crop_shows_more_of_the_photos_pixels(preprocess: Preprocessor, photo: np.ndarray) -> None:
    canvas = _on_canvas(photo, 2400, 2400, 100, 300, 4.0)
    small, large = (preprocess(canvas, side=side) for side in (512, 1024))
    assert large.tracked.image.shape == (1024, 1024, 3)
    assert np.abs(_in_photo(large) - _in_photo(small)).max() < 0.1
    assert np.allclose(large.matrix[:, :2], 2 * small.matrix[:, :2])
    halved = cv2.resize(large.tracked.image, (512, 512), interpolation=cv2.INTER_AREA)
    assert np.abs(halved.astype(int) - small.tracked.image).mean() < 2
    pasted = PasteBack(large, canvas)(large.tracked.image)
    assert np.abs(pasted.astype(int) - PasteBack(small, canvas)(small.tracked.image)).mean() < 1
