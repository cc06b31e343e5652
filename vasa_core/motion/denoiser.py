"""VASA-1's motion denoiser H(X_t, t, C) (section 3.2): a transformer encoder that predicts X_0.

Conditions are concatenated with the noisy motion along time. Motion and audio of a frame share their position, and an
alignment mask (DiffPoseTalk, arXiv:2310.00434) lets motion see only the audio near its own time.

Letters: B batch, W frames of a window, K context frames, F = K + W, X motion channels, A audio channels,
D width, H heads, T = 4 + 2F tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.schedule import CosineSchedule

GAZE_UNIT, DISTANCE_UNIT = 0.25, 0.2  # rad, log: about the spread of these conditions in training
_GLOBALS = 4  # tokens without a time: diffusion step, gaze, distance, emotion
_FAR = 16  # frames; relative positions further apart than this share a bias
_TIME_FEATURES = 128


@dataclass(frozen=True)
class Size:
    """Width of the transformer."""

    layers: int
    width: int
    heads: int
    feedforward: int


SIZES = {"paper": Size(8, 512, 8, 2048), "small": Size(6, 192, 4, 768), "tiny": Size(1, 32, 2, 64)}


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
    dropout: float = 0.1


class Denoiser(nn.Module):
    """H(X_t, t, C) -> X_0, both normalised."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = CosineSchedule(config.diffusion_steps)
        size = SIZES[config.size]
        width = size.width
        self.motion_in = nn.Linear(config.motion_channels, width)
        self.previous_in = nn.Linear(config.motion_channels, width)
        self.audio_in = nn.Linear(config.audio_channels, width)
        self.gaze_in = nn.Linear(2, width)
        self.distance_in = nn.Linear(1, width)
        self.emotion_in = nn.Linear(7, width)
        self.time_in = nn.Sequential(nn.Linear(_TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.nulls = nn.ParameterDict(
            {
                name: nn.Parameter(0.02 * torch.randn(width))
                for name in ("audio", "previous", "gaze", "distance", "emotion")
            }
        )
        self.kinds = nn.Parameter(0.02 * torch.randn(3, width))  # of audio, previous and noisy motion tokens
        self.blocks = nn.ModuleList(Block(size, config) for _ in range(size.layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.motion_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        frames = config.context + config.window
        self.register_buffer("positions", sinusoids(torch.arange(frames), width), persistent=False)
        allowed, buckets = attention_layout(config)
        self.register_buffer("allowed", allowed, persistent=False)
        self.register_buffer("buckets", buckets, persistent=False)

    def forward(
        self, x: Float[Tensor, "batch window channels"], t: Int[Tensor, " batch"], conditions: Conditions
    ) -> Float[Tensor, "batch window channels"]:
        """x: X_t. t: diffusion step, 1..diffusion_steps. Returns the predicted X_0."""
        time = self.time_in(sinusoids(t, _TIME_FEATURES).to(x.device))  # (B, D)
        tokens = torch.cat([self._globals(time, conditions), self._frames(x, time, conditions)], 1)  # (B, T, D)
        for block in self.blocks:
            tokens = block(tokens, self.allowed, self.buckets)
        change = self.out(self.norm(tokens[:, -x.shape[1] :])).float()  # (B, W, X)
        # sqrt(alpha_bar) x_t is the best linear guess of unit-variance X_0; the network adds what it lacks.
        kept = self.schedule.alpha_bar(t).to(x.device)[:, None, None]
        return kept.sqrt() * x + (1 - kept).sqrt() * change

    def _globals(self, time: Float[Tensor, "batch width"], conditions: Conditions) -> Float[Tensor, "batch 4 width"]:
        gaze = self._or_null(self.gaze_in(conditions.gaze / GAZE_UNIT), conditions.has_gaze, "gaze")
        distance = self._or_null(
            self.distance_in(conditions.distance / DISTANCE_UNIT), conditions.has_distance, "distance"
        )
        emotion = self._or_null(self.emotion_in(conditions.emotion), conditions.has_emotion, "emotion")
        return torch.stack([time, gaze, distance, emotion], 1)

    def _frames(
        self, x: Float[Tensor, "batch window channels"], time: Float[Tensor, "batch width"], conditions: Conditions
    ) -> Float[Tensor, "batch frames2 width"]:
        audio = self._or_null(self.audio_in(conditions.audio), conditions.has_audio, "audio")  # (B, F, D)
        context = conditions.previous.shape[1]
        has_previous = conditions.has_previous[:, None].expand(-1, context)
        previous = self._or_null(self.previous_in(conditions.previous), has_previous, "previous")  # (B, K, D)
        motion = torch.cat(
            [previous + self.kinds[1], self.motion_in(x) + time[:, None] + self.kinds[2]], 1
        )  # (B, F, D)
        return torch.cat([audio + self.kinds[0] + self.positions, motion + self.positions], 1)  # (B, 2F, D)

    def _or_null(
        self, value: Float[Tensor, "*shape width"], present: Bool[Tensor, "*shape"], name: str
    ) -> Float[Tensor, "*shape width"]:
        return torch.where(present[..., None], value, self.nulls[name].to(value.dtype))


class Block(nn.Module):
    """Pre-norm attention with a learned bias by relative position, then a feed-forward."""

    def __init__(self, size: Size, config: DenoiserConfig) -> None:
        super().__init__()
        self.heads = size.heads
        self.attention_norm = nn.LayerNorm(size.width)
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.project = nn.Linear(size.width, size.width)
        self.bias = nn.Parameter(initial_bias(size.heads, config.alignment))
        self.feedforward = nn.Sequential(
            nn.LayerNorm(size.width),
            nn.Linear(size.width, size.feedforward),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(size.feedforward, size.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens width"],
        allowed: Bool[Tensor, "tokens tokens"],
        buckets: Int[Tensor, "tokens tokens"],
    ) -> Float[Tensor, "batch tokens width"]:
        """allowed: who may see whom. buckets: which entry of the bias table each pair uses."""
        qkv = self.qkv(self.attention_norm(tokens)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, H, D/H)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, D/H)
        bias = self.bias[:, buckets].masked_fill(~allowed, -math.inf)  # (H, T, T)
        mixed = functional.scaled_dot_product_attention(query, key, value, bias[None].to(query.dtype))
        tokens = tokens + self.dropout(self.project(mixed.transpose(1, 2).flatten(2)))  # (B, T, D)
        return tokens + self.dropout(self.feedforward(tokens))


def sinusoids(values: Int[Tensor, " n"], width: int) -> Float[Tensor, "n {width}"]:
    """Sinusoidal embedding (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(0, width, 2, device=values.device) * (-math.log(10_000) / width))
    angles = values[:, None] * rates  # (n, width / 2)
    return torch.cat([angles.sin(), angles.cos()], 1)


def attention_layout(config: DenoiserConfig) -> tuple[Bool[Tensor, "tokens tokens"], Int[Tensor, "tokens tokens"]]:
    """Who may see whom, and the bias entry of each pair, over [4 globals, F audio, F motion] tokens.

    Motion sees all motion, all globals, and audio within `alignment` frames. Conditions see conditions and never the
    noisy motion.
    """
    frames = config.context + config.window
    kind = torch.cat([torch.zeros(_GLOBALS), torch.ones(frames), torch.full((frames,), 2.0)]).long()
    place = torch.cat([torch.zeros(_GLOBALS, dtype=torch.long), torch.arange(frames).repeat(2)])
    offset = place[None] - place[:, None]  # (T, T): key's frame minus query's frame
    query, key = kind[:, None], kind[None]
    to_audio = (query == 2) & (key == 1)
    same = (query == key) & (query > 0)
    allowed = (key == 0) | (query == key) | (to_audio & (offset.abs() <= config.alignment))
    near = offset.clamp(-_FAR, _FAR) + _FAR
    buckets = torch.zeros_like(offset)
    buckets = torch.where(same, 1 + (query - 1) * (2 * _FAR + 1) + near, buckets)
    aligned = 1 + 2 * (2 * _FAR + 1) + offset.clamp(-config.alignment, config.alignment) + config.alignment
    return allowed, torch.where(to_audio, aligned, buckets)


def initial_bias(heads: int, alignment: int) -> Float[Tensor, "{heads} buckets"]:
    """Bias table: 0, but for motion-to-audio pairs, where each head starts by preferring an offset of its own.

    Little data does not teach an attention that starts uniform which audio belongs to which frame.
    """
    table = torch.zeros(heads, 1 + 2 * (2 * _FAR + 1) + 2 * alignment + 1)
    offsets = torch.arange(-alignment, alignment + 1)
    centres = torch.linspace(-2, 2, heads)
    table[:, -len(offsets) :] = 4 * torch.exp(-((offsets - centres[:, None]) ** 2) / 4)
    return table
