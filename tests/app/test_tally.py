"""The blind test's tally."""

from __future__ import annotations

import pytest

from vasa_core.app.tabs.blind import two_settings
from vasa_core.app.tally import LEFT, NEITHER, RIGHT, Blind, wilson
from vasa_core.errors import InputError


@pytest.mark.parametrize(
    ("won", "of", "interval"), [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (50, 100, (0.4038, 0.5962))]
)
def test_the_interval_is_wilson_s(won: int, of: int, interval: tuple[float, float]) -> None:
    assert wilson(won, of) == pytest.approx(interval, abs=1e-4)
    low, high = wilson(of - won, of)
    assert (1 - high, 1 - low) == pytest.approx(interval, abs=1e-4)


def test_a_judgement_counts_for_what_was_on_that_side_once() -> None:
    test = Blind().of("a", "b")
    sides = set()
    for _ in range(40):
        test = test.shuffled()
        sides.add(test.a_on)
        test = test.judged(test.a_on)
    assert sides == {LEFT, RIGHT}
    assert (test.a, test.b, test.neither, test.rounds) == (40, 0, 0, 40)
    assert test.judged(LEFT) == test  # no pair waits
    shown = test.shuffled()
    assert shown.judged({LEFT: RIGHT, RIGHT: LEFT}[shown.a_on]).b == 1
    assert shown.judged(NEITHER).neither == 1
    assert test.of("a", "b") == test
    assert test.of("a", "c") == Blind(("a", "c"))


def test_the_tally_says_whether_chance_may_give_it() -> None:
    assert Blind().says == "A was better 0 times, B 0 times, neither 0 times."
    assert "B won 80 % of those decided (95 % interval 49 to 94 %), which chance alone may give" in Blind(a=2, b=8).says
    assert "more than chance says" in Blind(a=2, b=18, neither=5).says
    assert "more than chance says" in Blind(a=18, b=2).says


def test_both_settings_take_the_round_s_seed_and_differ_otherwise() -> None:
    (first, model), (second, _) = two_settings('{"gaze_yaw": 5, "seed": 3}', "{}", 7)
    assert (first.gaze_yaw, first.seed, second.seed, model) == (5, 7, 7, "mesh")
    two_settings("{}", '{"face_model": "volume"}', 0)
    for a, b, sentence in (
        ('{"seed": 1}', '{"seed": 2}', "A and B are the same"),
        ("", "{}", "Setting A is empty"),
        ("{}", '{"gaze_yaw": 99}', "gaze_yaw is 99"),
    ):
        with pytest.raises(InputError, match=sentence):
            two_settings(a, b, 0)
