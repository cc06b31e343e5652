"""Training of the motion model (VASA-1, section 3.2): x0-prediction on windows of tracked video.

Runs on `accelerate`: one CPU or GPU or many processes, in bfloat16 or float32. Each step's windows, conditions, noise
and diffusion steps come from (seed, step) alone, for the whole batch: micro-batches and processes only divide the work,
and repeating the command resumes it.
"""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vasa_core.audio import PROSODY
from vasa_core.audio.prosody import NAMES as PROSODY_NAMES
from vasa_core.checkpoint import load_checkpoint, load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from vasa_core.errors import InputError
from vasa_core.motion.conditions import Conditions
from vasa_core.motion.denoiser import SIZES, Block, Denoiser, DenoiserConfig
from vasa_core.motion.model import LivelyPeople, MotionModel, Statistics
from vasa_core.motion.schedule import SCHEDULES
from vasa_core.rates import exact_div
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.ema import Average, cosine_rate
from vasa_core.training.engine.memory import MemoryNeed, memory_needed
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

# Config entries that a resumed run may change.
CHANGEABLE = ("minutes", "steps", "accumulate", "half", "log_steps", "snapshot_minutes")
LEAST_RATE = 0.02  # of the learning rate, at the end


@dataclass(frozen=True)
class MotionTrainingConfig:
    """One training run. It ends after `steps` or `minutes` of training, whichever is first; None is no limit.

    schedule: name of the forward diffusion: cosine, or linear for flow matching.
    batch: windows a step, over all processes and `accumulate` micro-batches.
    stretch, audio_drop, audio_shift, audio_noise, dirty, scaling: of `Augmentation`.
    drop: dropout of audio, gaze, distance, emotion and liveliness; drop_previous: of the previous window; drop_tail:
    share of windows in which the audio ends early. previous_noise: noise on the previous window, in standard
    deviations, since at run time it is the model's own. velocity: weight of the loss on frame-to-frame differences.
    lips: weight of the loss on what lips and brows do, where the face model says how expression moves them. half:
    bfloat16 where a matrix product allows it. log_steps: steps between two lines of the log.
    """

    size: str = "small"
    schedule: str = "cosine"
    minutes: float | None = 30.0
    steps: int | None = None
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
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
    half: bool = True
    log_steps: int = 100
    snapshot_minutes: float = 3.0
    seed: int = 0

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.stretch, self.audio_drop, self.audio_shift, self.audio_noise, self.dirty, self.scaling)

    def validate(self) -> MotionTrainingConfig:
        """Return self, or raise InputError naming the bad value."""
        if self.minutes is None and self.steps is None:
            raise InputError("minutes and steps are both None; expected a limit for the training.")
        if self.size not in SIZES:
            raise InputError(f"size is {self.size!r}; expected one of {', '.join(SIZES)}.")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}.")
        for name in ("minutes", "steps", "batch", "accumulate", "learning_rate", "log_steps", "snapshot_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value!r}; expected a number above 0.")
        for name, value in vars(self.augmentation).items():
            if value < 0 or (name in ("audio_drop", "dirty") and value >= 1):
                raise InputError(
                    f"{name} is {value!r}; expected 0 or more{', under 1' * (name in ('audio_drop', 'dirty'))}."
                )
        return self


@dataclass(frozen=True)
class Drawn:
    """A batch with what chance adds to it in one step: dropped conditions, noise, and diffusion steps t."""

    batch: Batch
    noise: Float[Tensor, "batch window channels"]
    t: Int[Tensor, " batch"]

    def part(self, items: slice) -> Drawn:
        """Some of its items."""
        conditions = {f.name: getattr(self.batch.conditions, f.name)[items] for f in fields(Conditions)}
        batch = Batch(self.batch.x[items], self.batch.weight[items], Conditions(**conditions))
        return Drawn(batch, self.noise[items], self.t[items])

    def to(self, device: torch.device) -> Drawn:
        """The same on another device."""
        batch = Batch(self.batch.x.to(device), self.batch.weight.to(device), self.batch.conditions.to(device))
        return Drawn(batch, self.noise.to(device), self.t.to(device))


class MotionTrainer:
    """The state of one run: model, optimiser, averaged weights, step, time spent, and losses since the last report."""

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
        self.config = config.validate()
        train = [clip for clip in clips if clip.split == "train"]
        if not train:
            raise InputError("there is no clip to train on; expected at least one of the split 'train'.")
        self.accelerator = accelerator or accelerator_of(config.half)
        processes, device = self.accelerator.num_processes, self.accelerator.device
        if config.batch % (processes * config.accumulate):
            raise InputError(
                f"batch is {config.batch}; expected a multiple of {processes} processes x {config.accumulate} parts."
            )
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
            self.model = MotionModel(architecture, stats, audio_encoder, rest, expressive(lively)).to(device)
        last = self.denoiser.blocks[-1]
        assert isinstance(last, Block)
        last.condition_bias.requires_grad_(False)  # no output depends on it, for which processes would wait
        self.graph: Any = self.accelerator.prepare(self.denoiser)
        phonetic = train[0].audio.shape[1] - (len(PROSODY_NAMES) if audio_encoder.endswith(PROSODY) else 0)
        self.sampler = WindowSampler(train, architecture, stats, config.seed, config.augmentation, lively, phonetic)
        held = [clip for clip in clips if clip.split != "train"]
        self.held_out = WindowSampler(held, architecture, stats, config.seed + 1, None, lively) if held else None
        self.channels = channel_weights(architecture.motion_channels, visible).to(device)
        lips = None if lip_moves is None else config.lips**0.5 * lip_readings(train, stats, lip_moves)
        self.lips = None if lips is None else lips.to(device)
        self.optimiser = torch.optim.AdamW(
            self.denoiser.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.average = Average(self.denoiser, config.average)
        self.step, self.seconds = 0, 0.0
        self._sums: dict[str, float] = {}  # of the losses of the steps since the last report
        self._summed = 0

    def start_from(self, folder: Path) -> int:
        """Take over what fits of another motion model's denoiser, as of one on other speech features; returns how many
        parameters did. Inputs that it does not have yet count for nothing at first.

        Raises InputError if the folder holds no checkpoint.
        """
        stored = load_checkpoint(folder).tensors
        present = self.average.values
        found = {name: _widened(stored.get(f"denoiser.{name}"), present[name]) for name in present}
        fitting = {name: value for name, value in found.items() if value is not None}
        self._assign({**present, **fitting})
        self.average = Average(self.denoiser, self.config.average)
        return len(fitting)

    @property
    def denoiser(self) -> Denoiser:
        return self.model.denoiser

    @property
    def part_size(self) -> int:
        """Windows of one micro-batch of one process."""
        return exact_div(self.config.batch, self.accelerator.num_processes * self.config.accumulate)

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        config = self.config
        return max(
            self.step / config.steps if config.steps else 0.0,
            self.seconds / (60 * config.minutes) if config.minutes else 0.0,
        )

    @property
    def rate(self) -> float:
        """The learning rate of the step to come: of a run limited by minutes, as if all its steps took as long."""
        steps = round(self.step / self.progress) if self.progress else 1
        return self.config.learning_rate * cosine_rate(self.step, max(1, steps), self.config.warmup, LEAST_RATE)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the batch's losses, "total" among them."""
        started = time.monotonic()
        config, accelerator, size = self.config, self.accelerator, self.part_size
        self.denoiser.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.optimiser.zero_grad()
        drawn = self._drawn(self.sampler.batch(self.step, config.batch), self.step)
        whole = totals(drawn.batch, self.channels)
        first = accelerator.process_index * config.accumulate * size
        losses: dict[str, Tensor] = {}
        for start in range(first, first + config.accumulate * size, size):
            last = start == first + (config.accumulate - 1) * size
            with nullcontext() if last else accelerator.no_sync(self.graph):
                terms = self._losses(self.graph, drawn.part(slice(start, start + size)), whole, self._seed() + start)
                total = torch.stack(list(terms.values())).sum()
                accelerator.backward(total * accelerator.num_processes)  # whose gradients are averaged
            for name, value in {**terms, "total": total}.items():
                losses[name] = losses.get(name, torch.zeros((), device=accelerator.device)) + value.detach()
        accelerator.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.denoiser, self.step)
        self.step += 1
        return self._report(losses, started)

    def means(self) -> dict[str, float]:
        """Mean losses of the steps since the last call."""
        means = {name: value / self._summed for name, value in self._sums.items()}
        self._sums, self._summed = {}, 0
        return means

    def validation_loss(self, batches: int = 4) -> float:
        """x0 loss of the averaged weights on clips held out; NaN if there are none."""
        if self.held_out is None:
            return float("nan")
        current = {name: value.detach().clone() for name, value in self.denoiser.named_parameters()}
        self._assign(self.average.values)
        self.denoiser.eval()
        losses = []
        with torch.inference_mode():
            for index in range(batches):
                drawn = self._drawn(self.held_out.batch(index, 2 * self.config.batch), index)
                whole = totals(drawn.batch, self.channels)
                parts = (slice(i, i + 2 * self.part_size) for i in range(0, 2 * self.config.batch, 2 * self.part_size))
                losses.append(sum(float(self._losses(self.denoiser, drawn.part(p), whole, 0)["x0"]) for p in parts))
        self._assign(current)
        return float(np.mean(losses))

    def memory_needed(self) -> MemoryNeed:
        """Of one process."""
        drawn = self._drawn(self.sampler.batch(0, 2), 0)

        def forward(count: int) -> dict[str, Tensor]:
            part = drawn.part(slice(count))
            return self._losses(self.denoiser, part, totals(part.batch, self.channels), 0)

        self.denoiser.train()
        return memory_needed([self.denoiser], forward, self.part_size)

    def save_state(self, path: Path) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"model.{n}": v for n, v in self.denoiser.named_parameters()}
        tensors |= {f"average.{n}": v for n, v in self.average.values.items()}
        tensors |= optimizer_tensors("optimiser", self.optimiser)
        since = {"steps": self._summed, "sums": self._sums}
        metadata = {"step": str(self.step), "seconds": str(self.seconds), "since_report": json.dumps(since)}
        save_tensors(path, tensors, {**metadata, "config": json.dumps(asdict(self.config))})

    def load_state(self, path: Path) -> None:
        """Continue from a state. Raises InputError if it is of a run with another config."""
        tensors, metadata = load_tensors(path)
        stored, wanted = {**asdict(MotionTrainingConfig()), **json.loads(metadata["config"])}, asdict(self.config)
        if changed := sorted(n for n in wanted if n not in CHANGEABLE and stored[n] != wanted[n]):
            raise InputError(
                f"{path} is of a run with another {', '.join(changed)}; expected the same, or another run folder."
            )
        names, device = list(self.average.values), self.accelerator.device
        self._assign({n: tensors[f"model.{n}"] for n in names})
        self.average.values = {n: tensors[f"average.{n}"].to(device) for n in names}
        restore_optimizer("optimiser", self.optimiser, tensors)
        self.step, self.seconds = int(metadata["step"]), float(metadata["seconds"])
        since = json.loads(metadata.get("since_report", '{"steps": 0, "sums": {}}'))
        self._summed, self._sums = since["steps"], since["sums"]

    def averaged_model(self) -> MotionModel:
        """A copy of the model with the averaged weights, for use."""
        names = ("motion_mean", "motion_std", "audio_mean", "audio_std", "emotion_rest")
        *stats, rest = (getattr(self.model, name).cpu() for name in names)
        people = LivelyPeople(*(getattr(self.model, n).cpu() for n in ("lively_mean", "lively_std", "liveliness_at")))
        model = MotionModel(self.model.config, Statistics(*stats), self.model.audio_encoder, rest, people)
        model.denoiser.load_state_dict(self.average.values)
        return model.to(self.accelerator.device).eval()

    def _seed(self, step: int | None = None) -> int:
        return int(np.random.SeedSequence([self.config.seed, self.step if step is None else step]).generate_state(1)[0])

    def _drawn(self, batch: Batch, step: int) -> Drawn:
        config = self.config
        generator = torch.Generator().manual_seed(self._seed(step))
        probabilities = {name: config.drop for name in ("audio", "gaze", "distance", "emotion", "liveliness")}
        conditions = batch.conditions.dropped(
            {**probabilities, "previous": config.drop_previous}, config.drop_tail, generator
        )
        noisy = conditions.previous + config.previous_noise * torch.randn(
            conditions.previous.shape, generator=generator
        )
        batch = replace(batch, conditions=replace(conditions, previous=noisy))
        t = torch.randint(1, self.model.config.diffusion_steps + 1, (len(batch.x),), generator=generator)
        noise = torch.randn(batch.x.shape, generator=generator)
        return Drawn(batch, noise, t).to(self.accelerator.device)

    def _losses(self, network: nn.Module, drawn: Drawn, whole: Totals, seed: int) -> dict[str, Float[Tensor, ""]]:
        """Terms of the loss of a part of a batch. seed: of the network's dropout."""
        batch, t, schedule = drawn.batch, drawn.t, self.denoiser.schedule
        device = self.accelerator.device
        gpus = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(gpus), self.accelerator.autocast():  # the caller's generator is left as it was
            torch.manual_seed(seed)
            predicted = network(schedule.noised(batch.x, drawn.noise, t), t, batch.conditions)
        velocity = self.config.velocity
        return motion_loss(predicted.float(), batch, schedule.weight(t), self.channels, velocity, self.lips, whole)

    def _report(self, losses: dict[str, Tensor], started: float) -> dict[str, float]:
        values = torch.stack(list(losses.values())).double().cpu()  # only now is a GPU done
        spent = (time.monotonic() - started) * self.accelerator.is_main_process  # of one process, so that all agree
        values = torch.cat([values, torch.tensor([spent], dtype=torch.float64)]).to(self.accelerator.device)
        summed: Any = self.accelerator.reduce(values, "sum")
        *numbers, spent = summed.tolist()
        self.seconds += spent
        report = dict(zip(losses, numbers, strict=True))
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in report.items()}
        self._summed += 1
        return report

    def _assign(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.denoiser.named_parameters():
                parameter.copy_(values[name])


def _widened(stored: Tensor | None, present: Tensor) -> Tensor | None:
    """A stored parameter in the shape of the present one, zeros where it has fewer inputs; None if it does not fit."""
    if stored is None or stored.ndim != present.ndim or stored.shape[0] != present.shape[0]:
        return None
    if stored.shape == present.shape:
        return stored.float()
    if stored.ndim != 2 or stored.shape[1] > present.shape[1]:
        return None
    return torch.nn.functional.pad(stored.float(), (0, present.shape[1] - stored.shape[1]))
