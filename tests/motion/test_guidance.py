"""Guidance: VASA-1's eq. 2 with known answers, one forward, nothing wasted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.guidance import WITHHELD, guided
from vasa_core.motion.model import MotionModel
from vasa_core.motion.stream import MotionStream
from vasa_core.motion.window import NAMES
from vasa_core.options import GenerationOptions

calls: list[int] = []
X, T = torch.zeros(2, 3, 4), torch.tensor([5, 5])
WORTH = {"audio": 1.0, "gaze": 10.0, "emotion": 100.0, "distance": 1000.0, "liveliness": 5000.0, "previous": 30000.0}
FULL = sum(WORTH.values())


def bind(conditions: Conditions):
    """A denoiser whose answer is x plus what each condition that is there is WORTH; `previous` is two halves."""

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        context = conditions.previous.shape[1]
        value = WORTH["audio"] * conditions.has_audio[:, context:].all(1) + WORTH["gaze"] * conditions.has_gaze
        value = value + WORTH["emotion"] * conditions.has_emotion + WORTH["distance"] * conditions.has_distance
        value = value + WORTH["liveliness"] * conditions.has_liveliness
        before = conditions.has_previous.float() + conditions.has_audio[:, :context].all(1)
        return x + (value + WORTH["previous"] / 2 * before)[:, None, None]

    return denoise


@contextmanager
def passes(model: MotionModel) -> Generator[list[int], None, None]:
    """Items of every forward pass of a real denoiser while it is open."""
    seen: list[int] = []
    handle = model.denoiser.out.register_forward_hook(lambda _module, _arguments, result: seen.append(len(result)))
    yield seen
    handle.remove()


@pytest.mark.parametrize(
    "scales",
    [
        {"audio": 0.5, "gaze": 1.0, "emotion": 2.0},
        {"distance": 1.5, "previous": 0.25},
        {"audio": 0.5, "gaze": 1.0, "distance": 3.0, "emotion": 2.0, "previous": 0.125},
    ],
)
def test_formula(conditions: Conditions, scales: dict[str, float]) -> None:
    calls.clear()
    nulls = sum(scale * (FULL - WORTH[name]) for name, scale in scales.items())
    expected = (1 + sum(scales.values())) * FULL - nulls
    found = guided(bind, conditions, scales)(X + 0.25, T)
    # x itself is in every term, all from the same x_t, so it counts once.
    assert found.numpy() == pytest.approx(expected + 0.25)
    items = 2 * (1 + len(scales))
    assert calls == [items]


def test_the_real_denoiser_takes_one_pass_for_each_scale_that_is_not_0(
    model: MotionModel, conditions: Conditions
) -> None:
    x, t = torch.randn(2, 50, 14, generator=torch.Generator().manual_seed(1)), torch.tensor([400, 400])
    for count in range(len(NAMES) + 1):
        scales = {name: (0.3 + place if place < count else 0.0) for place, name in enumerate(NAMES)}
        with torch.inference_mode():
            expected = (1 + sum(scales.values())) * model.denoiser(x, t, conditions)
            for name, scale in scales.items():
                expected = expected - scale * model.denoiser(x, t, conditions.without(name))
            with passes(model) as seen:
                found = guided(model.denoiser.bind, conditions, scales)(x, t)
        assert seen == [2 * (1 + count)]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_zero_scales_cost_nothing(conditions: Conditions) -> None:
    calls.clear()
    assert guided(bind, conditions, dict.fromkeys(NAMES, 0.0))(X, T).numpy() == pytest.approx(FULL)
    assert calls == [2]


def test_absent_conditions_cost_nothing_and_change_nothing(conditions: Conditions) -> None:
    calls.clear()
    absent = replace(conditions, has_emotion=torch.zeros(2, dtype=torch.bool))
    assert guided(bind, absent, {"emotion": 3.0})(X, T).numpy() == pytest.approx(FULL - WORTH["emotion"])
    assert calls == [2]


def test_a_condition_that_is_withheld_is_in_no_term_and_costs_nothing(conditions: Conditions) -> None:
    calls.clear()
    rest = FULL - WORTH["emotion"]
    found = guided(bind, conditions, {"emotion": WITHHELD, "audio": 0.5})(X, T)
    assert found.numpy() == pytest.approx(1.5 * rest - 0.5 * (rest - WORTH["audio"]))
    assert calls == [4]


def test_guidance_on_what_came_before_begins_with_the_second_window(model: MotionModel) -> None:
    audio = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    plain = GenerationOptions(steps=3, guidance_audio=0.0, guidance_liveliness=0.0)
    motions, seen = [], []
    for scale in (0.0, 2.0):
        with passes(model) as counted:
            stream = MotionStream(model, np.zeros(6), replace(plain, guidance_previous=scale))
            motions.append(stream.push(audio).dynamics)
        seen.append(counted)
    assert seen == [[1] * 6, [1] * 3 + [2] * 3]
    assert np.array_equal(motions[0][:50], motions[1][:50])
    assert not np.allclose(motions[0][50:], motions[1][50:])


@pytest.mark.parametrize("name", NAMES)
def test_every_scale_of_the_options_reaches_the_denoiser(model: MotionModel, name: str) -> None:
    audio = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    none = GenerationOptions(
        steps=2, emotion="anger", guidance_audio=0.0, guidance_emotion=0.0, guidance_liveliness=0.0
    )
    one, other = (
        MotionStream(model, np.zeros(6), options).push(audio).dynamics
        for options in (none, replace(none, **{f"guidance_{name}": 1.0}))
    )
    assert not np.allclose(one, other)


def test_channels_that_a_condition_does_not_guide_stay_as_told(model: MotionModel, conditions: Conditions) -> None:
    x = torch.randn(2, model.config.window, model.config.motion_channels, generator=torch.Generator().manual_seed(3))
    t = torch.full((2,), 500)
    half = torch.ones(model.config.motion_channels)
    half[:7] = 0
    plain = model.denoiser.bind(conditions)(x, t)
    everywhere = guided(model.denoiser.bind, conditions, {"liveliness": 2.0})(x, t)
    there = guided(model.denoiser.bind, conditions, {"liveliness": 2.0}, {"liveliness": half})(x, t)
    assert torch.allclose(there[..., :7], plain[..., :7], atol=1e-5)
    assert torch.allclose(there[..., 7:], everywhere[..., 7:], atol=1e-5)
    assert not torch.allclose(everywhere[..., :7], plain[..., :7], atol=1e-2)
