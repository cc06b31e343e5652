"""The denoiser: what may influence what, and that every part learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.config import SIZES, DenoiserConfig
from vasa_core.motion.denoiser import Denoiser
from vasa_core.motion.model import MotionModel
from vasa_core.motion.window import NAMES

T = torch.tensor([700, 700])


def noise(model: MotionModel, batch: int = 2) -> torch.Tensor:
    config = model.config
    return torch.randn(batch, config.window, config.motion_channels, generator=torch.Generator().manual_seed(5))


def test_paper_size_is_the_papers() -> None:
    size = SIZES["paper"]
    assert (size.layers, size.width, size.heads, size.feedforward) == (8, 512, 8, 2048)
    parameters = sum(p.numel() for p in Denoiser(DenoiserConfig("paper")).parameters())
    assert 24e6 < parameters < 30e6  # VASA-1 reports 29 M


def test_the_step_matters(model: MotionModel, conditions: Conditions) -> None:
    """At the same x_t; beyond the fixed skip, whose weight depends on the step by design."""
    with torch.no_grad():
        model.denoiser.schedule = replace(model.denoiser.schedule)
        x = torch.zeros_like(noise(model))
        near, far = (model.denoiser(x, torch.full((2,), t), conditions) for t in (990, 1000))
    assert (near - far).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_every_condition_matters_and_so_does_its_null(model: MotionModel, conditions: Conditions, name: str) -> None:
    x = noise(model)
    with torch.no_grad():
        full = model.denoiser(x, T, conditions)
        null = model.denoiser(x, T, conditions.without(name))
        for parameter in model.denoiser.nulls.values():
            parameter.neg_().add_(torch.linspace(-1, 1, len(parameter)))
        moved = model.denoiser(x, T, conditions.without(name))
        assert torch.equal(model.denoiser(x, T, conditions), full)  # nulls are not used where nothing is null
    assert (full - null).abs().max() > 1e-4
    assert (null - moved).abs().max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_nulls_learn(model: MotionModel, conditions: Conditions, name: str) -> None:
    model.denoiser(noise(model), T, conditions.without(name)).square().sum().backward()
    for other, parameter in model.denoiser.nulls.items():
        learns = other == name or (name == "previous" and other == "audio")
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == learns


def test_all_parameters_learn(model: MotionModel, conditions: Conditions) -> None:
    some = conditions
    for name in NAMES:
        some = some.without(name, torch.tensor([True, False]))
    model.denoiser(noise(model), T, some).square().sum().backward()
    silent = [n for n, p in model.denoiser.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == ["blocks.1.condition_bias"]  # nobody looks at condition tokens after the last block


def test_motion_hears_only_aligned_audio(model: MotionModel, conditions: Conditions) -> None:
    """One layer: the keys that a motion frame sees directly are the audio within `alignment` frames of it."""
    config = model.config
    frame = 25
    block = model.denoiser.blocks[0]
    audio = torch.randn(1, 4 + config.context + config.window, 32, generator=torch.Generator().manual_seed(1))
    _, (key, value) = block(audio)
    key, value = key.detach().requires_grad_(), value.detach().requires_grad_()
    tokens = torch.randn(1, 1 + config.context + config.window, 32, generator=torch.Generator().manual_seed(2))
    out, _ = block(tokens, (key, value))
    out[0, 1 + config.context + frame].square().sum().backward()
    assert value.grad is not None
    heard = value.grad.abs().sum((0, 1, 3))[4:].nonzero().flatten() - config.context
    assert heard.tolist() == list(range(frame - config.alignment, frame + config.alignment + 1))


def test_shifted_audio_shifts_what_each_frame_hears(model: MotionModel, conditions: Conditions) -> None:
    audio = conditions.audio.clone().requires_grad_()
    model.denoiser(noise(model), T, replace(conditions, audio=audio))[:, 20].square().sum().backward()
    assert audio.grad is not None
    strength = audio.grad.abs().sum((0, 2))
    near = strength[model.config.context + 20 - 6 : model.config.context + 20 + 7].mean()
    far = strength[model.config.context + 35 :].mean()
    assert near > 2 * far


def test_conditions_never_see_the_noise(model: MotionModel, conditions: Conditions) -> None:
    """Binding once for all steps is the same as a fresh forward for each step."""
    x = noise(model)
    denoise = model.denoiser.bind(conditions)
    for t in (1000, 400):
        steps = torch.full((2,), t)
        assert torch.equal(denoise(x, steps), model.denoiser(x, steps, conditions))


def test_items_of_a_batch_are_independent(model: MotionModel, conditions: Conditions) -> None:
    x = noise(model)
    with torch.no_grad():
        both = model.denoiser(x, T, conditions)
        first = model.denoiser(torch.cat([x[:1], 5 * x[1:]]), T, conditions)
    assert torch.allclose(both[0], first[0], atol=1e-6)


def test_almost_clean_motion_is_kept(model: MotionModel, conditions: Conditions) -> None:
    x = noise(model)
    with torch.no_grad():
        assert (model.denoiser(x, torch.tensor([1, 1]), conditions) - x).abs().max() < 0.1
