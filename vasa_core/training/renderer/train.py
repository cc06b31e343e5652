"""Train the renderer on pairs of frames of talking video: L1, VGG features, change over time, hinge patch GAN.

The losses are MegaPortraits' (Drobyshev et al. 2022, section 3.2) with feature matching, on the mouth or the eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vasa_core.assets import resolve
from vasa_core.data.clips import few_per_person, find_clips
from vasa_core.data.crops import FaceClip, load_clip
from vasa_core.data.descriptors import IdentityDescriptor, open_descriptor
from vasa_core.data.tracking import track_clips
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import PatchConfig
from vasa_core.face.inpaint.network import PatchNetwork, blended, load_network, save_network
from vasa_core.face.inpaint.regions import EYE_LEFT, MOUTH
from vasa_core.face.topology import canonical_mesh
from vasa_core.training.engine.accelerator import accelerator_of
from vasa_core.training.engine.ema import Average
from vasa_core.training.engine.loop import Progress, Snapshot, check_fits, run_training
from vasa_core.training.engine.trainer import Trainer, TrainingConfig
from vasa_core.training.losses.adversarial import adversarial_loss, discriminator_loss, feature_matching_loss
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.renderer.data import Batch, PairBatches
from vasa_core.training.renderer.held_out import contact_sheet, focus, scores, seen, validation_pairs
from vasa_core.training.renderer.losses import (
    OpeningDiscriminator,
    about_opening,
    change_loss,
    composed_identity_loss,
    gradient_penalty,
    inside_share,
    painting_cost,
    pixel_loss,
    told_apart,
)

if TYPE_CHECKING:
    from accelerate import Accelerator

Batches = Callable[[int], Iterable[Batch]]  # from a step on, without end
NETWORKS = {
    "mouth": PatchConfig(patch=MOUTH.patch, widths=(32, 64, 96, 128)),
    "eyes": PatchConfig(patch=EYE_LEFT.patch, widths=(24, 48, 64, 96)),
}


@dataclass(frozen=True, kw_only=True)
class RendererTrainingConfig(TrainingConfig):
    """One training run, of pairs. *_weight: of the losses.

    consecutive: pairs of frames of a batch that follow each other in time. perceptual_share: of a batch that the
    perceptual loss sees; it is the dearest of all. identity_examples: that the identity loss sees. discriminator_from:
    step from which the discriminator, which learns from the first, is listened to. penalty_weight: of its gradient
    penalty, made every penalty_every steps.
    """

    network: PatchConfig = PatchConfig()
    minutes: float | None = 60.0
    batch: int = 12
    consecutive: int = 2
    learning_rate: float = 4e-4
    discriminator_learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    discriminator_width: int = 32
    discriminator_from: int = 200
    penalty_weight: float = 0.1
    penalty_every: int = 16
    pixel_weight: float = 6.0
    perceptual_weight: float = 0.4
    perceptual_share: float = 0.5
    adversarial_weight: float = 0.2
    change_weight: float = 3.0
    matching_weight: float = 8.0
    painting_weight: float = 0.01
    identity_weight: float = 2.0
    identity_examples: int = 3
    average: float = 0.998
    frames_per_clip: int = 160
    clips_per_speaker: int = 8
    snapshot_minutes: float = 4.0


def train_renderer(
    network: str,
    data: list[Path],
    out: Path,
    cache: Path,
    minutes: float = 60.0,
    seed: int = 0,
    start: Path | None = None,
    identity: str = "dlib",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train the network of a region on the train clips of `data`, keep the one best on the val clips in `out`.

    network: "mouth" or "eyes". cache: folder of cached tracking and face crops, and of this run's state: the same call
    again goes on where the last one stopped, up to `minutes` of training in all. start: checkpoint to begin from, with
    the channels that it has. identity: of `open_descriptor`. Returns scores. Raises InputError for an unknown network,
    a start that paints another patch, or if there is no clip to train on.
    """
    known = known_network(network)
    begun = load_network(start) if start else None
    sizes = begun.config if begun else known
    if sizes.patch != known.patch:
        raise InputError(f"{start} paints {sizes.patch} px; expected {known.patch}.")
    config = RendererTrainingConfig(network=sizes, minutes=minutes, seed=seed)

    def trainer(batches: Batches) -> RendererTrainer:
        perceptual = Perceptual(resolve("perceptual"))
        return RendererTrainer(config, batches, perceptual, open_descriptor(identity))

    def begin(trainer: RendererTrainer) -> None:
        if begun:
            trainer.start_from(begun)

    return run_renderer(network, data, out, cache, config, (trainer, begin), progress)


def known_network(network: str) -> PatchConfig:
    """The sizes of a network trained from nothing. Raises InputError for an unknown one."""
    if network not in NETWORKS:
        raise InputError(f"network is {network!r}; expected one of {', '.join(NETWORKS)}.")
    return NETWORKS[network]


def run_renderer(
    network: str,
    data: list[Path],
    out: Path,
    cache: Path,
    config: RendererTrainingConfig,
    made: tuple[Callable[[Batches], RendererTrainer], Callable[[RendererTrainer], None]],
    progress: Progress | None,
) -> dict[str, float]:
    """One run, as `train_renderer` tells. made: what makes the trainer of batches, and what a new run begins with."""
    train, val = load_face_clips(data, cache, config)
    triangles = canonical_mesh(resolve("face_landmarker"))[1]

    def batches(first: int) -> Iterable[Batch]:
        cv2.setNumThreads(1)  # in a worker forked beside OpenCV's threads, OpenCV would wait for them for ever
        pairs = PairBatches(train, triangles, network, config.batch, config.consecutive, config.seed, first)
        return DataLoader(pairs, batch_size=None, num_workers=1, prefetch_factor=4)

    make, begin = made
    trainer = make(batches)
    check_fits(trainer)
    check, run = validation_pairs(val or train, triangles, network), cache / "runs" / out.name
    best = BestNetwork(trainer, check, out, run / "last")
    run_training(trainer, run, best, begin=lambda: begin(trainer), progress=progress)
    return best.found


def load_face_clips(
    data: list[Path], cache: Path, config: RendererTrainingConfig
) -> tuple[list[FaceClip], list[FaceClip]]:
    """Face crops of the train clips and the val clips of folders. Raises InputError if none can be trained on."""
    from tqdm import tqdm

    crops = cache / "faces"
    splits: list[list[FaceClip]] = []
    for split in ("train", "val"):
        found = [clip for folder in data for clip in find_clips(folder) if clip.split == split]
        clips = track_clips(few_per_person(found, config.clips_per_speaker), cache / "tracking")
        splits.append([load_clip(c, crops, config.frames_per_clip) for c in tqdm(clips, f"{split} faces")])
    train, val = splits
    known = {clip.speaker for clip in train}
    val = [clip for clip in val if clip.speaker not in known]
    if not any(clip.weight(MOUTH) > 0 for clip in train):
        places = ", ".join(map(str, data))
        raise InputError(f"{places}: no face whose lips move was found; expected a folder of videos of talking faces.")
    return train, val


class RendererTrainer(Trainer):
    """The state of one run on pairs: the network that paints, and the discriminator of openings."""

    config: RendererTrainingConfig

    def __init__(
        self,
        config: RendererTrainingConfig,
        batches: Batches,
        perceptual: Perceptual,
        descriptor: IdentityDescriptor | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        """descriptor: for the identity loss; without one there is none."""
        config.check()
        accelerator = accelerator or accelerator_of(config.bf16)
        device = accelerator.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            parts = PatchNetwork(config.network), OpeningDiscriminator(config.discriminator_width)
        self.network, self.discriminator = parts
        for part in parts:
            part.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        modules = {"network": self.network, "discriminator": self.discriminator}
        rates = (config.learning_rate, config.discriminator_learning_rate)
        optimisers = {
            name: torch.optim.AdamW(module.parameters(), rate, betas=(0.5, 0.99), weight_decay=config.weight_decay)
            for (name, module), rate in zip(modules.items(), rates, strict=True)
        }
        super().__init__(config, accelerator, modules, optimisers)
        if self.part_size != config.batch:
            raise InputError("the renderer takes its batches whole; expected one process and one part.")
        self.perceptual = perceptual.to(device)
        self.descriptor = descriptor.to(device) if descriptor else None
        self.facts["best"] = float("inf")
        self.make_batches = batches
        self._batches: Iterator[Batch] | None = None

    @property
    def rate(self) -> float:
        """Share of the learning rates at the step to come: up, then down in a line."""
        return min(1.0, (self.step + 1) / self.config.warmup) * max(0.05, 1 - self.progress)

    def learn(self) -> dict[str, Tensor]:
        """One step of both networks; returns the losses."""
        batch = self.next_batch()
        painted, weight = self.paint(batch)
        verdict = self.discriminator_step(painted.detach(), batch.truth, batch.x)
        losses = self.losses(batch, painted, weight)
        self.update(losses)
        return losses | verdict

    def next_batch(self) -> Batch:
        """The batch of this step."""
        if self._batches is None:
            self._batches = iter(self.make_batches(self.step))
        return next(self._batches).to(self.accelerator.device)

    def update(self, losses: dict[str, Tensor]) -> None:
        """Move the network down the sum of its losses."""
        self.optimisers["network"].zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimisers["network"].step()

    def trial(self, count: int) -> dict[str, Tensor]:
        """Losses of `count` examples of the first batch, with all that a backward pass needs."""
        batch = Batch(*(tensor[:count] for tensor in next(iter(self.make_batches(0))))).to(self.accelerator.device)
        return self.losses(batch, *self.paint(batch))

    def paint(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Painted patches, the truth where the mesh does not reach, and blend weights."""
        with self.accelerator.autocast():
            change, weight = self.network(batch.x, self.network.source(batch.source))
        return blended(batch.x, change, weight) * batch.judged + batch.truth * (1 - batch.judged), weight

    def losses(self, batch: Batch, painted: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The painter's weighted losses by name."""
        config, x, truth = self.config, batch.x, batch.truth
        found = {
            "pixel": config.pixel_weight * pixel_loss(painted, truth, x),
            "painting": config.painting_weight * painting_cost(weight, x),
        }
        if config.consecutive:
            follow = slice(0, 2 * config.consecutive)
            found["change"] = config.change_weight * change_loss(painted[follow], truth[follow], x[follow])
        with self.accelerator.autocast():
            some = slice(None, None, max(1, round(1 / config.perceptual_share)))
            shrunk = (seen(image[some], config.network.patch) for image in (focus(painted), focus(truth)))
            found["perceptual"] = config.perceptual_weight * self.perceptual(*shrunk)
            if self.step >= config.discriminator_from:
                near_x, near_painted, near_truth = about_opening(x, x, painted, truth)
                self.discriminator.requires_grad_(False)
                real, fake = (self.discriminator(image, near_x) for image in (near_truth, near_painted))
                self.discriminator.requires_grad_(True)
                share = inside_share(near_x, fake.score)
                found["adversarial"] = config.adversarial_weight * adversarial_loss([fake], share)
                found["feature_matching"] = config.matching_weight * feature_matching_loss([fake], [real])
        if self.descriptor:
            some = slice(0, config.identity_examples)
            faces = batch.face[some], batch.points[some], batch.place[some]
            shown = composed_identity_loss(self.descriptor, painted[some], truth[some], *faces)
            found["identity"] = config.identity_weight * shown
        return found

    def discriminator_step(self, painted: Tensor, truth: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One step of the discriminator alone: its hinge loss (2 at chance), and the share of the open mouths or eyes
        that it takes for what they are."""
        config = self.config
        near_x, near_painted, near_truth = about_opening(x, x, painted, truth)
        with self.accelerator.autocast():
            real, fake = (self.discriminator(image, near_x) for image in (near_truth, near_painted))
        share = inside_share(near_x, real.score)
        loss = total = discriminator_loss([real], [fake], share)
        if self.step % config.penalty_every == 0:
            penalty = gradient_penalty(self.discriminator, near_truth, near_x)
            total = loss + config.penalty_every * config.penalty_weight / 2 * penalty
        self.optimisers["discriminator"].zero_grad()
        total.backward()
        self.optimisers["discriminator"].step()
        known = told_apart(real.score.detach(), fake.score.detach(), share)
        return {"discriminator": loss.detach(), "discriminator_right": known}

    def start_from(self, network: PatchNetwork) -> None:
        """Take over a network's weights. Raises InputError if it has other sizes."""
        if network.config != self.config.network:
            raise InputError(f"the network to start from is of {network.config}; expected {self.config.network}.")
        self.network.load_state_dict(network.state_dict())
        self.average = Average(self.network, self.config.average)


class BestNetwork:
    """Keeps the averaged network of the last snapshot, and the one of the best so far.

    The best by what is seen about the opening: over the whole patch, skin that only the warp moves decides.
    """

    def __init__(self, trainer: RendererTrainer, check: list[Batch], best: Path, last: Path) -> None:
        """check: held-out pairs."""
        self.trainer, self.best, self.last = trainer, best, last
        self.check = [batch.to(trainer.accelerator.device) for batch in check]
        self.found: dict[str, float] = {}  # scores of the last snapshot

    def __call__(self) -> Snapshot:
        """Score the averaged network, and keep it."""
        trainer = self.trainer
        network = trainer.average.copy_of(trainer.network)
        self.found = scores(network, trainer.perceptual, self.check)
        self.keep(network, self.found["inner_perceptual_painted"])
        return Snapshot(self.found, {"pairs": contact_sheet(network, self.check)})

    def keep(self, network: PatchNetwork, distance: float) -> None:
        """Write the network as the last, and as the best if its distance is the least so far."""
        save_network(self.last, network)
        if distance < self.trainer.facts["best"]:
            self.trainer.facts["best"] = distance
            save_network(self.best, network)
