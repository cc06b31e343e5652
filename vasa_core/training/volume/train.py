"""Training of the volume face model (VASA-1, section 3.1): reconstruction of one frame of a clip from another.

Runs on `accelerate`: one CPU or GPU or many processes, in bfloat16 or float32. Batch n depends on (seed, n) alone and
every loss is a mean over examples, so that micro-batches and processes only divide the work.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from vasa_core.checkpoint import load_tensors, optimizer_tensors, restore_optimizer, save_tensors
from vasa_core.data.frames import FaceFrames
from vasa_core.errors import InputError
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.rates import exact_div
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.ema import Average, cosine_rate
from vasa_core.training.losses.adversarial import MultiScaleJudge, judge_loss
from vasa_core.training.losses.identity_perceptual import IdentityDescriptor
from vasa_core.training.losses.lpips import Perceptual
from vasa_core.training.losses.perceptual import ShiftTolerantVgg16
from vasa_core.training.losses.pixel import over_grey
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.volume.batches import FaceBatch, FaceBatches
from vasa_core.training.volume.graph import Criteria, FaceGraph

if TYPE_CHECKING:
    from accelerate import Accelerator

Module = TypeVar("Module", bound=torch.nn.Module)

BETAS = (0.5, 0.999)  # MegaPortraits
MIN_SPREAD = 0.01  # of the mesh face model's dynamics: what hardly moves is not blown up
TAUGHT_ALONE, TAUGHT_LESS = 0.3, 0.6  # shares of a run: before, z_dyn is all its teacher's; after, `taught` of it
LEAST_RATE = 0.005  # of the learning rate, at the end (2e-4 -> 1e-6)
PARTS = (
    *("appearance", "identity", "head_pose", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"),
    "adapter",
)
CHANGEABLE = ("accumulate", "half", "workers")  # config entries that a resumed run may change


@dataclass(frozen=True)
class FaceTrainingConfig:
    """One training run of `steps` steps. batch: examples a step, over all processes and `accumulate` micro-batches.

    rehearsal: steps before the first, of what needs no drawing (see `face_rehearsal`). taught: share of z_dyn that is
    its teacher's in the end. frozen: networks, or the adapter, that keep their weights after the rehearsal. judge_from:
    step from which the discriminator takes part. half: bfloat16 where a matrix product allows it.
    """

    preset: str = "tiny-128"
    steps: int = 20_000
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 2e-4
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.999
    rehearsal: int = 0
    taught: float = 0.4
    frozen: tuple[str, ...] = ()
    judge_from: int = 2_000
    judge_width: int = 64
    halvings: int = 0
    half: bool = True
    workers: int = 1
    seed: int = 0
    weights: LossWeights = field(default_factory=LossWeights)

    def validate(self) -> FaceTrainingConfig:
        """Return self, or raise InputError naming the bad value."""
        if self.preset not in PRESETS:
            raise InputError(f"preset is {self.preset!r}; expected one of {', '.join(PRESETS)}.")
        if unknown := sorted(set(self.frozen) - set(PARTS)):
            raise InputError(f"frozen names {', '.join(unknown)}; expected some of {', '.join(PARTS)}.")
        for name in ("steps", "batch", "accumulate", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected a number above 0.")
        return self


class FaceTrainer:
    """The state of one run: networks, discriminator, optimisers, averaged weights and step."""

    def __init__(
        self,
        clips: list[FaceFrames],
        config: FaceTrainingConfig,
        perceptual: Perceptual,
        descriptor: IdentityDescriptor | None,
        accelerator: Accelerator | None = None,
        strength: Float[Tensor, " mesh"] | None = None,
    ) -> None:
        """clips: to train on. strength: how much a standard deviation of each number of the mesh face model's dynamics
        shows; None: all alike. Raises InputError for a config that cannot be run, and where a loss that needs an
        identity descriptor has a weight but there is none."""
        self.config = config.validate()
        weights = config.weights
        if descriptor is None and (weights.face or weights.cross_identity):
            raise InputError(
                "The face and cross_identity losses need an identity descriptor; expected --identity dlib or arcface, "
                "or none to train without both."
            )
        self.accelerator = accelerator or accelerator_of(config.half)
        processes = self.accelerator.num_processes
        if config.batch % (processes * config.accumulate):
            raise InputError(
                f"batch is {config.batch}; expected a multiple of {processes} processes x {config.accumulate} parts."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            networks = _channels_last(VolumeNetworks(PRESETS[config.preset]))
            judge = _channels_last(MultiScaleJudge(config.judge_width))
            graph = FaceGraph(networks, weights, clips[0].dynamics.shape[1])
            for name in config.frozen:
                (graph.adapter if name == "adapter" else networks.get_submodule(name)).requires_grad_(False)
        dynamics = torch.from_numpy(np.concatenate([clip.dynamics for clip in clips]))
        graph.adapter.mean.copy_(dynamics.mean(0))
        strength = torch.ones(dynamics.shape[1]) if strength is None else strength
        spread = dynamics.std(0).clamp(min=MIN_SPREAD)
        graph.adapter.scale.copy_(spread * strength.norm() / strength)  # all of it together then is 1 in size
        prepare = self.accelerator.prepare
        self.graph: Any = prepare(graph)
        self.judge: Any = prepare(judge)
        self.optimiser = self._adam(self.plain_graph)
        self.judge_optimiser = self._adam(self.plain_judge)
        self.average = Average(self.plain_graph, config.average)
        device = self.accelerator.device
        vgg = ShiftTolerantVgg16(perceptual, config.halvings).to(device)
        self.criteria = Criteria(weights, vgg, descriptor, None)
        self.clips, self.step = clips, 0

    @property
    def plain_graph(self) -> FaceGraph:
        return self.accelerator.unwrap_model(self.graph)

    @property
    def networks(self) -> VolumeNetworks:
        return self.plain_graph.networks

    @property
    def taught_share(self) -> float:
        """Share of z_dyn that its teacher gives at this step: all at first, when it cannot be read off pictures yet."""
        done = (self.step / self.config.steps - TAUGHT_ALONE) / (TAUGHT_LESS - TAUGHT_ALONE)
        return 1 - (1 - self.config.taught) * min(max(done, 0.0), 1.0)

    @property
    def plain_judge(self) -> MultiScaleJudge:
        return self.accelerator.unwrap_model(self.judge)

    def batches(self) -> Iterator[FaceBatch]:
        """This process's part of every batch from the present step on."""
        share = exact_div(self.config.batch, self.accelerator.num_processes)
        first = share * self.accelerator.process_index
        part = slice(first, first + share)
        batches = FaceBatches(self.clips, self.config.batch, self.config.seed, self.step, part)
        return iter(DataLoader(batches, batch_size=None, num_workers=self.config.workers))

    def train_step(self, batch: FaceBatch) -> dict[str, float]:
        """One step of networks and discriminator on this process's part of a batch; returns its mean losses."""
        config, accelerator = self.config, self.accelerator
        judging = config.weights.adversarial > 0 and self.step >= config.judge_from
        rate = cosine_rate(self.step, config.steps, config.warmup, LEAST_RATE) * config.learning_rate
        for optimiser in (self.optimiser, self.judge_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
        self.graph.train()
        share = exact_div(len(batch.source.image), config.accumulate)
        totals: dict[str, Tensor] = {}
        for number in range(config.accumulate):
            part = batch.part(slice(number * share, (number + 1) * share)).to(accelerator.device)
            last = number + 1 == config.accumulate
            with nullcontext() if last else accelerator.no_sync(self.graph):
                losses, painted = self._networks_backward(part, judging, number)
            if judging:
                with nullcontext() if last else accelerator.no_sync(self.judge):
                    losses["judge"] = self._judge_backward(painted, part)
            for name, loss in losses.items():
                totals[name] = totals.get(name, torch.zeros(())) + loss.detach().cpu() / config.accumulate
        accelerator.clip_grad_norm_(self.graph.parameters(), 1.0)
        self.optimiser.step()
        if judging:
            self.judge_optimiser.step()
        self.average.update(self.plain_graph, self.step)
        self.step += 1
        return {name: float(value) for name, value in totals.items()}

    def trial(self, part: FaceBatch) -> dict[str, Tensor]:
        """Losses of some examples, with all that a backward pass needs: to measure memory. Not shared by processes, who
        would then expect the rehearsal to be shared as well."""
        part = part.to(self.accelerator.device)
        with self.accelerator.autocast():
            return self.criteria.losses(self.plain_graph(part, self.taught_share), part)

    def save_state(self, path: Path) -> None:
        """Write everything that the next step depends on (the main process alone)."""
        tensors = {f"graph.{name}": value for name, value in self.plain_graph.state_dict().items()}
        tensors |= {f"judge.{name}": value for name, value in self.plain_judge.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.values.items()}
        tensors |= optimizer_tensors("optimiser", self.optimiser)
        tensors |= optimizer_tensors("judge_optimiser", self.judge_optimiser)
        save_tensors(path, tensors, {"step": str(self.step), "config": json.dumps(asdict(self.config))})

    def load_state(self, path: Path) -> None:
        """Continue from a state. Raises InputError if it is of a run with another config."""
        tensors, metadata = load_tensors(path)
        stored, wanted = (json.loads(text) for text in (metadata["config"], json.dumps(asdict(self.config))))
        changed = sorted(n for n in wanted if n not in CHANGEABLE and stored.get(n) != wanted[n])
        if changed:
            raise InputError(
                f"{path} is of a run with another {', '.join(changed)}; expected the same, or another run folder."
            )
        self._take_over(tensors)
        restore_optimizer("optimiser", self.optimiser, tensors)
        restore_optimizer("judge_optimiser", self.judge_optimiser, tensors)
        self.step = int(metadata["step"])

    def start_from(self, path: Path) -> None:
        """Take networks, discriminator and averages over from another run's state, at step 0 of this one."""
        tensors, _ = load_tensors(path)
        self._take_over(tensors)

    def averaged(self) -> FaceGraph:
        """A copy of the networks and of z_dyn's teacher with the averaged weights, for use."""
        graph = copy.deepcopy(self.plain_graph)
        graph.load_state_dict(self.average.values, strict=False)
        return graph.eval()

    def _take_over(self, tensors: dict[str, Tensor]) -> None:
        self.plain_graph.load_state_dict(_part("graph", tensors))
        self.plain_judge.load_state_dict(_part("judge", tensors))
        self.average.values = {n: v.to(self.accelerator.device) for n, v in _part("average", tensors).items()}

    def _networks_backward(self, part: FaceBatch, judging: bool, number: int) -> tuple[dict[str, Tensor], Tensor]:
        criteria = self.criteria
        if judging:
            self.plain_judge.requires_grad_(False)
            criteria = replace(criteria, judge=self.plain_judge)
        with torch.random.fork_rng(devices=[]), self.accelerator.autocast():
            torch.manual_seed((self.config.seed + 1) * 1_000_003 + self.step * 1_009 + number)  # of dropout
            renders = self.graph(part, self.taught_share)
            losses = criteria.losses(renders, part)
            total = self.config.weights.total(losses)
        self.accelerator.backward(total / self.config.accumulate)
        self.plain_judge.requires_grad_(True)
        return {**losses, "total": total}, over_grey(renders.driven.detach())

    def _judge_backward(self, painted: Tensor, part: FaceBatch) -> Tensor:
        with self.accelerator.autocast():
            verdicts = self.judge(torch.cat([part.driving.image, painted]))
        half = len(painted)
        real, fake = ([type(v)(v.score[s], []) for v in verdicts] for s in (slice(half), slice(half, None)))
        loss = judge_loss(real, fake)
        self.accelerator.backward(loss / self.config.accumulate)
        return loss

    def _adam(self, module: torch.nn.Module) -> torch.optim.AdamW:
        config = self.config
        return torch.optim.AdamW(
            module.parameters(), lr=config.learning_rate, betas=BETAS, weight_decay=config.weight_decay
        )


def _channels_last(module: Module) -> Module:
    """The module with its 2D convolutions' weights laid out as they are fastest."""
    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
    return module


def _part(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.split(".", 1)[1]: value for key, value in tensors.items() if key.split(".", 1)[0] == name}
