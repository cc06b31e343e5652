"""Frames in the cache: read from disk where they are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vasa_core.data.frames import StoredArray
from vasa_core.files import write_arrays


def test_a_stored_array_gives_what_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames, mattes = rng.integers(0, 255, (5, 8, 8, 3), np.uint8), rng.normal(size=(5, 8, 8))
    write_arrays(tmp_path / "clip.npz", frames=frames, pose=np.zeros((5, 6)), mattes=mattes)
    for name, expected in (("frames", frames), ("mattes", mattes)):
        stored = StoredArray(tmp_path / "clip.npz", name)
        assert len(stored) == 5
        assert stored.shape == expected.shape
        assert np.array_equal(stored[3], expected[3])
        assert np.array_equal(stored[-1], expected[-1])
        assert np.array_equal(stored[[0, 4]], expected[[0, 4]])
        assert np.array_equal(stored[:], expected)


def test_no_file_stays_open_and_nothing_in_memory(tmp_path: Path) -> None:
    write_arrays(tmp_path / "clip.npz", frames=np.zeros((4, 2, 2, 3), np.uint8))
    arrays = [StoredArray(tmp_path / "clip.npz", "frames") for _ in range(2000)]  # more than a process may open
    assert all(type(array[1]) is np.ndarray for array in arrays)
