"""Sound files for the tests of reading and writing."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_sound(tmp_path: Path) -> Callable[..., Path]:
    """Writes samples in [-1, 1] as a 16-bit mono WAV in the test's folder."""

    def write(samples: np.ndarray, name: str = "sound.wav", rate: int = 16_000) -> Path:
        path = tmp_path / name
        with wave.open(str(path), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(rate)
            stream.writeframes((np.asarray(samples) * 32767).round().astype("<i2").tobytes())
        return path

    return write
