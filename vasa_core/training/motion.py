"""Training of the motion model (VASA-1, section 3.2): x0-prediction on windows of tracked video.

Repeating the command resumes it: each step's windows and noise come from (seed, step) alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vasa_core.checkpoint import load_checkpoint, load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from vasa_core.config import InputError
from vasa_core.motion.denoiser import SIZES, Denoiser, DenoiserConfig
from vasa_core.motion.model import MotionModel, Statistics
from vasa_core.motion.representation import EXPRESSION, LIDS
from vasa_core.training.motion_windows import Batch, WindowSampler, statistics

if TYPE_CHECKING:
    from vasa_core.training.motion_data import MotionClip

LIMITS = ("minutes", "steps")  # config entries that a resumed run may change
STATE = "state.safetensors"
_MOST_WEIGHT = 5.0  # of low-noise steps in the loss
_LEAST_EXPRESSION_WEIGHT = 0.1
_CHECK_STEPS = 100  # between two looks at the validation loss


@dataclass(frozen=True)
class MotionTrainingConfig:
    """One training run. It ends after `steps` or `minutes` of training, whichever is first; None is no limit.

    drop: dropout of audio, gaze, distance and emotion; drop_previous: of the previous window; drop_tail: share of
    windows in which the audio ends early. previous_noise: noise on the previous window, in standard deviations,
    since at run time it is the model's own. velocity: weight of the loss on frame-to-frame differences. lips: weight of
    the loss on what the lips do, where the face model says how expression moves them.
    """

    size: str = "small"
    minutes: float | None = 30.0
    steps: int | None = None
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.9985
    velocity: float = 1.0
    lips: float = 0.5
    drop: float = 0.1
    drop_previous: float = 0.5
    drop_tail: float = 0.3
    previous_noise: float = 0.05
    half: bool = True
    snapshot_minutes: float = 3.0
    seed: int = 0

    def validate(self) -> MotionTrainingConfig:
        """Return self, or raise InputError naming the bad value."""
        if self.minutes is None and self.steps is None:
            raise InputError("minutes and steps are both None; expected a limit for the training.")
        if self.size not in SIZES:
            raise InputError(f"size is {self.size!r}; expected one of {', '.join(SIZES)}.")
        for name in ("minutes", "steps", "batch", "learning_rate", "snapshot_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value!r}; expected a number above 0.")
        return self


def channel_weights(
    channels: int, visible: Float[np.ndarray, " expressions"] | None = None
) -> Float[Tensor, " channels"]:
    """Loss weight of each channel of x. visible: how far one unit of each expression channel moves the face."""
    weights = torch.ones(channels)
    weights[LIDS] = 2.5
    if visible is not None:
        share = torch.from_numpy(np.asarray(visible / visible.max(), np.float32))
        weights[EXPRESSION] = share.clamp(min=_LEAST_EXPRESSION_WEIGHT)
    return weights


def motion_loss(
    predicted: Float[Tensor, "batch window channels"],
    batch: Batch,
    kept: Float[Tensor, " batch"],
    channels: Float[Tensor, " channels"],
    velocity: float,
    lips: Float[Tensor, "expressions readings"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Terms of the loss: "x0", the masked squared error of X_0, "velocity", that of its frame-to-frame difference, and
    with `lips` (readings of the lips per unit of normalised expression, times the term's weight) that of the lips.

    kept: alpha_bar of each item; errors count 1 / (1 - alpha_bar) times, at most five-fold, so that fine motion, which
    is decided at low noise, is learned too. The difference to the context's last frame counts where there is one.
    """
    level = (1 / (1 - kept)).clamp(max=_MOST_WEIGHT)[:, None, None]
    weight = batch.weight * channels * level
    total = (batch.weight * channels).sum().clamp(min=1.0)
    error = predicted - batch.x
    follows = batch.conditions.has_previous[:, None, None]
    steps = torch.cat([error[:, :1] * follows, error.diff(dim=1)], 1)  # the context itself has no error
    terms = {
        "x0": (weight * error.square()).sum() / total,
        "velocity": velocity * (weight * steps.square()).sum() / total,
    }
    if lips is not None:
        seen = batch.weight[..., EXPRESSION].amin(-1, keepdim=True)  # (batch, window, 1)
        readings = error[..., EXPRESSION] @ lips  # (batch, window, readings)
        terms["lips"] = (seen * level * readings.square()).sum() / seen.sum().clamp(min=1.0)
    return terms


def lip_readings(
    clips: list[MotionClip], stats: Statistics, moves: Float[np.ndarray, "expressions readings"]
) -> Float[Tensor, "expressions readings"]:
    """Lip readings per unit of normalised expression, each of them scaled to vary by 1 over the clips in all.

    moves: how far each unit of expression moves each reading (gaps between the lips, width of the mouth).
    """
    scaled = moves * stats.motion_std[EXPRESSION].numpy()[:, None].astype(np.float64)
    values = np.concatenate([clip.x[:, EXPRESSION] for clip in clips]) @ moves
    return torch.from_numpy((scaled / values.std(0).clip(1e-6) / np.sqrt(moves.shape[1])).astype(np.float32))


class MotionTrainer:
    """The state of one run: model, optimiser, averaged weights, step and time spent."""

    def __init__(
        self,
        clips: list[MotionClip],
        config: MotionTrainingConfig,
        audio_encoder: str,
        visible: Float[np.ndarray, " expressions"] | None = None,
        emotion_rest: Float[np.ndarray, "7 expressions"] | None = None,
        lip_moves: Float[np.ndarray, "expressions readings"] | None = None,
    ) -> None:
        """visible, lip_moves: how far each unit of expression moves the face, and each reading of the lips."""
        train = [clip for clip in clips if clip.split == "train"]
        if not train:
            raise InputError("there is no clip to train on; expected at least one of the split 'train'.")
        self.config = config
        architecture = DenoiserConfig(
            size=config.size, motion_channels=train[0].x.shape[1], audio_channels=train[0].audio.shape[1]
        )
        stats = statistics(train, architecture.window)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            rest = None if emotion_rest is None else torch.from_numpy(emotion_rest)
            self.model = MotionModel(architecture, stats, audio_encoder, rest)
        self.sampler = WindowSampler(train, architecture, stats, config.seed)
        held = [clip for clip in clips if clip.split != "train"]
        self.held_out = WindowSampler(held, architecture, stats, config.seed + 1) if held else None
        self.channels = channel_weights(architecture.motion_channels, visible)
        self.lips = None if lip_moves is None else config.lips**0.5 * lip_readings(train, stats, lip_moves)
        self.optimiser = torch.optim.AdamW(
            self.denoiser.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.average = {name: value.detach().clone() for name, value in self.denoiser.named_parameters()}
        self.step, self.seconds = 0, 0.0

    def start_from(self, folder: Path) -> int:
        """Take over what fits of another motion model's denoiser, as of one on other speech features; returns how many
        parameters did. Raises InputError if the folder holds no checkpoint."""
        stored = load_checkpoint(folder).tensors
        found = {name: stored.get(f"denoiser.{name}") for name in self.average}
        fitting = {n: v.float() for n, v in found.items() if v is not None and v.shape == self.average[n].shape}
        self._assign({**self.average, **fitting})
        self.average |= {name: value.clone() for name, value in fitting.items()}
        return len(fitting)

    @property
    def denoiser(self) -> Denoiser:
        return self.model.denoiser

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        config = self.config
        return max(
            self.step / config.steps if config.steps else 0.0,
            self.seconds / (60 * config.minutes) if config.minutes else 0.0,
        )

    def train_step(self) -> float:
        """One optimiser step; returns its loss."""
        started = time.monotonic()
        self.denoiser.train()
        rate = self.config.learning_rate * min(1.0, (self.step + 1) / self.config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * max(0.5 * (1 + np.cos(np.pi * min(self.progress, 1.0))), 0.02)
        loss = sum(self._losses(self.sampler.batch(self.step, self.config.batch), self.step).values())
        assert isinstance(loss, Tensor)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimiser.step()
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.denoiser.named_parameters():
                self.average[name].lerp_(value, 1 - decay)
        self.step += 1
        self.seconds += time.monotonic() - started
        return float(loss.detach())

    def validation_loss(self, batches: int = 4) -> float:
        """x0 loss of the averaged weights on clips held out; NaN if there are none."""
        if self.held_out is None:
            return float("nan")
        current = {name: value.detach().clone() for name, value in self.denoiser.named_parameters()}
        self._assign(self.average)
        self.denoiser.eval()
        with torch.inference_mode():
            losses = [
                float(self._losses(self.held_out.batch(i, 2 * self.config.batch), i)["x0"]) for i in range(batches)
            ]
        self._assign(current)
        return float(np.mean(losses))

    def save_state(self, path: Path) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"model.{n}": v for n, v in self.denoiser.named_parameters()}
        tensors |= {f"average.{n}": v for n, v in self.average.items()}
        tensors |= optimizer_tensors("optimiser", self.optimiser)
        metadata = {"step": str(self.step), "seconds": str(self.seconds), "config": json.dumps(asdict(self.config))}
        save_tensors(path, tensors, metadata)

    def load_state(self, path: Path) -> None:
        """Continue from a state. Raises InputError if it is of a run with another config."""
        tensors, metadata = load_tensors(path)
        stored = {k: v for k, v in json.loads(metadata["config"]).items() if k not in LIMITS}
        wanted = {k: v for k, v in asdict(self.config).items() if k not in LIMITS}
        if stored != wanted:
            raise InputError(f"{path} is of a run with another config ({stored}); expected {wanted}: delete it.")
        self._assign({n: tensors[f"model.{n}"] for n in self.average})
        self.average = {n: tensors[f"average.{n}"] for n in self.average}
        restore_optimizer("optimiser", self.optimiser, tensors)
        self.step, self.seconds = int(metadata["step"]), float(metadata["seconds"])

    def averaged_model(self) -> MotionModel:
        """A copy of the model with the averaged weights, for use."""
        stats = {n: getattr(self.model, n) for n in ("motion_mean", "motion_std", "audio_mean", "audio_std")}
        model = MotionModel(self.model.config, Statistics(**stats), self.model.audio_encoder, self.model.emotion_rest)
        model.denoiser.load_state_dict(self.average)
        return model.eval()

    def _losses(self, batch: Batch, step: int) -> dict[str, Float[Tensor, ""]]:
        config, seed = self.config, int(np.random.SeedSequence([self.config.seed, step]).generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed)
        probabilities = {name: config.drop for name in ("audio", "gaze", "distance", "emotion")}
        conditions = batch.conditions.dropped(
            {**probabilities, "previous": config.drop_previous}, config.drop_tail, generator
        )
        noisy = conditions.previous + config.previous_noise * torch.randn(
            conditions.previous.shape, generator=generator
        )
        batch = replace(batch, conditions=replace(conditions, previous=noisy))
        t = torch.randint(1, self.model.config.diffusion_steps + 1, (len(batch.x),), generator=generator)
        noise = torch.randn(batch.x.shape, generator=generator)
        schedule = self.denoiser.schedule
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=config.half):
            torch.manual_seed(seed)  # of the network's dropout; the caller's generator is left as it was
            predicted = self.denoiser(schedule.noised(batch.x, noise, t), t, batch.conditions)
        return motion_loss(predicted.float(), batch, schedule.alpha_bar(t), self.channels, config.velocity, self.lips)

    def _assign(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.denoiser.named_parameters():
                parameter.copy_(values[name])


def run_training(
    trainer: MotionTrainer, out: Path, run: Path, progress: Callable[[float, str], None] | None = None
) -> None:
    """Train to the end, from the state in `run` if there is one, writing states there and checkpoints to `out`."""
    state = run / STATE
    if state.is_file():
        trainer.load_state(state)
    saved = trainer.seconds
    for line in _training(trainer):
        if progress:
            progress(trainer.progress, line)
        if trainer.seconds - saved >= 60 * trainer.config.snapshot_minutes:
            trainer.save_state(state)
            trainer.model.save(out, trainer.average)
            saved = trainer.seconds
    trainer.save_state(state)
    trainer.model.save(out, trainer.average)


def _training(trainer: MotionTrainer) -> Iterator[str]:
    recent: list[float] = []
    while trainer.progress < 1:
        recent.append(trainer.train_step())
        line = ""
        if trainer.step % _CHECK_STEPS == 0:
            held_out = trainer.validation_loss()
            line = f"step {trainer.step} loss {np.mean(recent):.4f} held-out x0 {held_out:.4f}"
            recent.clear()
        yield line
