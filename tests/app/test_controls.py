"""Options to the page and back, presets, and settings as JSON."""

from __future__ import annotations

import pytest

from vasa_core.app.controls import GROUPS, KEPT, PRESETS, SHOWN, asked, on_page, with_preset
from vasa_core.app.record import as_json, changed, file_name, from_json, in_words
from vasa_core.errors import InputError
from vasa_core.options import CONTROLS, GenerationOptions

ODD = GenerationOptions.of(gaze_yaw=-12, emotion="fear", size=256, seed=7, framing="photo", face=2, head_motion=0)


def test_options_survive_the_page_and_the_json() -> None:
    assert asked(tuple(on_page(ODD, "volume"))) == (ODD, "volume")
    assert from_json(as_json(ODD, "volume", "/tmp/a/me.jpg", "/tmp/b/me.wav")) == (ODD, "volume")
    assert "/tmp" not in as_json(ODD, "volume", "/tmp/a/me.jpg", "/tmp/b/me.wav")
    assert from_json("{}") == (GenerationOptions(), "mesh")


def test_a_size_may_be_a_number_or_its_text() -> None:
    for size in (256, "256"):
        values = dict(zip(SHOWN, on_page(ODD, "mesh"), strict=True)) | {"size": size}
        assert asked(tuple(values.values()))[0].size == 256


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"gaze_yaw": 99}', '{"x": 1}', '{"face_model": "clay"}', '{"style": "/etc/hostname"}']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        from_json(text)


def test_presets_can_be_used_and_leave_the_seed() -> None:
    now = tuple(on_page(ODD, "mesh"))
    for name, preset in PRESETS.items():
        options, _ = asked(tuple(with_preset(name, now)))
        assert options == GenerationOptions.of(**preset, seed=7, size=256, framing="photo", face=2)
        assert not set(preset) & set(KEPT)


def test_every_shown_option_has_one_place_and_words() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) == {name for name in SHOWN if name in CONTROLS and not CONTROLS[name].expert}


def test_settings_in_a_few_words() -> None:
    assert in_words(GenerationOptions(), "mesh") == "seed 0"
    assert in_words(GenerationOptions.of(emotion="fear", seed=3), "mesh") == "emotion fear, seed 3"
    assert changed(ODD, "volume")["face_model"] == "volume"
    assert file_name(GenerationOptions.of(gaze_yaw=-1.5, seed=3), "mesh") == "talking-gaze-yaw--1.5-seed-3.mp4"
    assert len(file_name(ODD, "volume")) < 100
