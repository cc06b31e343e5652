"""Training of the motion model (VASA-1, section 3.2): x0-prediction on windows of tracked video.

Each step's windows, conditions, noise and diffusion steps come from (seed, step) alone, for the whole batch:
micro-batches and processes only divide the work.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vasa_core.audio import PROSODY
from vasa_core.audio.prosody import NAMES as PROSODY_NAMES
from vasa_core.checkpoint import load_checkpoint
from vasa_core.errors import InputError
from vasa_core.motion.conditions import Conditions
from vasa_core.motion.config import SIZES, DenoiserConfig
from vasa_core.motion.denoiser import Block
from vasa_core.motion.model import MotionModel
from vasa_core.motion.schedule import SCHEDULES
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.ema import Average
from vasa_core.training.engine.trainer import Trainer, TrainingConfig
from vasa_core.training.motion.losses import Totals, channel_weights, lip_readings, motion_loss, totals
from vasa_core.training.motion.windows import (
    Augmentation,
    Batch,
    WindowSampler,
    expressive,
    liveliness_over_people,
    statistics,
)

if TYPE_CHECKING:
    from accelerate import Accelerator

    from vasa_core.training.motion.data import MotionClip


@dataclass(frozen=True, kw_only=True)
class MotionTrainingConfig(TrainingConfig):
    """One training run, of windows.

    schedule: name of the forward diffusion: cosine, or linear for flow matching.
    stretch, audio_drop, audio_shift, audio_noise, dirty, scaling: of `Augmentation`.
    drop: dropout of audio, gaze, distance, emotion and liveliness; drop_previous: of the previous window; drop_tail:
    share of windows in which the audio ends early. previous_noise: noise on the previous window, in standard
    deviations, since at run time it is the model's own. velocity: weight of the loss on frame-to-frame differences.
    lips: weight of the loss on what lips and brows do, where the face model says how expression moves them.
    """

    size: str = "small"
    schedule: str = "cosine"
    minutes: float | None = 30.0
    average: float = 0.9985
    velocity: float = 1.0
    lips: float = 0.5
    stretch: float = 0.2
    audio_drop: float = 0.3
    audio_shift: float = 0.4
    audio_noise: float = 0.5
    dirty: float = 0.3
    scaling: float = 0.4
    drop: float = 0.1
    drop_previous: float = 0.5
    drop_tail: float = 0.3
    previous_noise: float = 0.05
    dropout: float = 0.15
    snapshot_minutes: float = 3.0

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.stretch, self.audio_drop, self.audio_shift, self.audio_noise, self.dirty, self.scaling)

    def validate(self) -> MotionTrainingConfig:
        """Return self, or raise InputError naming the bad value."""
        self.check()
        if self.size not in SIZES:
            raise InputError(f"size is {self.size!r}; expected one of {', '.join(SIZES)}.")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}.")
        for name, value in vars(self.augmentation).items():
            if value < 0 or (name in ("audio_drop", "dirty") and value >= 1):
                raise InputError(
                    f"{name} is {value!r}; expected 0 or more{', under 1' * (name in ('audio_drop', 'dirty'))}."
                )
        return self


@dataclass(frozen=True)
class NoisyBatch:
    """A batch with what chance adds to it in one step: dropped conditions, noise, and diffusion steps t."""

    batch: Batch
    noise: Float[Tensor, "batch window channels"]
    t: Int[Tensor, " batch"]

    def part(self, items: slice) -> NoisyBatch:
        """Some of its items."""
        conditions = {f.name: getattr(self.batch.conditions, f.name)[items] for f in fields(Conditions)}
        batch = Batch(self.batch.x[items], self.batch.weight[items], Conditions(**conditions))
        return NoisyBatch(batch, self.noise[items], self.t[items])

    def to(self, device: torch.device) -> NoisyBatch:
        """The same on another device."""
        batch = Batch(self.batch.x.to(device), self.batch.weight.to(device), self.batch.conditions.to(device))
        return NoisyBatch(batch, self.noise.to(device), self.t.to(device))


class MotionTrainer(Trainer):
    """The state of one run on windows of clips."""

    config: MotionTrainingConfig

    def __init__(
        self,
        clips: list[MotionClip],
        config: MotionTrainingConfig,
        audio_encoder: str,
        visible: Float[np.ndarray, " expressions"] | None = None,
        emotion_rest: Float[np.ndarray, "7 face"] | None = None,
        lip_moves: Float[np.ndarray, "expressions readings"] | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        """visible, lip_moves: how far each unit of expression moves the face, and each reading of the lips.

        Raises InputError for a config that cannot be run, and where there is no clip to train on.
        """
        train = [clip for clip in clips if clip.split == "train"]
        if not train:
            raise InputError("there is no clip to train on; expected at least one of the split 'train'.")
        accelerator = accelerator or accelerator_of(config.validate().bf16)
        architecture = DenoiserConfig(
            size=config.size,
            motion_channels=train[0].x.shape[1],
            audio_channels=train[0].audio.shape[1],
            dropout=config.dropout,
            schedule=config.schedule,
        )
        stats = statistics(train, architecture.window)
        lively = liveliness_over_people(train)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            rest = None if emotion_rest is None else torch.from_numpy(emotion_rest)
            model = MotionModel(architecture, stats, audio_encoder, rest, expressive(lively)).to(accelerator.device)
        last = model.denoiser.blocks[-1]
        assert isinstance(last, Block)
        last.condition_bias.requires_grad_(False)  # no output depends on it, for which processes would wait
        self.model, self.denoiser = model, model.denoiser
        self.graph: Any = accelerator.prepare(self.denoiser)
        self.optimiser = torch.optim.AdamW(
            self.denoiser.parameters(), config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        super().__init__(config, accelerator, {"denoiser": self.denoiser}, {"denoiser": self.optimiser})
        phonetic = train[0].audio.shape[1] - (len(PROSODY_NAMES) if audio_encoder.endswith(PROSODY) else 0)
        self.sampler = WindowSampler(train, architecture, stats, config.seed, config.augmentation, lively, phonetic)
        held = [clip for clip in clips if clip.split != "train"]
        self.held_out = WindowSampler(held, architecture, stats, config.seed + 1, None, lively) if held else None
        self.channels = channel_weights(architecture.motion_channels, visible).to(accelerator.device)
        lips = None if lip_moves is None else config.lips**0.5 * lip_readings(train, stats, lip_moves)
        self.lips = None if lips is None else lips.to(accelerator.device)

    def start_from(self, folder: Path) -> int:
        """Take over what fits of another motion model's denoiser, as of one on other speech features; returns how many
        parameters did. Inputs that it does not have yet count for nothing at first.

        Raises InputError if the folder holds no checkpoint.
        """
        stored = load_checkpoint(folder).tensors
        found = {n: _widened(stored.get(f"denoiser.{n}"), value) for n, value in self.denoiser.named_parameters()}
        fitting = {name: value for name, value in found.items() if value is not None}
        self.denoiser.load_state_dict(fitting, strict=False)
        self.average = Average(self.denoiser, self.config.average)
        return len(fitting)

    def learn(self) -> dict[str, Tensor]:
        """One optimiser step; returns this process's share of the batch's losses, "total" among them."""
        config, accelerator, size = self.config, self.accelerator, self.part_size
        self.denoiser.train()
        self.optimiser.zero_grad()
        noisy = self.noisy(self.sampler.batch(self.step, config.batch), self.step)
        whole = totals(noisy.batch, self.channels)
        losses: dict[str, Tensor] = {}
        for number in range(config.accumulate):
            start = (accelerator.process_index * config.accumulate + number) * size
            with self.micro_batch(self.graph, number):
                part = noisy.part(slice(start, start + size))
                terms = self.losses(self.graph, part, whole, self._seed(self.step) + start)
                terms["total"] = torch.stack(list(terms.values())).sum()
                accelerator.backward(terms["total"] * accelerator.num_processes)  # whose gradients are averaged
            for name, value in terms.items():
                losses[name] = losses.get(name, torch.zeros((), device=accelerator.device)) + value.detach()
        accelerator.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimiser.step()
        return losses

    def validation_loss(self, batches: int = 4) -> float:
        """x0 loss of the averaged weights on clips held out; NaN if there are none."""
        if self.held_out is None:
            return float("nan")
        network, size, losses = self.average.copy_of(self.denoiser), 2 * self.part_size, []
        with torch.inference_mode():
            for index in range(batches):
                noisy = self.noisy(self.held_out.batch(index, 2 * self.config.batch), index)
                whole = totals(noisy.batch, self.channels)
                parts = (noisy.part(slice(start, start + size)) for start in range(0, 2 * self.config.batch, size))
                losses.append(sum(float(self.losses(network, part, whole, 0)["x0"]) for part in parts))
        return float(np.mean(losses))

    def trial(self, count: int) -> dict[str, Tensor]:
        """Losses of `count` of two windows, with all that a backward pass needs."""
        self.denoiser.train()
        part = self.noisy(self.sampler.batch(0, 2), 0).part(slice(count))
        return self.losses(self.denoiser, part, totals(part.batch, self.channels), 0)

    def averaged_model(self) -> MotionModel:
        """A copy of the model with the averaged weights, for use."""
        model = copy.deepcopy(self.model)
        model.denoiser.load_state_dict(self.average.values, strict=False)
        return model.eval()

    def noisy(self, batch: Batch, step: int) -> NoisyBatch:
        """A batch with what chance adds to it at a step."""
        config = self.config
        generator = torch.Generator().manual_seed(self._seed(step))
        probabilities = dict.fromkeys(("audio", "gaze", "distance", "emotion", "liveliness"), config.drop)
        conditions = batch.conditions.dropped(
            {**probabilities, "previous": config.drop_previous}, config.drop_tail, generator
        )
        noise = torch.randn(conditions.previous.shape, generator=generator)
        previous = conditions.previous + config.previous_noise * noise
        batch = replace(batch, conditions=replace(conditions, previous=previous))
        t = torch.randint(1, self.model.config.diffusion_steps + 1, (len(batch.x),), generator=generator)
        noise = torch.randn(batch.x.shape, generator=generator)
        return NoisyBatch(batch, noise, t).to(self.accelerator.device)

    def losses(self, network: nn.Module, noisy: NoisyBatch, whole: Totals, seed: int) -> dict[str, Float[Tensor, ""]]:
        """Terms of the loss of a part of a batch. whole: of the batch. seed: of the network's dropout."""
        batch, t, schedule = noisy.batch, noisy.t, self.denoiser.schedule
        device = self.accelerator.device
        gpus = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(gpus), self.accelerator.autocast():  # the caller's generator is left as it was
            torch.manual_seed(seed)
            predicted = network(schedule.noised(batch.x, noisy.noise, t), t, batch.conditions)
        velocity = self.config.velocity
        return motion_loss(predicted.float(), batch, schedule.weight(t), self.channels, velocity, self.lips, whole)

    def _seed(self, step: int) -> int:
        return int(np.random.SeedSequence([self.config.seed, step]).generate_state(1)[0])


def _widened(stored: Tensor | None, present: Tensor) -> Tensor | None:
    """A stored parameter in the shape of the present one, zeros where it has fewer inputs; None if it does not fit."""
    if stored is None or stored.ndim != present.ndim or stored.shape[0] != present.shape[0]:
        return None
    if stored.shape == present.shape:
        return stored.float()
    if stored.ndim != 2 or stored.shape[1] > present.shape[1]:
        return None
    return torch.nn.functional.pad(stored.float(), (0, present.shape[1] - stored.shape[1]))
