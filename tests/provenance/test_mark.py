"""Marked frames look the same, carry a badge, and are told from others even after H.264."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.io.ffmpeg import executable
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.provenance.mark import MARKED_FROM, METADATA, mark, mark_score


@pytest.fixture(scope="module")
def frame(portrait: Path) -> np.ndarray:
    return cv2.resize(read_image(portrait), (512, 512), interpolation=cv2.INTER_AREA)


def _marked(frames: list[np.ndarray], start: int = 0) -> list[np.ndarray]:
    return [mark(frame, number) for number, frame in enumerate(frames, start)]


def _shaking(frame: np.ndarray, count: int) -> list[np.ndarray]:
    """A video of the picture whose middle shakes before what stays behind it, as in videos of talking heads."""
    size = frame.shape[0]
    head = np.zeros((size, size, 1), np.float32)
    cv2.ellipse(head, (size // 2, size // 2), (size // 4, size // 3), 0, 0, 360, 1, -1)
    head = cv2.GaussianBlur(head, (0, 0), size / 60)[..., None]  # (size, size, 1)
    shifts = [round(size / 100 * np.sin(number / 6)) for number in range(count)]
    return [np.rint(frame + head * (np.roll(frame, shift, 1).astype(int) - frame)).astype(np.uint8) for shift in shifts]


@pytest.mark.parametrize("size", [256, 512, 768])
@pytest.mark.parametrize("level", [8, 90, 240])
def test_the_mark_is_invisible_on_walls(size: int, level: int) -> None:
    changes = np.array([mark(np.full((size, size, 3), level, np.uint8), n) for n in range(0, 50, 2)]).astype(int)
    changes = changes[:, : size * 9 // 10] - level
    assert np.abs(changes).max() == 1
    error = (changes**2).mean((1, 2, 3))
    assert (10 * np.log10(255**2 / error)).min() > 53  # dB
    assert np.sqrt(error).min() > 0.4  # and it is there
    assert np.abs(changes.mean(0)).max() < 0.1  # nothing stays where it is


def test_the_mark_is_invisible_in_a_photo(frame: np.ndarray) -> None:
    before = frame.copy()
    marked = mark(frame, 7)
    assert np.array_equal(frame, before)
    assert marked.dtype == np.uint8
    change = marked.astype(int) - frame
    assert np.abs(change[:480]).max() <= 4
    assert abs(change[:480].mean()) < 0.1
    assert 0.5 < change[:480].std() < 1.3
    middling = (frame[:480].min(2) > 5) & (frame[:480].max(2) < 250)
    assert np.ptp(change[:480][middling], axis=1).max() == 0  # luma only


def test_the_mark_is_stronger_in_texture_but_not_beside_an_edge() -> None:
    picture = np.full((512, 512, 3), 60, np.uint8)
    picture[:, 256:] = 180
    picture[:256, 256:] = 180 + np.random.default_rng(0).normal(0, 25, (256, 256, 1)).clip(-60, 60).astype(int)
    change = mark(picture, 3).astype(int) - picture
    assert change[40:216, 296:].std() > 1.5 * change[296:480, 296:400].std()
    assert np.abs(change[296:480, :400]).max() == 1


def test_the_badge_is_in_a_lower_corner_and_legible(frame: np.ndarray) -> None:
    for size in (256, 512):
        for level in (0, 128, 255):
            marked = mark(np.full((size, size, 3), level, np.uint8)).astype(int)
            rows, columns = np.nonzero(np.abs(marked.mean(2) - level) > 8)
            assert rows.min() > 0.9 * size
            assert columns.min() > 0.7 * size
            badge = marked[rows.min() : rows.max(), columns.min() : columns.max()]
            assert badge.max() - badge.min() > 60
    assert np.ptp(mark(frame)[480:, 400:].astype(int)) > 100


def test_a_transparent_frame_keeps_its_opacity_but_for_the_badge() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 4), np.uint8)
    marked = mark(picture, 5)
    assert marked.shape == picture.shape
    assert np.array_equal(marked[:480, :, 3], picture[:480, :, 3])
    assert np.array_equal(marked[:480, :, :3], mark(picture[..., :3].copy(), 5)[:480])
    picture[..., 3] = 0
    badge = mark(picture)[..., 3] == 255
    rows, columns = np.nonzero(badge)
    assert badge[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].mean() > 0.9
    black = mark(np.zeros_like(picture))
    assert np.array_equal(mark(picture)[badge], black[badge])  # nothing of what is transparent shows through


def test_deterministic(frame: np.ndarray) -> None:
    assert np.array_equal(mark(frame, 4), mark(frame.copy(), 4))
    assert np.array_equal(mark(frame, 4), mark(frame, 54))
    assert not np.array_equal(mark(frame, 4), mark(frame, 14))


def test_the_score_of_other_pictures_is_as_rare_as_it_says(frame: np.ndarray) -> None:
    """The square of a score is that of two independent normal numbers: 2 on average, 18 once in 8000."""
    generator = np.random.default_rng(0)
    photos = [np.roll(frame, tuple(generator.integers(0, 512, 2)), (0, 1)) for _ in range(300)]
    squares = np.array([mark_score([photo[:: generator.choice([-1, 1])]]) for photo in photos]) ** 2
    assert 1.6 < squares.mean() < 2.4
    assert squares.max() < 18
    noise = generator.integers(0, 256, (512, 512, 3), np.uint8)
    for picture in (frame, noise, np.full_like(frame, 90)):
        assert mark_score([picture] * 20, 5) < MARKED_FROM / 1.5
    assert mark_score(_shaking(frame, 100)) < MARKED_FROM / 1.5


def test_the_mark_is_found_in_calm_pictures_and_wherever_a_video_is_cut(frame: np.ndarray) -> None:
    for picture in (cv2.GaussianBlur(frame, (0, 0), 8), frame // 2 + 60, np.full_like(frame, 90)):
        assert mark_score([mark(picture, 31)]) > MARKED_FROM
    video = _marked(_shaking(frame, 90))
    whole = mark_score(video[::5], 5)
    assert whole > 4 * MARKED_FROM
    assert whole > 3 * mark_score(video[:1])
    assert mark_score(video[17:67:5], 5) > 4 * MARKED_FROM
    assert mark_score(video[20:50], 1) > 3 * MARKED_FROM


def test_the_mark_is_found_at_any_size_and_shape(frame: np.ndarray) -> None:
    video = _marked([cv2.resize(picture, (720, 500)) for picture in _shaking(frame, 50)])[::5]
    assert mark_score(video, 5) > 4 * MARKED_FROM
    assert mark_score([cv2.resize(picture, (1037, 720)) for picture in video], 5) > 4 * MARKED_FROM


@pytest.mark.parametrize(("size", "crf"), [(256, "23"), pytest.param(512, "23", marks=pytest.mark.slow), (512, "28")])
def test_the_mark_survives_h264(frame: np.ndarray, tmp_path: Path, size: int, crf: str) -> None:
    small = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
    first, second, large = tmp_path / "first.mp4", tmp_path / "second.mp4", tmp_path / "large.mp4"
    with VideoWriter(first, (size, size), None, METADATA) as writer:
        for picture in _marked(_shaking(small, 100)):
            writer.write(picture)
    command = [executable(), "-v", "error", "-i", str(first), "-c:v", "libx264", "-crf", crf, "-preset", "veryfast"]
    subprocess.run([*command, str(second)], check=True)
    subprocess.run([*command, "-vf", "scale=-2:720", str(large)], check=True)
    for path in (first, second, large):
        assert mark_score(list(read_frames(path))[::5], 5) > MARKED_FROM
    report = subprocess.run([executable(), "-i", str(first)], capture_output=True, text=True, check=False).stderr
    assert "AI-generated" in report
    assert "trainedAlgorithmicMedia" in report


def test_no_frames() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mark_score([])
