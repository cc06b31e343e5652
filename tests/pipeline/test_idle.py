"""Who is silent lives on: lips closed, eyes and head in motion, breath in head and shoulders."""

from threading import Event

import numpy as np
import pytest

from vasa_core.face.basis import LIDS
from vasa_core.face.measure import lip_gap
from vasa_core.motion.breath import RISE
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.sound import open_sound
from vasa_core.rates import FPS, SAMPLE_RATE
from vasa_core.types import Motion

SECONDS = 8


@pytest.mark.parametrize("live", [False, True])
def test_silence_gives_a_listener_with_closed_lips(pipeline: Pipeline, prepared: Prepared, live: bool) -> None:
    ready = prepared.portrait
    silence = np.zeros(SECONDS * SAMPLE_RATE, np.float32)
    sound = open_sound(iter(np.split(silence, SECONDS * 4)) if live else silence, Event())
    motion = Motion.joined(list(pipeline.speech_motion(ready, sound, GenerationOptions(seed=3))))
    shapes = pipeline.face.basis.decode(motion.dynamics, ready.rest, ready.motion.dynamics[0])
    gap = lip_gap(shapes, 3) / np.ptp(ready.rest[:, 1])
    assert len(motion) == SECONDS * FPS
    assert np.percentile(gap[FPS:], 95) < 0.015  # of face height; the photo's own lips are parted
    closed = motion.dynamics[:, LIDS].mean(1) < 0.3
    assert 1 <= np.count_nonzero(np.diff(closed.astype(int)) == 1) <= 5
    assert np.degrees(motion.pose[:, :3]).std(0).max() > 0.5
    assert motion.breath is not None
    assert RISE < np.ptp(motion.breath) < 2.01 * RISE
