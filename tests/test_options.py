"""The options of a generation refuse every value that they cannot honour, in one sentence that names it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vasa_core.errors import InputError, shown
from vasa_core.options import (
    CONTROLS,
    DISTANCE_RANGE,
    EMOTION_CHOICES,
    EMOTIONS,
    GAZE_LIMIT,
    GenerationOptions,
    colour_of,
)

BAD = [
    ("gaze_yaw", GAZE_LIMIT + 0.1),
    ("gaze_yaw", math.nan),
    ("gaze_pitch", -math.inf),
    ("gaze_pitch", "10"),
    ("distance", DISTANCE_RANGE[0] - 0.01),
    ("distance", 0),
    ("distance", None),
    ("emotion", "bored"),
    ("emotion", ""),
    ("emotion_strength", -0.1),
    ("emotion_strength", True),
    ("guidance_audio", 5.1),
    ("guidance_audio", math.nan),
    ("guidance_gaze", -1),
    ("guidance_emotion", 1e9),
    ("guidance_distance", math.inf),
    ("guidance_previous", True),
    ("expressiveness", 2.1),
    ("expressiveness", math.nan),
    ("head_motion", -0.5),
    ("steps", 0),
    ("steps", 1.5),
    ("steps", 101),
    ("seed", -1),
    ("seed", 2**32),
    ("seed", 0.5),
    ("seed", 10**400),
    ("steps", 10**5000),
    ("gaze_yaw", -(10**400)),
    ("distance", np.ones(3)),
    ("emotion", np.array(["fear", "anger"])),
    ("emotion", ["fear"]),
    ("size", {"a": 1}),
    ("size", np.array([256, 512])),
    ("size", "512"),
    ("style", 5),
    ("style", b"a.mp4"),
    ("style", "x" * 5000),
    ("head_pose", np.zeros(2)),
    ("head_pose", "a\0b"),
    ("seed", "7" * 1000),
    ("size", 333),
    ("size", math.nan),
    ("background", "greenish"),
    ("background", ""),
    ("background", "#00ff0080"),
    ("background", "nowhere.jpg"),
    ("background", "x" * 5000),
    ("background", (0, 255, 0)),
    ("framing", 1),
    ("framing", None),
    ("face", 100),
    ("framing", "wide"),
    ("face", -1),
    ("face", 1.5),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name} {shown(value)}" for name, value in BAD])
def test_bad_values_are_named_in_one_sentence(name: str, value: object) -> None:
    options = GenerationOptions()
    object.__setattr__(options, name, value)  # past the type check that only the tests switch on
    with pytest.raises(InputError) as caught:
        options.validate()
    message = str(caught.value)
    assert message.startswith(f"{name} is {shown(value)}; expected ")
    assert len(message) < 300
    assert message.endswith(".")
    assert "\n" not in message


def test_numbers_of_other_types_are_taken_as_python_s_own() -> None:
    options = GenerationOptions()
    given: dict[str, Any] = {
        "seed": np.int64(7),
        "steps": np.float32(3),
        "distance": np.float32(1.25),
        "size": 256.0,
        "gaze_yaw": 5,
    }
    for name, value in given.items():
        object.__setattr__(options, name, value)
    found = options.validate()
    assert found == GenerationOptions(seed=7, steps=3, distance=1.25, size=256, gaze_yaw=5.0)
    assert all(type(getattr(found, name)) is type(CONTROLS[name].default) for name in given)
    assert GenerationOptions.of(**given) == found


def test_defaults_and_extremes_are_good() -> None:
    assert GenerationOptions().validate() == GenerationOptions()
    for sign, distance in zip((-1, 1), DISTANCE_RANGE, strict=True):
        GenerationOptions(gaze_yaw=sign * GAZE_LIMIT, gaze_pitch=sign * GAZE_LIMIT, distance=distance).validate()
    for emotion in EMOTION_CHOICES:
        GenerationOptions(emotion=emotion).validate()


@pytest.mark.parametrize("emotion", sorted({*EMOTIONS, "joy"} - {*EMOTION_CHOICES}))
def test_an_emotion_that_is_not_offered_is_an_error_that_lists_the_others(emotion: str) -> None:
    with pytest.raises(InputError, match=f"emotion is '{emotion}'; expected one of happiness, sadness, anger"):
        GenerationOptions(emotion=emotion).validate()


@pytest.mark.parametrize(
    ("background", "colour"),
    [("white", (255, 255, 255)), ("#0b14ff", (11, 20, 255)), ("transparent", None), ("a.png", None)],
)
def test_colours_behind_the_person(background: str, colour: tuple[int, int, int] | None) -> None:
    assert colour_of(background) == colour
    assert GenerationOptions(background=background).transparent == (background == "transparent")


def test_before_a_background_the_face_is_shown() -> None:
    assert GenerationOptions.of(background="white").asked_framing == "face"
    assert GenerationOptions.of().asked_framing == "auto"
    for framing in ("face", "photo"):
        assert GenerationOptions.of(framing=framing).asked_framing == framing
    said = r"background is 'white'; expected none where the whole photo is shown\."
    with pytest.raises(InputError, match=said):
        GenerationOptions(background="white", framing="photo").validate()
    with pytest.raises(InputError, match=said):
        GenerationOptions.of(background="white", framing="photo")


def test_a_background_that_is_a_path_is_a_picture(tmp_path: Path) -> None:
    assert GenerationOptions(background="white").backdrop is None
    assert GenerationOptions(background="transparent").backdrop is None
    (tmp_path / "white").touch()
    assert GenerationOptions.of(background=tmp_path / "white").backdrop == tmp_path / "white"
    with pytest.raises(InputError, match="background is 'white'; expected a colour"):
        GenerationOptions(background=Path("white")).validate()


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationOptions().seed = 1  # type: ignore[misc]
