"""What the adapter from mesh dynamics to z_dyn explains of frames, whatever a clip's own offset is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vasa_core.assets import CHECKPOINTS
from vasa_core.data.frames import FaceFrames
from vasa_core.face.mesh.model import load_basis
from vasa_core.face.volume.adapter import AdapterConfig, DynamicsAdapter
from vasa_core.face.volume.config import preset
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.training.volume.adapter import Samples, centred, explained, samples, strengths
from vasa_core.training.volume.batches import stack_views, view

CONFIG = dataclasses.replace(preset("tiny-128"), dynamics_widths=(8, 8, 8, 8), dynamics_depths=(1, 1, 1, 1))


def of(adapter: DynamicsAdapter, clips: int, frames: int, noise: float) -> Samples:
    """Frames whose z_dyn is what the adapter says, plus something of each clip's own, and noise."""
    rng = torch.Generator().manual_seed(0)
    clip = torch.arange(clips).repeat_interleave(frames)
    inputs = torch.randn(len(clip), 6, generator=rng)
    own = 20 * torch.randn(clips, 10, generator=rng)
    with torch.no_grad():
        known = adapter(inputs)
    return Samples(inputs, known + own[clip] + noise * torch.randn(known.shape, generator=rng), clip)


def test_what_is_explained_is_the_movement_within_clips() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adapter = DynamicsAdapter(AdapterConfig(6, 10, 4))
    assert explained(adapter, of(adapter, 5, 30, 0.0)) == pytest.approx(1, abs=1e-4)
    moves = of(adapter, 5, 30, 0.0)
    power = float(centred(moves.targets, moves.clip).square().mean())
    assert explained(adapter, of(adapter, 5, 200, power**0.5)) == pytest.approx(0.5, abs=0.05)
    still = DynamicsAdapter(AdapterConfig(6, 10, 4))
    torch.nn.init.zeros_(still.linear.weight)
    assert explained(still, moves) == pytest.approx(0, abs=1e-4)


def test_numbers_count_as_far_as_they_show() -> None:
    basis = load_basis(CHECKPOINTS / "mesh")[0]
    found = strengths(basis)
    assert len(found) == basis.dimensions
    assert (found[:4] == 1).all()
    assert found.max() == 1
    assert found.min() > 0
    doubled = basis.dynamics.copy()
    doubled[7] *= 4
    assert strengths(dataclasses.replace(basis, dynamics=doubled))[4 + 7] == pytest.approx(4 * float(found[4 + 7]))


def clip_of(speaker: str, seed: int, frames: int = 3) -> FaceFrames:
    rng = np.random.default_rng(seed)
    return FaceFrames(
        speaker,
        "train",
        rng.integers(0, 256, (frames, 128, 128, 3), np.uint8),
        rng.integers(0, 256, (frames, 128, 128), np.uint8),
        np.zeros((frames, 478, 3), np.float32),
        np.zeros((frames, 6), np.float32),
        rng.normal(0, 1, (frames, 36)).astype(np.float32),
        rng.normal(0, 1, (frames, 36)).astype(np.float32),
        np.zeros((478, 3), np.float32),
        np.zeros((frames, 478, 3), np.float32),
    )


def test_frames_are_seen_as_in_training() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = VolumeNetworks(CONFIG).eval()
    clips = [clip_of("ada", 0), clip_of("ben", 1)]
    found = samples(networks, clips)
    views = stack_views([view(clip, index) for clip in clips for index in range(3)])
    with torch.no_grad():
        expected = networks.dynamics(views.image, views.pose)
    torch.testing.assert_close(found.targets, expected, atol=1e-3, rtol=1e-3)
    assert found.clip.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples(networks, clips, most=2).clip.tolist() == [0, 0, 1, 1]
