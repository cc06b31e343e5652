"""A video begins with its photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.ease import FACE_FRAMES, HEAD_FRAMES, eased_in
from vasa_core.types import Motion

RNG = np.random.default_rng(0)
OWN = Motion(RNG.normal(size=(1, 6)), RNG.normal(size=(1, 12)))
MOTION = Motion(RNG.normal(size=(60, 6)), RNG.normal(size=(60, 12)))


def test_the_first_frame_is_the_photo_and_later_ones_are_the_motion() -> None:
    eased = eased_in(MOTION, OWN, 0)
    np.testing.assert_allclose(eased.pose[0], OWN.pose[0])
    np.testing.assert_allclose(eased.dynamics[0], OWN.dynamics[0])
    np.testing.assert_allclose(eased.pose[HEAD_FRAMES:], MOTION.pose[HEAD_FRAMES:])
    np.testing.assert_allclose(eased.dynamics[FACE_FRAMES:, 2:], MOTION.dynamics[FACE_FRAMES:, 2:])


def test_it_does_not_matter_how_the_motion_is_cut() -> None:
    parts = [eased_in(MOTION[a:b], OWN, a) for a, b in ((0, 1), (1, 10), (10, 60))]
    np.testing.assert_allclose(Motion.joined(parts).pose, eased_in(MOTION, OWN, 0).pose)


def test_the_first_picture_is_the_photo(pipeline: Pipeline, prepared: Prepared, brief_speech: Path) -> None:
    first = next(iter(pipeline.animate(prepared, brief_speech, steps=2)))
    still = next(iter(pipeline.render(prepared, prepared.portrait.motion)))
    assert np.array_equal(first, still)
    assert np.abs(first[:480].astype(int) - prepared.portrait.photo[:480]).mean() < 2.5


@pytest.mark.parametrize("seed", [0, 3])
def test_heads_do_not_jump(pipeline: Pipeline, prepared: Prepared, seed: int) -> None:
    motion = pipeline.motion(prepared, np.zeros(6 * 16_000, np.float32), seed=seed)
    assert np.degrees(np.abs(np.diff(motion.pose[:, :3], axis=0))).max() < 2.6


def test_another_sound_moves_the_head_another_way(pipeline: Pipeline, prepared: Prepared) -> None:
    sounds = np.zeros(96_000, np.float32), RNG.normal(0, 0.05, 96_000).astype(np.float32)
    one, other = (pipeline.motion(prepared, sound, seed=0).pose[30:, 1] for sound in sounds)
    assert np.corrcoef(one, other)[0, 1] < 0.9
