"""The compiled pass draws what OpenCV's bicubic remap and plain arithmetic draw, inside its box, edges included."""

import cv2
import numpy as np
import pytest

from vasa_core.face.mesh.compose import lay_over, seen_around

HEIGHT, WIDTH, MARGIN = 40, 50, 6


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """A person of noise, opaque, half and not at all there, and a plate of noise."""
    rng = np.random.default_rng(3)
    person = rng.integers(0, 256, (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 4), dtype=np.uint8)
    person[:, :20, 3], person[:, 40:, 3] = 255, 0
    return person, rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _flow(zoom: float, turn: float) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    there = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], -1)
    return (there * zoom + 1.37).astype(np.float32)


def _expected(person: np.ndarray, flow: np.ndarray, plate: np.ndarray) -> np.ndarray:
    places = flow + np.float32(MARGIN)
    sampled = cv2.remap(person, places, np.empty(0), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = sampled[..., 3:] / 255.0
    return share * sampled[..., :3] + (1 - share) * plate


@pytest.mark.parametrize(("zoom", "turn"), [(1.0, 0.0), (0.7, 0.4), (1.9, -0.8)])
def test_it_is_a_bicubic_remap_laid_over_the_plate(zoom: float, turn: float) -> None:
    person, plate = _pictures()
    flow = _flow(zoom, turn)  # the last one leaves the picture on several sides
    frame = np.zeros_like(plate)
    lay_over(person, seen_around(person[..., 3]), flow, MARGIN, plate, frame)
    assert np.abs(frame - _expected(person, flow, plate)).max() <= 2


def test_whole_pixels_are_copied_exactly() -> None:
    person, plate = _pictures()
    person[..., 3] = 255
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    frame = np.zeros_like(plate)
    lay_over(person, seen_around(person[..., 3]), np.stack([x, y], -1), MARGIN, plate, frame)
    assert np.array_equal(frame, person[MARGIN:-MARGIN, MARGIN:-MARGIN, :3])


def test_nothing_outside_the_box_is_touched() -> None:
    person, plate = _pictures()
    flow, frame, whole = _flow(1.1, 0.1), np.full_like(plate, 7), np.zeros_like(plate)
    seen = seen_around(person[..., 3])
    lay_over(person, seen, flow, MARGIN, plate, frame, (10, 5, 31, 22))
    lay_over(person, seen, flow, MARGIN, plate, whole)
    assert np.array_equal(frame[5:22, 10:31], whole[5:22, 10:31])
    frame[5:22, 10:31] = 7
    assert (frame == 7).all()


def test_what_is_passed_over_would_have_changed_nothing() -> None:
    person, plate = _pictures()
    flow, frame, all_seen = _flow(0.9, -0.2), np.zeros_like(plate), np.zeros_like(plate)
    seen = seen_around(person[..., 3])
    assert (seen == 0).any()
    lay_over(person, seen, flow, MARGIN, plate, frame)
    lay_over(person, np.ones_like(seen), flow, MARGIN, plate, all_seen)
    assert np.array_equal(frame, all_seen)
