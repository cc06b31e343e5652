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

from vasa_core.face.volume.adapter import AdapterConfig, DynamicsAdapter
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks
from vasa_core.training.losses.adversarial import Verdict, adversarial_loss, feature_matching_loss
from vasa_core.training.losses.guided import inside_mouth, unseen_loss, warp_loss
from vasa_core.training.losses.identity import IdentityDescriptor, identity_loss
from vasa_core.training.losses.latent import canonical_loss, motion_cycle_loss
from vasa_core.training.losses.perceptual import DownsampledPerceptual
from vasa_core.training.losses.picture import (
    GAZE,
    SPEECH,
    alpha_loss,
    close_up_loss,
    over_grey,
    region_loss,
    transfer_loss,
    weighted_l1,
)
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.volume.batches import FaceBatch, Views

Render = Float[Tensor, "b 4 size size"]


class Renders(NamedTuple):
    """driven: i moved as j. posed: j with the pose of i; animated: i with the dynamics of j: the same picture, if pose
    and dynamics are told apart. crossed: i moved as k. canonical: the volumes of i and j. poses: read from i and j (and
    k); labels: the landmarks' for them. read: z_dyn read from i and j (and k); taught: what its teacher makes of
    their dynamics. guided: how far off both warps, and one after the other, move landmarks, in face widths; offsets:
    those of both. unseen: how much points of j are inside the mouth, as found and as they are. dynamics: z_dyn that j
    and k were moved by; reread: read again from `driven` and `crossed`. None: not asked for."""

    driven: Render
    posed: Render | None
    animated: Render | None
    crossed: Render | None
    canonical: tuple[Tensor, Tensor] | None
    poses: Float[Tensor, "_frames 6"] | None
    labels: Float[Tensor, "_frames 6"]
    read: Float[Tensor, "_frames dynamics"]
    taught: Float[Tensor, "_frames dynamics"]
    guided: Float[Tensor, "_warps 478 3"]
    offsets: Float[Tensor, "_warps 3 z y x"]
    unseen: tuple[Tensor, Tensor] | None
    dynamics: tuple[Tensor, Tensor] | None
    reread: tuple[Tensor, Tensor] | None


class VolumeGraph(nn.Module):
    """The networks with everything that one step draws as one forward pass, as distributed training wants it.

    z_dyn has a teacher: an adapter makes it of the mesh face model's dynamics, which landmarks give exactly. The warps
    and the decoder are driven by it first, and so learn what moves from clean codes; E_dyn learns to read the same code
    from pictures, which then drive as well. The motion model's dynamics reach z_dyn by the same adapter.
    """

    def __init__(self, networks: VolumeNetworks, weights: LossWeights, mesh_dynamics: int) -> None:
        """mesh_dynamics: how many numbers the mesh face model's dynamics are."""
        super().__init__()
        self.networks = networks
        self.adapter = DynamicsAdapter(AdapterConfig(mesh_dynamics, networks.config.dynamics))
        self.poses = weights.head_pose > 0
        self.pairs = weights.transfer > 0 or weights.canonical > 0
        self.crosses = weights.cross_identity > 0 or weights.cosine > 0

    def forward(self, batch: FaceBatch, forced: float) -> Renders:
        """Head pose in the warps is the label's, as MegaPortraits' pose network is trained beforehand and frozen; the
        model's own head-pose encoder learns to read it. forced: share of examples that the teacher's z_dyn drives."""
        nets, (i, j, k) = self.networks, batch
        frames = (i, j, k) if self.crosses else (i, j)
        seen, aim, labels, dynamics, chance = (
            torch.cat([getattr(views, name) for views in frames])
            for name in ("seen", "aim", "pose", "dynamics", "chance")
        )
        poses = nets.head_pose(seen) if self.poses else None
        read, taught = nets.dynamics(seen, aim), self.adapter(dynamics).float()
        codes = torch.where(chance[:, None] < forced, taught, read).chunk(len(frames))
        source, driver, *strangers = (MotionCode(v.pose, code) for v, code in zip(frames, codes, strict=True))
        identity = nets.identity_code(i.image, i.pose)
        inward = nets.to_canonical(source.dynamics, identity)
        outward = nets.from_canonical(driver.dynamics, identity)
        canonical = nets.canonical(nets.appearance_volume(i.image), identity, source, inward)
        driven = nets.render(canonical, identity, driver, outward)
        guided, offsets = self.residual(inward, i, outward, j), torch.cat([inward, outward])
        unseen = self.unseen(driver.dynamics, identity, j)
        posed = animated = crossed = volumes = moved = reread = None
        if self.pairs:
            own = nets.identity_code(j.image, j.pose)
            driving = nets.canonical(nets.appearance_volume(j.image), own, driver)
            alike = slice(nets.config.channels)  # not where the photo's mouth is open, which is its own
            volumes = canonical[:, alike], driving[:, alike]
            mixed = MotionCode(i.pose, driver.dynamics)
            posed = nets.render(driving, own, mixed)
            animated = nets.render(canonical, identity, mixed)
        for stranger in strangers:
            crossed = nets.render(canonical, identity, stranger)
            moved = driver.dynamics, stranger.dynamics
            reread = nets.dynamics(over_grey(driven), j.pose), nets.dynamics(over_grey(crossed), k.pose)
        return Renders(
            driven,
            posed,
            animated,
            crossed,
            volumes,
            poses,
            labels,
            read,
            taught,
            guided,
            offsets,
            unseen,
            moved,
            reread,
        )

    def residual(
        self, inward: Float[Tensor, "b 3 z y x"], source: Views, outward: Float[Tensor, "b 3 z y x"], driver: Views
    ) -> Float[Tensor, "_warps 478 3"]:
        """How far the offsets of both warps, and of one after the other, are from moving each point of these faces as
        the mesh face model does, in face widths: `inward` those of the source, `outward` those of the driver, who is
        the same person."""
        # Canonical voxels fetch what is in the face as it is, and this fetches what is in the canonical face.
        posed, rest = self.moved(driver.shape, outward), self.moved(source.rest, inward)
        through = self.moved(posed, inward)
        return torch.cat([rest - source.shape, posed - driver.rest, through - source.shape])

    def moved(self, points: Float[Tensor, "b n 3"], offsets: Float[Tensor, "b 3 z y x"]) -> Float[Tensor, "b n 3"]:
        """Canonical points, in face widths, moved by a warp's offsets."""
        reach = self.networks.config.reach
        found = self.networks.values_at(offsets, (points / reach)[:, None, None])[:, 0, 0]  # (b, n, 3)
        return points + reach * found

    def unseen(
        self, dynamics: Float[Tensor, "b k"], identity: Float[Tensor, "b n"], driver: Views
    ) -> tuple[Float[Tensor, "b known"], Float[Tensor, "b known"]] | None:
        """How much points of the driver are inside the mouth, as found and as they are; None if nothing finds it."""
        nets = self.networks
        if nets.unseen is None:
            return None
        points, wanted = inside_mouth(driver.shape)
        shares = nets.unseen(dynamics, identity)
        return nets.values_at(shares, (points / nets.config.reach)[:, None, None])[:, 0, 0, :, 0], wanted


@dataclass(frozen=True)
class Criteria:
    """What renders are trained by. discriminator: None before it takes part."""

    weights: LossWeights
    perceptual: DownsampledPerceptual
    descriptor: IdentityDescriptor | None
    discriminator: Callable[[Tensor], list[Verdict]] | None

    def losses(self, renders: Renders, batch: FaceBatch) -> dict[str, Float[Tensor, ""]]:
        """Each loss that has a weight, unweighted, as a mean over examples: parts of a batch make up the whole."""
        j, weights, painted = batch.driving, self.weights, over_grey(renders.driven)
        found = {
            "pixel": weighted_l1(painted, j.image, j.matte),
            "alpha": alpha_loss(renders.driven[:, 3:], j.matte),
            "guided": warp_loss(renders.guided, renders.offsets),
            "teacher": F.smooth_l1_loss(renders.read, renders.taught.detach()),
        }
        if renders.unseen is not None:
            found["unseen"] = unseen_loss(*renders.unseen)
        if renders.poses is not None:
            found["head_pose"] = F.l1_loss(renders.poses.float(), renders.labels)
        if weights.perceptual:
            found["perceptual"] = self.perceptual(painted, j.image)
        if weights.close_up:
            found["close_up"] = close_up_loss(self.perceptual.undivided, painted, j.image, j.pose)
        if weights.gaze:
            found["gaze"] = region_loss(painted, j.image, j.landmarks, GAZE)
        if weights.speech:
            found["speech"] = region_loss(painted, j.image, j.landmarks, SPEECH)
        if renders.posed is not None and renders.animated is not None and weights.transfer:
            found["transfer"] = transfer_loss(renders.posed, renders.animated)
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
            found["face"] = identity_loss(self.descriptor, painted, j.landmarks, j.image, j.landmarks)
        if self.weights.cross_identity and renders.crossed is not None:
            crossed = over_grey(renders.crossed)
            found["cross_identity"] = identity_loss(self.descriptor, crossed, k.landmarks, i.image, i.landmarks)
        return found

    def _adversarial(self, painted: Tensor, target: Tensor) -> dict[str, Tensor]:
        if self.discriminator is None:
            return {}
        fake = self.discriminator(painted)
        with torch.no_grad():
            real = self.discriminator(target)
        return {"adversarial": adversarial_loss(fake), "feature_matching": feature_matching_loss(fake, real)}
