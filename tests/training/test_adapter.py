"""The adapter from mesh dynamics to z_dyn: known maps are found, whatever a clip's own offset is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vasa_core.config import InputError
from vasa_core.face.volume.config import preset
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.training.adapter import Samples, explained, fit, fit_adapter, samples
from vasa_core.training.face_batches import stack_views, view
from vasa_core.training.face_frames import FaceFrames

CONFIG = dataclasses.replace(preset("tiny-128"), dynamics_widths=(8, 8, 8, 8), dynamics_depths=(1, 1, 1, 1))


def drawn(clips: int, frames: int, seed: int, bend: float = 0.0) -> Samples:
    """Frames whose z_dyn is a fixed map of their dynamics, plus something of each clip's own."""
    weights = torch.Generator().manual_seed(0)
    linear, curved = torch.randn(6, 10, generator=weights), torch.randn(6, 10, generator=weights)
    rng = torch.Generator().manual_seed(seed)
    clip = torch.arange(clips).repeat_interleave(frames)
    inputs = torch.randn(len(clip), 6, generator=rng) * 0.5 + torch.randn(clips, 6, generator=rng)[clip]
    own = 20 * torch.randn(clips, 10, generator=rng)
    return Samples(inputs, inputs @ linear + bend * inputs.square() @ curved + own[clip], clip)


def test_a_known_linear_map_is_found() -> None:
    fitted = fit(drawn(12, 30, 1), drawn(4, 30, 2))
    assert fitted.linear_r2 > 0.99 and fitted.r2 > 0.999
    linear = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    step = torch.eye(6)
    with torch.no_grad():
        torch.testing.assert_close(
            fitted.adapter(step) - fitted.adapter(torch.zeros(1, 6)), linear, atol=0.2, rtol=0.05
        )


def test_what_is_not_linear_is_found_by_the_network() -> None:
    fitted = fit(drawn(12, 60, 1, 0.5), drawn(4, 60, 2, 0.5))
    assert fitted.r2 > fitted.linear_r2 + 0.05
    assert explained(fitted.adapter, drawn(4, 60, 3, 0.5)) > fitted.linear_r2


def test_noise_is_not_learned() -> None:
    noise = torch.randn(360, 10, generator=torch.Generator().manual_seed(5))
    fitted = fit(drawn(12, 30, 1)._replace(targets=noise), drawn(4, 30, 2))
    assert fitted.r2 < 0.1


def clip_of(speaker: str, seed: int, frames: int = 3) -> FaceFrames:
    rng = np.random.default_rng(seed)
    return FaceFrames(
        speaker,
        "train",
        rng.integers(0, 256, (frames, 128, 128, 3), np.uint8),
        rng.integers(0, 256, (frames, 128, 128), np.uint8),
        np.zeros((frames, 478, 3), np.float32),
        np.zeros((frames, 6), np.float32),
        *rng.normal(0, 1, (2, frames, 36)).astype(np.float32),
    )


def test_frames_are_seen_as_in_training_and_one_person_is_too_few() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = VolumeNetworks(CONFIG).eval()
    clips = [clip_of("ada", 0), clip_of("ben", 1)]
    found = samples(networks, clips)
    pictures = stack_views([view(clip, index) for clip in clips for index in range(3)]).image
    with torch.no_grad():
        torch.testing.assert_close(found.targets, networks.dynamics(pictures), atol=1e-3, rtol=1e-3)
    assert found.clip.tolist() == [0, 0, 0, 1, 1, 1]
    fitted = fit_adapter(networks, clips)
    assert fitted.frames == 6 and fitted.adapter.config.inputs == 36
    with pytest.raises(InputError, match="1 person"):
        fit_adapter(networks, clips[:1])
