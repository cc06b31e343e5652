"""Training of the volume face model (VASA-1, section 3.1): reconstruction of one frame of a clip from another.

Batch n depends on (seed, n) alone and every loss is a mean over examples, so that micro-batches and processes only
divide the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from vasa_core.checkpoint import load_tensors
from vasa_core.data.frames import FaceFrames
from vasa_core.errors import InputError
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.networks import VolumeNetworks
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.trainer import Trainer, TrainingConfig
from vasa_core.training.losses.adversarial import MultiScaleDiscriminator, Verdict, discriminator_loss
from vasa_core.training.losses.identity import IdentityDescriptor
from vasa_core.training.losses.perceptual import DownsampledPerceptual, Perceptual
from vasa_core.training.losses.picture import over_grey
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.volume.batches import FaceBatch, FaceBatches
from vasa_core.training.volume.graph import Criteria, VolumeGraph

if TYPE_CHECKING:
    from accelerate import Accelerator

Module = TypeVar("Module", bound=torch.nn.Module)

BETAS = (0.5, 0.999)  # MegaPortraits
MIN_SPREAD = 0.01  # of the mesh face model's dynamics: what hardly moves is not blown up
FORCED_UNTIL, FORCED_LESS = 0.3, 0.6  # shares of a run: before, all teacher forcing; after, `teacher_forcing`
PARTS = (
    *("appearance", "identity", "head_pose", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"),
    "adapter",
)


@dataclass(frozen=True, kw_only=True)
class VolumeTrainingConfig(TrainingConfig):
    """One training run.

    warp_pretraining: steps before the first, of what needs no rendering (see `warp_pretraining`). teacher_forcing:
    share of examples that the teacher's z_dyn drives in the end. frozen: networks, or the adapter, that keep their
    weights after the warp pretraining. discriminator_from: step from which the discriminator takes part.
    discriminator_width: channels of its first layer. downsampling: how often pictures are halved for the perceptual
    loss. workers: processes that make batches.
    """

    CHANGEABLE = ("accumulate", "bf16", "workers", "log_steps", "snapshot_minutes")  # the rate follows the steps

    preset: str = "tiny-128"
    steps: int | None = 20_000
    batch: int = 8
    learning_rate: float = 2e-4
    warp_pretraining: int = 0
    teacher_forcing: float = 0.4
    frozen: tuple[str, ...] = ()
    discriminator_from: int = 2_000
    discriminator_width: int = 64
    downsampling: int = 0
    workers: int = 1
    weights: LossWeights = field(default_factory=LossWeights)

    def validate(self) -> VolumeTrainingConfig:
        """Return self, or raise InputError naming the bad value."""
        self.check()
        if self.preset not in PRESETS:
            raise InputError(f"preset is {self.preset!r}; expected one of {', '.join(PRESETS)}.")
        if unknown := sorted(set(self.frozen) - set(PARTS)):
            raise InputError(f"frozen names {', '.join(unknown)}; expected some of {', '.join(PARTS)}.")
        return self


class VolumeTrainer(Trainer):
    """The state of one run on frames of clips: networks, and the discriminator of their renders."""

    config: VolumeTrainingConfig
    least_rate = 0.005  # 2e-4 -> 1e-6

    def __init__(
        self,
        clips: list[FaceFrames],
        config: VolumeTrainingConfig,
        perceptual: Perceptual,
        descriptor: IdentityDescriptor | None,
        accelerator: Accelerator | None = None,
        strength: Float[Tensor, " mesh"] | None = None,
    ) -> None:
        """clips: to train on. strength: how much a standard deviation of each number of the mesh face model's dynamics
        shows; None: all alike. Raises InputError for a config that cannot be run, and where a loss that needs an
        identity descriptor has a weight but there is none."""
        weights = config.validate().weights
        if descriptor is None and (weights.face or weights.cross_identity):
            raise InputError(
                "The face and cross_identity losses need an identity descriptor; expected --identity dlib or arcface, "
                "or none to train without both."
            )
        accelerator = accelerator or accelerator_of(config.bf16)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            networks = _channels_last(VolumeNetworks(PRESETS[config.preset]))
            discriminator = _channels_last(MultiScaleDiscriminator(config.discriminator_width))
            graph = VolumeGraph(networks, weights, clips[0].dynamics.shape[1])
            for name in config.frozen:
                (graph.adapter if name == "adapter" else networks.get_submodule(name)).requires_grad_(False)
        dynamics = torch.from_numpy(np.concatenate([clip.dynamics for clip in clips]))
        graph.adapter.mean.copy_(dynamics.mean(0))
        strength = torch.ones(dynamics.shape[1]) if strength is None else strength
        spread = dynamics.std(0).clamp(min=MIN_SPREAD)
        graph.adapter.scale.copy_(spread * strength.norm() / strength)  # all of it together then is 1 in size
        self.graph: Any = accelerator.prepare(graph)
        self.discriminator: Any = accelerator.prepare(discriminator)
        self.plain_graph: VolumeGraph = accelerator.unwrap_model(self.graph)
        self.plain_discriminator: MultiScaleDiscriminator = accelerator.unwrap_model(self.discriminator)
        modules = {"graph": self.plain_graph, "discriminator": self.plain_discriminator}
        rate, decay = config.learning_rate, config.weight_decay
        optimisers = {n: torch.optim.AdamW(m.parameters(), rate, BETAS, weight_decay=decay) for n, m in modules.items()}
        super().__init__(config, accelerator, modules, optimisers)
        vgg = DownsampledPerceptual(perceptual, config.downsampling).to(accelerator.device)
        self.criteria = Criteria(weights, vgg, descriptor, None)
        self.clips = clips
        self._batches: Iterator[FaceBatch] | None = None

    @property
    def networks(self) -> VolumeNetworks:
        return self.plain_graph.networks

    @property
    def forced_share(self) -> float:
        """Share of teacher forcing at this step: all at first, when z_dyn cannot be read off pictures yet."""
        done = (self.progress - FORCED_UNTIL) / (FORCED_LESS - FORCED_UNTIL)
        return 1 - (1 - self.config.teacher_forcing) * min(max(done, 0.0), 1.0)

    def batches(self) -> Iterator[FaceBatch]:
        """This process's part of every batch from the present step on."""
        share = self.part_size * self.config.accumulate
        first = share * self.accelerator.process_index
        part = slice(first, first + share)
        batches = FaceBatches(self.clips, self.config.batch, self.config.seed, self.step, part)
        return iter(DataLoader(batches, batch_size=None, num_workers=self.config.workers))

    def learn(self) -> dict[str, Tensor]:
        """One step of networks and discriminator; returns this process's share of the batch's mean losses."""
        config, accelerator = self.config, self.accelerator
        if self._batches is None:
            self._batches = self.batches()
        batch = next(self._batches)
        adversarial = config.weights.adversarial > 0 and self.step >= config.discriminator_from
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        self.graph.train()
        totals: dict[str, Tensor] = {}
        for number in range(config.accumulate):
            part = batch.part(slice(number * self.part_size, (number + 1) * self.part_size)).to(accelerator.device)
            with self.micro_batch(self.graph, number):
                losses, painted = self._networks_backward(part, adversarial, number)
            if adversarial:
                with self.micro_batch(self.discriminator, number):
                    losses["discriminator"] = self._discriminator_backward(painted, part)
            for name, loss in losses.items():
                share = loss.detach() / (config.accumulate * accelerator.num_processes)
                totals[name] = totals.get(name, torch.zeros((), device=share.device)) + share
        accelerator.clip_grad_norm_(self.graph.parameters(), 1.0)
        self.optimisers["graph"].step()
        if adversarial:
            self.optimisers["discriminator"].step()
        return totals

    def trial(self, count: int) -> dict[str, Tensor]:
        """Losses of some examples, with all that a backward pass needs. Not shared by processes, who would then expect
        the warp pretraining to be shared as well."""
        example = FaceBatches(self.clips, max(2, self.config.batch), self.config.seed, part=slice(count)).batch(0)
        example = example.to(self.accelerator.device)
        with self.accelerator.autocast():
            return self.criteria.losses(self.plain_graph(example, self.forced_share), example)

    def start_from(self, path: Path) -> None:
        """Take networks, discriminator and averages over from another run's state, at step 0 of this one."""
        self.take_over(load_tensors(path)[0])

    def averaged(self) -> VolumeGraph:
        """A copy of the networks and of z_dyn's teacher with the averaged weights, for use."""
        return self.average.copy_of(self.plain_graph)

    def _networks_backward(self, part: FaceBatch, adversarial: bool, number: int) -> tuple[dict[str, Tensor], Tensor]:
        criteria = self.criteria
        if adversarial:
            self.plain_discriminator.requires_grad_(False)
            criteria = replace(criteria, discriminator=self.plain_discriminator)
        with torch.random.fork_rng(devices=[]), self.accelerator.autocast():
            torch.manual_seed((self.config.seed + 1) * 1_000_003 + self.step * 1_009 + number)  # of dropout
            renders = self.graph(part, self.forced_share)
            losses = criteria.losses(renders, part)
            total = self.config.weights.total(losses)
        self.accelerator.backward(total / self.config.accumulate)
        self.plain_discriminator.requires_grad_(True)
        return {**losses, "total": total}, over_grey(renders.driven.detach())

    def _discriminator_backward(self, painted: Tensor, part: FaceBatch) -> Tensor:
        with self.accelerator.autocast():
            verdicts = self.discriminator(torch.cat([part.driving.image, painted]))
        count = len(painted)
        real, fake = ([Verdict(v.score[s], []) for v in verdicts] for s in (slice(count), slice(count, None)))
        loss = discriminator_loss(real, fake)
        self.accelerator.backward(loss / self.config.accumulate)
        return loss


def _channels_last(module: Module) -> Module:
    """The module with its 2D convolutions' weights laid out as they are fastest."""
    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
    return module
