"""The public API as its documentation shows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vasa_core
from vasa_core import GenerationOptions, InputError, Pipeline
from vasa_core.io.audio import AudioFile, read_audio
from vasa_core.io.image import read_image
from vasa_core.io.video import read_frames
from vasa_core.options import CONTROLS
from vasa_core.pipeline import Prepared

QUICK: dict[str, Any] = {"steps": 2, "size": 256}


def test_public_names_are_there_and_others_are_not() -> None:
    for name in vasa_core.__all__:
        assert getattr(vasa_core, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = vasa_core.no_such_name


def test_a_video_is_frames_and_can_be_saved_with_its_sound(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path
) -> None:
    video = pipeline.animate(str(portrait), str(brief_speech), gaze=(10, 0), emotion="happiness", seed=7, **QUICK)
    frames = np.stack(list(video))
    assert frames.shape == (15, 256, 256, 3)
    assert np.array_equal(frames, np.stack(list(video)))  # made anew, and the same
    made = video.save(str(tmp_path / "out.mp4"))
    assert (made.frames, made.width, made.height, made.seed) == (15, 256, 256, 7)
    assert AudioFile.open(tmp_path / "out.mp4").seconds == pytest.approx(0.6, abs=0.03)


def test_files_pixels_and_waveforms_are_the_same_input(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path
) -> None:
    pixels, waveform = read_image(portrait), read_audio(brief_speech)
    one = pipeline.animate(portrait, brief_speech, **QUICK)
    other = pipeline.animate(pixels, waveform, GenerationOptions(**QUICK))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    other.save(tmp_path / "out.mp4")
    assert AudioFile.open(tmp_path / "out.mp4").seconds == pytest.approx(0.6, abs=0.03)


def test_motion_can_be_edited_and_rendered(
    pipeline: Pipeline, prepared: Prepared, brief_speech: Path, tmp_path: Path
) -> None:
    motion = pipeline.motion(prepared, str(brief_speech), seed=3, steps=2)
    assert motion.pose.shape == (15, 6)
    assert len(motion.dynamics) == 15
    same = pipeline.animate(prepared, brief_speech, seed=3, **QUICK)
    assert all(np.array_equal(a, b) for a, b in zip(pipeline.render(prepared, motion, size=256), same, strict=True))
    still = dataclasses.replace(motion, pose=np.repeat(prepared.portrait.motion.pose, 15, 0))
    pipeline.render(prepared, still, size=256).save(tmp_path / "still.mp4")
    frames = list(read_frames(tmp_path / "still.mp4"))
    assert len(frames) == 15
    with pytest.raises(InputError, match="holds no sound"):
        AudioFile.open(tmp_path / "still.mp4")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gazes": 1}, "gazes is no option; expected one of gaze_yaw, "),
        ({"gaze": 10}, "gaze is 10; expected two angles"),
        ({"gaze": (99, 0)}, "gaze_yaw is 99; expected a number from -30.0 to 30.0."),
    ],
)
def test_options_by_name_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        GenerationOptions.of(**changes)
    assert str(caught.value).startswith(message)


def test_another_face_model_keeps_device_and_weights(pipeline: Pipeline) -> None:
    volume = pipeline.with_face("volume")
    assert volume.device == pipeline.device
    assert volume.motion_model is pipeline.motion_model
    assert pipeline.with_face("volume").face is volume.face
    assert volume.with_face("mesh").with_face("volume").face is volume.face


def test_every_option_is_in_the_table_with_its_default_in_range() -> None:
    assert list(CONTROLS) == [entry.name for entry in dataclasses.fields(GenerationOptions)]
    for name, control in CONTROLS.items():
        default = getattr(GenerationOptions(), name)
        assert control.help.endswith(".")
        if control.low is not None and control.high is not None:
            assert control.low <= default <= control.high
