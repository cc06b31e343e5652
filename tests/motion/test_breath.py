"""Breath: slow, small, and the same however the video is cut."""

import numpy as np

from vasa_core.motion.breath import RISE, breathing
from vasa_core.rates import FPS


def test_breath_is_that_of_an_adult_at_rest() -> None:
    rise = breathing(0, 60 * FPS, 5)
    assert rise[0] == 0
    risen = rise - rise.mean()
    breaths = np.count_nonzero((risen[1:] > 0) & (risen[:-1] <= 0))
    assert 11 <= breaths <= 18
    assert np.ptp(rise) < 2 * RISE + 1e-9
    assert np.abs(np.diff(rise)).max() < 0.1 * RISE


def test_breath_goes_on_and_differs_between_seeds() -> None:
    np.testing.assert_allclose(np.concatenate([breathing(0, 30, 1), breathing(30, 70, 1)]), breathing(0, 100, 1))
    assert not np.allclose(breathing(0, 100, 1), breathing(0, 100, 2))
