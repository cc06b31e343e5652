"""Architecture of the motion denoiser: what is known of it without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Width of the transformer."""

    layers: int
    width: int
    heads: int
    feedforward: int


SIZES = {"paper": Size(8, 512, 8, 2048), "small": Size(4, 192, 4, 768), "tiny": Size(2, 32, 2, 64)}


@dataclass(frozen=True)
class DenoiserConfig:
    """Architecture, stored with the weights. alignment: frames of audio on each side that a motion frame may see."""

    size: str = "small"
    motion_channels: int = 42
    audio_channels: int = 288
    window: int = 50
    context: int = 10
    alignment: int = 6
    diffusion_steps: int = 1000
    schedule: str = "cosine"
    dropout: float = 0.1
