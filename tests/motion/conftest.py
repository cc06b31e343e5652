"""A tiny motion model of the real classes."""

from __future__ import annotations

import pytest
import torch

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.model import MotionModel, Statistics

CONFIG = DenoiserConfig("tiny", motion_channels=14, audio_channels=6, dropout=0.0)


def make_conditions(batch: int = 2, seed: int = 0, config: DenoiserConfig = CONFIG) -> Conditions:
    generator = torch.Generator().manual_seed(seed)
    yes = torch.ones(batch, dtype=torch.bool)
    frames = config.context + config.window
    return Conditions(
        torch.randn(batch, frames, config.audio_channels, generator=generator),
        torch.ones(batch, frames, dtype=torch.bool),
        torch.randn(batch, config.context, config.motion_channels, generator=generator),
        yes,
        0.2 * torch.randn(batch, 2, generator=generator),
        yes,
        0.2 * torch.randn(batch, 1, generator=generator),
        yes,
        torch.rand(batch, 7, generator=generator),
        yes,
        torch.randn(batch, 4, generator=generator),
        yes,
    )


def make_model(config: DenoiserConfig = CONFIG) -> MotionModel:
    """Random weights (the output layer too, which starts at zero otherwise)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        statistics = Statistics(
            torch.zeros(config.motion_channels),
            torch.full((config.motion_channels,), 0.1),
            torch.zeros(config.audio_channels),
            torch.ones(config.audio_channels),
        )
        model = MotionModel(config, statistics, "moonshine")
        torch.nn.init.normal_(model.denoiser.out.weight, std=0.3)
    return model.eval()


@pytest.fixture
def conditions() -> Conditions:
    return make_conditions()


@pytest.fixture
def model() -> MotionModel:
    return make_model()
