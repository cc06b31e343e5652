"""Eyes of sampled motion: fixations, saccades and blinks, however the stream is cut."""

import numpy as np
import pytest

from vasa_core.motion.eyes import AWAKE, NEAR, PAUSE, STARTLED, Eyes
from vasa_core.motion.representation import GAZE, LIDS
from vasa_core.rates import FPS

CHANNELS = 14


def still(frames: int) -> np.ndarray:
    x = np.zeros((frames, CHANNELS))
    x[:, LIDS] = 1
    return x


def blinks(x: np.ndarray) -> list[tuple[int, int]]:
    """First frame and length of each blink: frames with lids less than half open."""
    closed = np.concatenate([[False], x[:, LIDS.start] < 0.5, [False]])
    starts, ends = (np.flatnonzero(np.diff(closed.astype(int)) == step) for step in (1, -1))
    return list(zip(starts.tolist(), (ends - starts).tolist(), strict=True))


def test_frames_do_not_depend_on_how_the_stream_is_cut() -> None:
    x = np.random.default_rng(0).normal(0, 0.3, (200, CHANNELS))
    whole, eyes = Eyes(3)(x), Eyes(3)
    parts = [eyes(x[a:b]) for a, b in ((0, 1), (1, 40), (40, 47), (47, 200))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(Eyes(4)(x), whole)


def test_nothing_but_gaze_and_lids_changes() -> None:
    x = np.random.default_rng(0).normal(size=(100, CHANNELS))
    result = Eyes(0)(x)
    result[:, GAZE], result[:, LIDS] = x[:, GAZE], x[:, LIDS]
    np.testing.assert_array_equal(result, x)


def test_who_is_not_told_to_blink_does_so_ten_to_twenty_five_times_a_minute_and_fully() -> None:
    result = Eyes(1)(still(10 * 60 * FPS))
    found = blinks(result)
    assert 100 <= len(found) <= 250
    assert all(0.1 <= length / FPS <= 0.4 for _, length in found)
    assert all(result[start : start + length, LIDS].min() == 0 for start, length in found)
    assert np.diff([start for start, _ in found]).min() >= PAUSE * FPS
    assert found[0][0] >= AWAKE


def test_a_blink_that_is_sampled_is_made_whole_when_it_was_sampled() -> None:
    x = still(56)
    x[45:47, LIDS] = 0.4
    found = blinks(Eyes(0)(x))
    assert [start for start, _ in found] == [46]


def test_lids_that_hang_open_and_startled_ones_are_limited() -> None:
    x = still(3)
    x[:, LIDS] = np.array([[0.8, 0.8], [2.0, 2.0], [0.9, 1.1]])
    lids = Eyes(0)(x)[:, LIDS]
    assert 0.9 < lids[0, 0] < 1
    assert lids[1].tolist() == pytest.approx([1 + STARTLED] * 2, abs=1e-3)
    assert lids[2].tolist() == [1, 1]  # both eyes alike


def test_a_trembling_gaze_rests_and_a_far_one_is_reached_in_a_jump() -> None:
    x = still(60)
    x[:, GAZE] = np.random.default_rng(0).uniform(-NEAR / 3, NEAR / 3, (60, 2))
    x[30:, GAZE.start] += 4 * NEAR
    gaze = Eyes(0)(x)[:, GAZE]
    steps = np.linalg.norm(np.diff(gaze, axis=0), axis=1)
    assert np.count_nonzero(steps) <= 5
    assert np.abs(gaze[:29]).max() == 0
    np.testing.assert_allclose(gaze[40:], x[30:, GAZE].mean(0)[None].repeat(20, 0), atol=NEAR)
