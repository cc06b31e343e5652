"""What every trainer is: modules, optimisers, averaged weights, a step, and a state from which it goes on.

A run goes on as if nothing had been: what a step does depends on the state and the seed alone. Processes and
micro-batches only divide its work.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vasa_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from vasa_core.errors import InputError
from vasa_core.training.engine.ema import Average, cosine_rate
from vasa_core.training.engine.memory import MemoryNeed, memory_needed

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run, which ends after `steps` or `minutes` of training, whichever is first; None is no limit.

    batch: examples a step, over all processes and `accumulate` micro-batches. average: decay of the averaged weights.
    bf16: bfloat16 where a matrix product allows it. log_steps: steps between two lines of the log. snapshot_minutes:
    between two states on disk. CHANGEABLE: entries in which a run that goes on may differ.
    """

    CHANGEABLE: ClassVar = ("minutes", "steps", "accumulate", "bf16", "log_steps", "snapshot_minutes", "workers")

    steps: int | None = None
    minutes: float | None = None
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.999
    bf16: bool = True
    log_steps: int = 100
    snapshot_minutes: float = 5.0
    seed: int = 0

    def check(self) -> None:
        """Raise InputError naming the bad value, if there is one."""
        if self.minutes is None and self.steps is None:
            raise InputError("minutes and steps are both None; expected a limit for the training.")
        for name in ("minutes", "steps", "batch", "accumulate", "learning_rate", "log_steps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value!r}; expected a number above 0.")


class Trainer(ABC):
    """The state of one run. config: of the run. step, seconds: done so far, and time spent on them.

    facts: numbers that the state keeps besides.
    """

    least_rate = 0.02  # of the learning rate, at the end

    def __init__(
        self,
        config: TrainingConfig,
        accelerator: Accelerator,
        modules: Mapping[str, nn.Module],
        optimisers: Mapping[str, Optimizer],
    ) -> None:
        """modules: by name; the first one's parameters are averaged. Raises InputError for a batch that cannot be
        divided among processes and micro-batches."""
        divisor = accelerator.num_processes * config.accumulate
        if config.batch % divisor:
            raise InputError(
                f"batch is {config.batch}; expected a multiple of {accelerator.num_processes} processes x "
                f"{config.accumulate} parts."
            )
        self.config, self.accelerator, self.modules, self.optimisers = config, accelerator, modules, optimisers
        self.part_size = config.batch // divisor  # examples of one micro-batch of one process
        self.averaged_module = next(iter(modules.values()))
        self.average = Average(self.averaged_module, config.average)
        self.step, self.seconds = 0, 0.0
        self.facts: dict[str, float] = {}
        self._rates = {name: [group["lr"] for group in each.param_groups] for name, each in optimisers.items()}
        self._sums: dict[str, tuple[float, int]] = {}  # loss: its sum over steps since the last report, and how many

    @abstractmethod
    def learn(self) -> dict[str, Tensor]:
        """Take one optimiser step; returns this process's share of each loss, which add up over processes."""

    @abstractmethod
    def trial(self, count: int) -> object:
        """One training forward of `count` examples, with all that a backward pass needs: to measure memory."""

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
        """Share of the learning rate at the step to come: of a run limited by minutes, as if all its steps took as
        long."""
        steps = round(self.step / self.progress) if self.progress else 1
        return cosine_rate(self.step, max(1, steps), self.config.warmup, self.least_rate)

    def train_step(self) -> dict[str, float]:
        """One step of all that is trained; returns the whole batch's losses."""
        started = time.monotonic()
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * self.rate
        losses = self.learn()
        self.average.update(self.averaged_module, self.step)
        self.step += 1
        return self._report(losses, started)

    def micro_batch(self, graph: Any, number: int) -> AbstractContextManager[object]:
        """The context of one of a step's micro-batches: gradients are shared by processes with the last one alone."""
        return nullcontext() if number + 1 == self.config.accumulate else self.accelerator.no_sync(graph)

    def means(self) -> dict[str, float]:
        """Mean losses of the steps since the last call."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def memory_needed(self) -> MemoryNeed:
        """What one process needs."""
        return memory_needed(list(self.modules.values()), self.trial, self.part_size)

    def save_state(self, path: Path) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"average.{name}": value for name, value in self.average.values.items()}
        for part, module in self.modules.items():
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for part, optimiser in self.optimisers.items():
            tensors |= optimizer_tensors(f"optimiser of {part}", optimiser)
        course = {"seconds": self.seconds, "facts": self.facts, "sums": self._sums}
        save_tensors(path, tensors, {"step": str(self.step), "course": json.dumps(course)})

    def load_state(self, path: Path) -> None:
        """Continue from a state of the same config. Raises InputError if the file is damaged."""
        tensors, metadata = load_tensors(path)
        self.take_over(tensors)
        for part, optimiser in self.optimisers.items():
            restore_optimizer(f"optimiser of {part}", optimiser, tensors)
        course = json.loads(metadata["course"])
        self.step, self.seconds, self.facts = int(metadata["step"]), course["seconds"], course["facts"]
        self._sums = {name: tuple(entry) for name, entry in course["sums"].items()}

    def take_over(self, tensors: Mapping[str, Tensor]) -> None:
        """Give modules and averages the values of a state."""

        def part_of(part: str) -> dict[str, Tensor]:
            return {key.split(".", 1)[1]: value for key, value in tensors.items() if key.split(".", 1)[0] == part}

        for part, module in self.modules.items():
            module.load_state_dict(part_of(part))
        self.average.values = {name: v.to(self.accelerator.device) for name, v in part_of("average").items()}

    def _report(self, losses: Mapping[str, Tensor], started: float) -> dict[str, float]:
        values = torch.stack([loss.detach() for loss in losses.values()]).double().cpu()  # only now is a GPU done
        spent = (time.monotonic() - started) * self.accelerator.is_main_process  # of one process, so that all agree
        values = torch.cat([values, torch.tensor([spent], dtype=torch.float64)]).to(self.accelerator.device)
        summed: Any = self.accelerator.reduce(values, "sum")
        *numbers, spent = summed.tolist()
        self.seconds += spent
        report = dict(zip(losses, numbers, strict=True))
        for name, value in report.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        return report
