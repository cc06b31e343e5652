"""VASA-1's motion denoiser H(X_t, t, C) (section 3.2): a transformer encoder that predicts X_0.

Conditions are concatenated with the noisy motion along time. Motion and audio of a frame share their position, and an
alignment mask (DiffPoseTalk, arXiv:2310.00434) lets motion see only the audio near its own time.

Letters: B batch, W frames of a window (as configured or fewer), K context frames, F = K + W, X motion channels,
A audio channels, D width, H heads, T tokens, G conditions of the whole window.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vasa_core.motion.conditions import Conditions
from vasa_core.motion.config import SIZES, DenoiserConfig, Size
from vasa_core.motion.liveliness import LIVELINESS
from vasa_core.motion.sampler import Denoise
from vasa_core.motion.schedule import SCHEDULES
from vasa_core.motion.window import NAMES

GAZE_UNIT, DISTANCE_UNIT = 0.25, 0.2  # rad, log: about the spread of these conditions in training
_FAR = 16  # frames; relative positions further apart than this share a bias
_TIME_FEATURES = 128
_WHOLE = 4  # conditions of a whole window: gaze, distance, emotion, liveliness


class Denoiser(nn.Module):
    """H(X_t, t, C) -> X_0, both normalised."""

    positions: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = SCHEDULES[config.schedule](config.diffusion_steps)
        size = SIZES[config.size]
        width = size.width
        self.motion_in = nn.Linear(config.motion_channels, width)
        self.previous_in = nn.Linear(config.motion_channels, width)
        self.audio_in = nn.Linear(config.audio_channels, width)
        self.gaze_in = nn.Linear(2, width)
        self.distance_in = nn.Linear(1, width)
        self.emotion_in = nn.Linear(7, width)
        self.liveliness_in = nn.Linear(len(LIVELINESS), width)
        self.time_in = nn.Sequential(nn.Linear(_TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.nulls = nn.ParameterDict({name: nn.Parameter(0.02 * torch.randn(width)) for name in NAMES})
        self.kinds = nn.Parameter(0.02 * torch.randn(3, width))  # of audio, previous and noisy motion tokens
        self.blocks = nn.ModuleList(Block(size, config) for _ in range(size.layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.motion_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        frames = config.context + config.window
        self.register_buffer("positions", sinusoids(torch.arange(frames), width), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch window channels"], t: Int[Tensor, " batch"], conditions: Conditions
    ) -> Float[Tensor, "batch window channels"]:
        """x: X_t. t: diffusion step, 1..diffusion_steps. Returns the predicted X_0."""
        return self.bind(conditions)(x, t)

    def bind(self, conditions: Conditions) -> Denoise:
        """x, t -> forward(x, t, conditions), with the conditions' own tokens computed once for all steps."""
        bound = self.bound(conditions)
        return lambda x, t: self.estimated(x, t, bound)

    def bound(self, conditions: Conditions) -> list[Tensor]:
        """What the conditions' own tokens are to the motion's: of each block, their keys, then of each, their values
        (both (B, H, G + F, D/H)), and the tokens of the motion before (B, K, D)."""
        tokens = self._condition_tokens(conditions)  # (B, G + F, D)
        seen = []
        last = self.blocks[-1]
        assert isinstance(last, Block)
        for block in self.blocks[:-1]:
            tokens, keys_values = block(tokens)
            seen.append(keys_values)
        seen.append(last.keys_values(tokens))
        return [*(keys for keys, _ in seen), *(values for _, values in seen), self._previous_tokens(conditions)]

    def estimated(
        self, x: Float[Tensor, "batch window channels"], t: Int[Tensor, " batch"], bound: list[Tensor]
    ) -> Float[Tensor, "batch window channels"]:
        """X_0 from X_t and what `bound` gave of the conditions."""
        *seen, previous = bound
        time = self.time_in(sinusoids(t, _TIME_FEATURES))[:, None]  # (B, 1, D)
        noisy = self.motion_in(x) + time + self.kinds[2]  # (B, W, D)
        tokens = torch.cat([previous, noisy], 1)
        tokens = tokens + self.positions[: tokens.shape[1]]  # (B, F, D)
        tokens = torch.cat([time, tokens], 1)  # (B, 1 + F, D)
        layers = len(self.blocks)
        for block, keys, values in zip(self.blocks, seen[:layers], seen[layers:], strict=True):
            tokens, _ = block(tokens, (keys, values))
        output = self.out(self.norm(tokens[:, -x.shape[1] :])).float()  # (B, W, X)
        return self.schedule.estimate(x, output, t)

    def _condition_tokens(self, conditions: Conditions) -> Float[Tensor, "batch tokens width"]:
        audio = self._or_null(self.audio_in(conditions.audio), conditions.has_audio, "audio")  # (B, F, D)
        gaze = self._or_null(self.gaze_in(conditions.gaze / GAZE_UNIT), conditions.has_gaze, "gaze")
        distance = self.distance_in(conditions.distance / DISTANCE_UNIT)
        distance = self._or_null(distance, conditions.has_distance, "distance")
        emotion = self._or_null(self.emotion_in(conditions.emotion), conditions.has_emotion, "emotion")
        liveliness = self._or_null(self.liveliness_in(conditions.liveliness), conditions.has_liveliness, "liveliness")
        whole = torch.stack([gaze, distance, emotion, liveliness], 1)  # (B, G, D)
        return torch.cat([whole, audio + self.kinds[0] + self.positions[: audio.shape[1]]], 1)

    def _previous_tokens(self, conditions: Conditions) -> Float[Tensor, "batch context width"]:
        present = conditions.has_previous[:, None].expand(-1, conditions.previous.shape[1])
        return self._or_null(self.previous_in(conditions.previous), present, "previous") + self.kinds[1]

    def _or_null(
        self, value: Float[Tensor, "*shape width"], present: Bool[Tensor, "*shape"], name: str
    ) -> Float[Tensor, "*shape width"]:
        return torch.where(present[..., None], value, self.nulls[name].to(value.dtype))


class Block(nn.Module):
    """Pre-norm attention with a learned bias by relative position, then a feed-forward.

    One set of weights serves condition tokens, which see only each other, and motion tokens, which see both.
    """

    near: Tensor
    aligned: Tensor
    allowed: Tensor

    def __init__(self, size: Size, config: DenoiserConfig) -> None:
        super().__init__()
        self.heads = size.heads
        self.attention_norm = nn.LayerNorm(size.width)
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.project = nn.Linear(size.width, size.width)
        self.condition_bias = nn.Parameter(torch.zeros(size.heads, 2 * _FAR + 1))
        self.motion_bias = nn.Parameter(torch.zeros(size.heads, 2 * _FAR + 1))
        self.alignment_bias = nn.Parameter(initial_alignment(size.heads, config.alignment))
        self.feedforward = nn.Sequential(
            nn.LayerNorm(size.width),
            nn.Linear(size.width, size.feedforward),
            nn.GELU(),
            nn.Linear(size.feedforward, size.width),
        )
        self.dropout = SharedDropout(config.dropout)
        frames = torch.arange(config.context + config.window)
        offset = frames[None] - frames[:, None]  # (F, F): key's frame minus query's frame
        self.register_buffer("near", offset.clamp(-_FAR, _FAR) + _FAR, persistent=False)
        aligned = offset.clamp(-config.alignment, config.alignment) + config.alignment
        self.register_buffer("aligned", aligned, persistent=False)
        self.register_buffer("allowed", offset.abs() <= config.alignment, persistent=False)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens width"],
        condition: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens width"], tuple[Tensor, Tensor]]:
        """Tokens after the block, and their keys and values. condition: those of the condition tokens, for motion."""
        query, key, value = self._projected(tokens)  # each (B, H, T, D/H)
        own = (key, value)
        if condition is None:
            frames = tokens.shape[1] - _WHOLE
            bias = self.condition_bias[:, self.near[:frames, :frames]]  # (H, F, F)
            bias = functional.pad(bias, (_WHOLE, 0, _WHOLE, 0))  # (H, G + F, G + F)
        else:
            key = torch.cat([condition[0], key], 2)  # (B, H, G + 1 + 2F, D/H)
            value = torch.cat([condition[1], value], 2)
            bias = self._motion_bias(tokens)
        mixed = functional.scaled_dot_product_attention(query, key, value, bias[None].to(query.dtype))
        tokens = tokens + self.dropout(self.project(mixed.transpose(1, 2).flatten(2)))  # (B, T, D)
        return tokens + self.dropout(self.feedforward(tokens)), own

    def keys_values(self, tokens: Float[Tensor, "batch tokens width"]) -> tuple[Tensor, Tensor]:
        """Keys and values alone, for when the tokens after the block are of no use."""
        _, key, value = self._projected(tokens)
        return key, value

    def _projected(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "3 batch heads tokens part"]:
        qkv = self.qkv(self.attention_norm(tokens)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, H, D/H)
        return qkv.permute(2, 0, 3, 1, 4)

    def _motion_bias(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "heads queries keys"]:
        """Of [step, F motion] queries on [G globals, F audio, step, F motion] keys; -inf where audio is not aligned."""
        frames = tokens.shape[1] - 1
        near, aligned, allowed = (table[:frames, :frames] for table in (self.near, self.aligned, self.allowed))
        audio = self.alignment_bias[:, aligned].masked_fill(~allowed, -math.inf)  # (H, F, F)
        audio = functional.pad(audio, (_WHOLE, 0, 1, 0))  # (H, 1 + F, G + F): the step token sees all audio
        motion = functional.pad(self.motion_bias[:, near], (1, 0, 1, 0))  # (H, 1 + F, 1 + F)
        return torch.cat([audio, motion], 2)


class SharedDropout(nn.Module):
    """Dropout of whole channels, the same for all tokens of an item: far fewer random numbers than one per entry."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        if not self.training:
            return tokens
        return tokens * functional.dropout(torch.ones_like(tokens[:, :1]), self.probability)


def sinusoids(values: Int[Tensor, " n"], width: int) -> Float[Tensor, "n {width}"]:
    """Sinusoidal embedding (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(0, width, 2, device=values.device) * (-math.log(10_000) / width))
    angles = values[:, None] * rates  # (n, width / 2)
    return torch.cat([angles.sin(), angles.cos()], 1)


def initial_alignment(heads: int, alignment: int) -> Float[Tensor, "{heads} offsets"]:
    """Bias of motion on audio: each head starts by preferring an offset of its own.

    Little data does not teach an attention that starts uniform which audio belongs to which frame.
    """
    offsets = torch.arange(-alignment, alignment + 1)
    centres = torch.linspace(-2, 2, heads)
    return 4 * torch.exp(-((offsets - centres[:, None]) ** 2) / 4)
