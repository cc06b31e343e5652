"""The options of a generation refuse every value that they cannot honour, in one sentence that names it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from vasa_core.errors import InputError
from vasa_core.options import DISTANCE_RANGE, EMOTION_CHOICES, EMOTIONS, GAZE_LIMIT, GenerationOptions

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
    ("size", 333),
    ("size", math.nan),
    ("paste_back", 1),
    ("paste_back", None),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_are_named_in_one_sentence(name: str, value: object) -> None:
    options = GenerationOptions()
    object.__setattr__(options, name, value)  # past the type check that only the tests switch on
    with pytest.raises(InputError) as caught:
        options.validate()
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r}; expected ")
    assert message.endswith(".")
    assert "\n" not in message


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


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationOptions().seed = 1  # type: ignore[misc]
