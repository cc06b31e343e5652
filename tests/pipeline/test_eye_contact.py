"""Eyes that look into the camera in the photo do so in the video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from vasa_core.assets import ASSETS
from vasa_core.face.basis import GAZE, LIDS
from vasa_core.face.measure import eye_gap
from vasa_core.io.audio import read_audio
from vasa_core.motion.representation import PITCH, YAW
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.eye_contact import EyeContact
from vasa_core.pipeline.sound import open_sound
from vasa_core.types import Motion

SPEECH = ASSETS / "speech.wav"


def _photo(yaw: float, pitch: float, head_yaw: float = 0, head_pitch: float = 0) -> Motion:
    """A photo whose eyes are read to look there in the camera, degrees, whatever its head does."""
    pose, dynamics = np.zeros((1, 6)), np.zeros((1, 36))
    pose[0, [YAW, PITCH]] = np.radians([head_yaw, head_pitch])
    dynamics[0, GAZE] = np.radians([yaw - head_yaw, pitch - head_pitch])
    return Motion(pose, dynamics)


@pytest.mark.parametrize(("read", "share"), [((5, -6), 1), ((0, 12), 0.5), ((-30, 3), 0)])
def test_a_gaze_read_near_the_camera_is_eye_contact_and_one_far_off_is_not(
    read: tuple[float, float], share: float
) -> None:
    contact = np.degrees(EyeContact.of(_photo(*read, head_yaw=10, head_pitch=-4)).gaze)
    np.testing.assert_allclose(contact, share * np.array(read), atol=1e-9)


def test_open_eyes_are_as_open_as_in_the_photo_whatever_gaze_is_read_off_them(
    pipeline: Pipeline, portrait: Path
) -> None:
    ready = pipeline.prepare(portrait).portrait
    contact = EyeContact.of(ready.motion)
    resting = Motion(ready.motion.pose, ready.motion.dynamics.copy())
    resting.dynamics[:, LIDS] = 1  # as generated, and with the gaze into the camera
    resting.dynamics[:, GAZE] = -ready.motion.pose[:, [YAW, PITCH]]
    drawn = pipeline.face.landmarks(ready, contact.kept(resting))[0]
    np.testing.assert_allclose(eye_gap(drawn) / eye_gap(ready.landmarks), 1, atol=0.05)


def test_gaze_zero_is_where_the_photo_looks(pipeline: Pipeline, portrait: Path) -> None:
    prepared = pipeline.prepare(portrait).portrait
    off = np.radians([5.0, -4.0])  # a face whose eyes are read to be so far beside the camera
    own = prepared.motion
    dynamics = own.dynamics.copy()
    dynamics[0, GAZE] = off - own.pose[0, [YAW, PITCH]]
    face = replace(prepared, motion=Motion(own.pose, dynamics))
    samples = read_audio(SPEECH)[:64_000]
    looked = []
    for seed in range(3):  # in four seconds eyes fixate a few places only
        options = GenerationOptions(gaze_yaw=15.0, gaze_pitch=10.0, steps=5, seed=seed)
        sound = open_sound(samples, Event())
        motions = list(pipeline.speech_motion(face, sound, options))
        looked += [m.dynamics[:, GAZE] + m.pose[:, [YAW, PITCH]] for m in motions]
    np.testing.assert_allclose(np.degrees(np.median(np.concatenate(looked), 0)), [20, 6], atol=2)
