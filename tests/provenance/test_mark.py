"""Marked frames look the same, carry a badge, and are told from others even after H.264."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from vasa_core.io.ffmpeg import executable
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.provenance.mark import METADATA, mark, mark_score

THRESHOLD = 0.15


@pytest.fixture(scope="module")
def frame(portrait: Path) -> np.ndarray:
    return cv2.resize(read_image(portrait), (512, 512), interpolation=cv2.INTER_AREA)


def test_the_mark_is_invisible_outside_the_badge(frame: np.ndarray) -> None:
    before = frame.copy()
    marked = mark(frame)
    assert np.array_equal(frame, before)
    assert marked.dtype == np.uint8
    change = marked.astype(int) - frame
    assert np.abs(change[:480]).max() <= 3
    assert abs(change[:480].mean()) < 0.1
    assert 1.0 < change[:480].std() < 2.0
    middling = (frame[:480].min(2) > 5) & (frame[:480].max(2) < 250)
    assert np.ptp(change[:480][middling], axis=1).max() == 0  # luma only


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


def test_deterministic(frame: np.ndarray) -> None:
    assert np.array_equal(mark(frame), mark(frame.copy()))


def test_marked_and_unmarked_are_told_apart(frame: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (512, 512, 3), np.uint8)
    for picture in (frame, frame[:, ::-1].copy(), frame[::-1].copy(), noise, np.full_like(frame, 90)):
        assert abs(mark_score([picture])) < THRESHOLD / 1.5
    for picture in (frame, cv2.GaussianBlur(frame, (0, 0), 3), frame // 2 + 60, np.full_like(frame, 90)):
        assert mark_score([mark(picture)]) > 2 * THRESHOLD


@pytest.mark.parametrize("size", [256, 512])
def test_the_mark_survives_h264(frame: np.ndarray, tmp_path: Path, size: int) -> None:
    small = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    with VideoWriter(first, (size, size), None, METADATA) as writer:
        for shift in range(12):
            writer.write(mark(np.roll(small, shift, 1)))
    again = ["-i", str(first), "-c:v", "libx264", "-crf", "23", "-preset", "veryfast", str(second)]
    subprocess.run([executable(), "-v", "error", *again], check=True)
    for path in (first, second):
        assert mark_score(list(read_frames(path))[:5]) > THRESHOLD
    assert mark_score([np.roll(small, shift, 1) for shift in range(5)]) < THRESHOLD / 2
    report = subprocess.run([executable(), "-i", str(first)], capture_output=True, text=True, check=False).stderr
    assert "AI-generated" in report
    assert "trainedAlgorithmicMedia" in report


def test_no_frames() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mark_score([])
