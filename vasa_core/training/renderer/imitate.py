"""A smaller painter that learns from a larger one: cut from it, then trained to paint as it does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.face.inpaint.network import PatchNetwork, blended, load_network
from vasa_core.training.engine.loop import Progress
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.renderer.data import Batch
from vasa_core.training.renderer.losses import change_loss, imitation_loss
from vasa_core.training.renderer.slim import check_slimming, slimmed
from vasa_core.training.renderer.train import (
    Batches,
    RendererTrainer,
    RendererTrainingConfig,
    known_network,
    run_renderer,
)

SLIMMING_BATCHES = 14  # that a smaller network is fitted to before its training
SLIM_HIDDEN = (16, 16, 24, 32)  # channels within the blocks of a network cut from a teacher, which has no second at 1/2


def imitate_renderer(
    network: str,
    teacher: Path,
    data: list[Path],
    out: Path,
    cache: Path,
    minutes: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train the network of a region to paint the train clips of `data` as a larger one does (distillation, Hinton et
    al. 2015), whatever the videos show there; all else is as in `train_renderer`.

    teacher: checkpoint of the larger network, which the smaller one is cut from (`slimmed`). Raises InputError if they
    differ in more than hidden channels.
    """
    slim = replace(known_network(network), hidden=SLIM_HIDDEN, last=False)
    config, larger = RendererTrainingConfig(network=slim, minutes=minutes, seed=seed), load_network(teacher)
    check_slimming(larger.config, slim)

    def trainer(batches: Batches) -> RendererTrainer:
        return ImitationTrainer(config, batches, Perceptual(resolve("perceptual")), larger)

    def begin(trainer: RendererTrainer) -> None:
        some = list(itertools.islice(trainer.make_batches(0), SLIMMING_BATCHES))
        trainer.start_from(slimmed(larger, config.network, some))

    return run_renderer(network, data, out, cache, config, (trainer, begin), progress)


class ImitationTrainer(RendererTrainer):
    """A run in which the network learns to paint as a larger one does, whatever the videos show."""

    def __init__(
        self,
        config: RendererTrainingConfig,
        batches: Batches,
        perceptual: Perceptual,
        teacher: PatchNetwork,
    ) -> None:
        """teacher: the larger network. Raises InputError if it paints another patch."""
        super().__init__(config, batches, perceptual)
        if teacher.config.patch != config.network.patch:
            raise InputError(f"teacher paints {teacher.config.patch} px; expected {config.network.patch}.")
        teacher = teacher.eval().requires_grad_(False).to(self.accelerator.device)
        self.teacher = teacher.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def learn(self) -> dict[str, Tensor]:
        """One step of the network; returns the losses."""
        batch = self.next_batch()
        losses = self.losses(batch, *self.paint(batch))
        self.update(losses)
        return losses

    def losses(self, batch: Batch, painted: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The imitation's weighted losses by name."""
        config = self.config
        with torch.no_grad(), self.accelerator.autocast():
            change, share = self.teacher(batch.x, self.teacher.source(batch.source))
        taught = blended(batch.x, change, share) * batch.judged + batch.truth * (1 - batch.judged)
        found = {"imitation": config.pixel_weight * imitation_loss(painted, taught, batch.x)}
        if config.consecutive:
            follow = slice(0, 2 * config.consecutive)
            found["change"] = config.change_weight * change_loss(painted[follow], taught[follow], batch.x[follow])
        return found
