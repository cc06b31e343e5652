"""Made-up clips and a micro preset for the volume face model's training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vasa_core.data.frames import FaceFrames
from vasa_core.face.volume.config import PRESETS
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.volume.train import VolumeTrainingConfig

SIZE, FRAMES = 32, 5
MICRO = replace(
    PRESETS["tiny-128"],
    image=SIZE,
    side=SIZE,
    depth=8,
    warp_depth=8,
    warp_side=8,
    identity_widths=(8, 8, 16, 16),
    pose_widths=(8, 8, 16, 16),
    dynamics_widths=(8, 8, 16, 16),
    pooled=1,
    dropout=0.0,
)
NO_IDENTITY = LossWeights(face=0.0, cross_identity=0.0)
CONFIG = VolumeTrainingConfig(
    steps=20, batch=4, warmup=1, discriminator_from=0, discriminator_width=4, bf16=False, workers=0, weights=NO_IDENTITY
)


def make_frames(seed: int) -> FaceFrames:
    """A coloured disc with a dark mouth that moves about: enough of a person to be drawn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    frames = rng.integers(0, 60, (FRAMES, SIZE, SIZE, 3), np.uint8)
    mattes = np.zeros((FRAMES, SIZE, SIZE), np.uint8)
    landmarks = np.zeros((FRAMES, 478, 3), np.float32)
    shift = rng.normal(0, 0.1, (FRAMES, 2))
    for i in range(FRAMES):
        centre = SIZE / 2 + shift[i] * SIZE / 3
        inside = np.hypot(x - centre[0], y - centre[1]) < 10
        mattes[i][inside] = 255
        frames[i][inside] = rng.integers(100, 255, 3)
        frames[i][np.hypot(x - centre[0], y - centre[1] - 5) < 1 + (i % 2)] = 20
        landmarks[i, :, :2] = centre + rng.normal(0, 3, (478, 2))
    pose = np.zeros((FRAMES, 6), np.float32)
    pose[:, 3:5], pose[:, 5] = shift, np.log(3.0)
    dynamics = rng.normal(0, 0.3, (FRAMES, 36)).astype(np.float32)
    rest = rng.normal(0, 0.3, (478, 3)).astype(np.float32)
    shapes = rest + dynamics[:, :1, None] * np.array([0, 0.3, 0], np.float32)
    return FaceFrames(f"person {seed}", "train", frames, mattes, landmarks, pose, dynamics, dynamics, rest, shapes)
