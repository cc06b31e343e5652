"""What one training step of the volume face model draws, and what is asked of it (VASA-1, section 3.1).

i: the source, j: the driving frame (same clip), k: a frame of somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vasa_core.face.volume.networks import MotionCode, VolumeNetworks
from vasa_core.training.face_batches import FaceBatch
from vasa_core.training.losses.adversarial import Verdict, adversarial_loss, feature_matching_loss
from vasa_core.training.losses.canonical import canonical_loss
from vasa_core.training.losses.cross_identity import cross_identity_loss
from vasa_core.training.losses.identity_perceptual import IdentityDescriptor, identity_perceptual_loss
from vasa_core.training.losses.motion_descriptor import motion_cycle_loss
from vasa_core.training.losses.perceptual import ShiftTolerantVgg16
from vasa_core.training.losses.pixel import alpha_loss, over_grey, pixel_loss
from vasa_core.training.losses.regions import GAZE, SPEECH, region_loss
from vasa_core.training.losses.transfer import transfer_loss
from vasa_core.training.losses.weights import LossWeights

Render = Float[Tensor, "b 4 size size"]


class Renders(NamedTuple):
    """driven: i moved as j. posed: j with the pose of i; animated: i with the dynamics of j: the same picture, if pose
    and dynamics are told apart. crossed: i moved as k. canonical: the volumes of i and j. poses: read from i and j.
    dynamics: of j and k; reread: read again from `driven` and `crossed`. probed: the mesh face model's dynamics of i
    and j, in standard deviations, as read off z_dyn by one matrix. None: not asked for."""

    driven: Render
    posed: Render | None
    animated: Render | None
    crossed: Render | None
    canonical: tuple[Tensor, Tensor] | None
    poses: tuple[Tensor, Tensor]
    probed: tuple[Tensor, Tensor]
    dynamics: tuple[Tensor, Tensor] | None
    reread: tuple[Tensor, Tensor] | None


class FaceGraph(nn.Module):
    """The networks with everything that one step draws as one forward pass, as distributed training wants it.

    A matrix, of use in training alone, reads the mesh face model's dynamics off z_dyn: so it learns early what moves.
    """

    def __init__(self, networks: VolumeNetworks, weights: LossWeights, mesh_dynamics: int) -> None:
        """mesh_dynamics: how many numbers the mesh face model's dynamics are."""
        super().__init__()
        self.networks = networks
        self.probe = nn.Linear(networks.config.dynamics, mesh_dynamics)
        self.pairs = weights.transfer > 0 or weights.canonical > 0
        self.crosses = weights.cross_identity > 0 or weights.cosine > 0

    def forward(self, batch: FaceBatch) -> Renders:
        """Head pose in the warps is the label's, as MegaPortraits' pose network is trained beforehand and frozen; the
        model's own head-pose encoder learns to read it."""
        nets, (i, j, k) = self.networks, batch
        poses = nets.head_pose(i.seen), nets.head_pose(j.seen)
        source = MotionCode(i.pose, nets.dynamics(i.moved))
        driver = MotionCode(j.pose, nets.dynamics(j.moved))
        identity = nets.identity_code(i.image)
        canonical = nets.canonical(nets.appearance_volume(i.image), identity, source)
        driven = nets.render(canonical, identity, driver)
        posed = animated = crossed = volumes = dynamics = reread = None
        if self.pairs:
            own = nets.identity_code(j.image)
            driving = nets.canonical(nets.appearance_volume(j.image), own, driver)
            volumes = canonical, driving
            mixed = MotionCode(i.pose, driver.dynamics)
            posed = nets.render(driving, own, mixed)
            animated = nets.render(canonical, identity, mixed)
        if self.crosses:
            stranger = MotionCode(k.pose, nets.dynamics(k.moved))
            crossed = nets.render(canonical, identity, stranger)
            dynamics = driver.dynamics, stranger.dynamics
            reread = nets.dynamics(over_grey(driven)), nets.dynamics(over_grey(crossed))
        probed = self.probe(source.dynamics).float(), self.probe(driver.dynamics).float()
        return Renders(driven, posed, animated, crossed, volumes, poses, probed, dynamics, reread)


@dataclass(frozen=True)
class Criteria:
    """What renders are judged by. spread: standard deviations of the mesh face model's dynamics. judge: None before the
    discriminator takes part."""

    weights: LossWeights
    perceptual: ShiftTolerantVgg16
    descriptor: IdentityDescriptor | None
    spread: Float[Tensor, " mesh"]
    judge: Callable[[Tensor], list[Verdict]] | None

    def losses(self, renders: Renders, batch: FaceBatch) -> dict[str, Float[Tensor, ""]]:
        """Each loss that has a weight, unweighted, as a mean over examples: parts of a batch make up the whole."""
        i, j, _ = batch
        weights, painted = self.weights, over_grey(renders.driven)
        found = {
            "pixel": pixel_loss(painted, j.image, j.matte),
            "alpha": alpha_loss(renders.driven[:, 3:], j.matte),
            "perceptual": self.perceptual(painted, j.image),
            "probe": F.smooth_l1_loss(torch.cat(renders.probed), torch.cat([i.dynamics, j.dynamics]) / self.spread),
            "head_pose": F.l1_loss(torch.cat(renders.poses).float(), torch.cat([i.pose, j.pose])),
        }
        if weights.gaze:
            found["gaze"] = region_loss(painted, j.image, j.landmarks, GAZE)
        if weights.speech:
            found["speech"] = region_loss(painted, j.image, j.landmarks, SPEECH)
        if renders.posed is not None and renders.animated is not None and weights.transfer:
            found["transfer"] = transfer_loss(renders.posed, renders.animated, None)
        if renders.canonical and weights.canonical:
            found["canonical"] = canonical_loss(*renders.canonical)
        if renders.dynamics and renders.reread and weights.cosine:
            (driver, stranger), (again, crossed) = renders.dynamics, renders.reread
            found["cosine"] = (
                motion_cycle_loss(again, driver, stranger[:, None])
                + motion_cycle_loss(crossed, stranger, driver[:, None])
            ) / 2
        return found | self._identity(renders, batch, painted) | self._adversarial(painted, j.image)

    def _identity(self, renders: Renders, batch: FaceBatch, painted: Tensor) -> dict[str, Tensor]:
        if self.descriptor is None:
            return {}
        i, j, k = batch
        found = {}
        if self.weights.face:
            found["face"] = identity_perceptual_loss(self.descriptor, painted, j.image, j.landmarks)
        if self.weights.cross_identity and renders.crossed is not None:
            crossed = over_grey(renders.crossed)
            found["cross_identity"] = cross_identity_loss(self.descriptor, crossed, k.landmarks, i.image, i.landmarks)
        return found

    def _adversarial(self, painted: Tensor, target: Tensor) -> dict[str, Tensor]:
        if self.judge is None:
            return {}
        fake = self.judge(painted)
        with torch.no_grad():
            real = self.judge(target)
        return {"adversarial": adversarial_loss(fake), "feature_matching": feature_matching_loss(fake, real)}
