"""Noisy copies of clean sound."""

import numpy as np

from vasa_core.data.noise import dirty


def test_dirty_sound_is_different_every_time_and_never_out_of_range() -> None:
    pitch = np.repeat(np.where(np.arange(48) // 10 % 2, 300.0, 120.0), 320)
    sound = (0.3 * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / 16000))).astype(np.float32)
    made = [dirty(sound, sound[::-1].copy(), np.random.default_rng(k)) for k in range(40)]
    assert all(m.shape == sound.shape and m.dtype == np.float32 and np.abs(m).max() <= 1 for m in made)
    assert np.isfinite(made).all()
    assert len({m.tobytes() for m in made}) == 40
    correlations = [np.corrcoef(m, sound)[0, 1] for m in made if m.std() > 0]
    assert np.median(correlations) > 0.4  # the speech is still there
    again = dirty(sound, sound[::-1].copy(), np.random.default_rng(7))
    assert np.array_equal(again, made[7])
