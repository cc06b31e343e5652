"""Warp pretraining: what needs no rendering, learned before anything is rendered, at a fraction of the cost.

The learned warps learn to move landmarks as the mesh face model's dynamics do, from z_dyn that their teacher makes of
these dynamics and from the identity code, which learns to tell where landmarks are; the facial-dynamics encoder learns
to read the same z_dyn off pictures. Rendering then begins with a face whose lips and lids move already, and needs to
learn how they look.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from vasa_core.training.engine.ema import Average, cosine_rate
from vasa_core.training.losses.guided import guided_loss, unseen_loss, warp_loss
from vasa_core.training.volume.batches import FaceBatches, Views
from vasa_core.training.volume.train import VolumeTrainer

RATE, LEAST_RATE, WARMUP = 2e-3, 0.02, 20
BETAS = (0.9, 0.99)


def pretrain_warps(trainer: VolumeTrainer, steps: int) -> list[float]:
    """Train both warps, the teacher and the encoders of what drives them for so many steps; returns each step's error
    of the warps, in face widths. Every process does the same, so that all go on alike."""
    graph = trainer.plain_graph.train()
    nets = graph.networks
    parts = (graph.adapter, nets.identity, nets.to_canonical, nets.from_canonical, nets.dynamics, nets.head_pose)
    parts += (nets.unseen,) if nets.unseen else ()
    parameters = [value for part in parts for value in part.parameters()]
    frozen = [value for value in parameters if not value.requires_grad]
    for value in frozen:
        value.requires_grad_(True)  # what is frozen keeps what it has learned here
    optimiser = torch.optim.AdamW(parameters, betas=BETAS)
    batches = FaceBatches(trainer.clips, trainer.config.batch, trainer.config.seed + 1)
    device, errors = trainer.accelerator.device, []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * cosine_rate(step, steps, WARMUP, LEAST_RATE)
        source, driving, other = batches.batch(step).to(device)
        frames = _joined(source, driving, other)
        drivers = _joined(driving, source, other)  # frames of the same people
        with torch.random.fork_rng(devices=[]), trainer.accelerator.autocast():
            torch.manual_seed(step)  # of dropout
            identity = nets.identity_code(frames.image, frames.pose)
            taught, read = graph.adapter(frames.dynamics).float(), nets.dynamics(frames.seen, frames.aim)
            inward = nets.to_canonical(taught, identity)
            outward = nets.from_canonical(graph.adapter(drivers.dynamics).float(), identity)
            residual = graph.residual(inward, frames, outward, drivers)
            losses = {
                "guided": warp_loss(residual, torch.cat([inward, outward])),
                "teacher": F.smooth_l1_loss(read, taught.detach()),
            }
            if unseen := graph.unseen(taught, identity, frames):
                losses["unseen"] = unseen_loss(*unseen)
            if graph.poses:
                losses["head_pose"] = F.l1_loss(nets.head_pose(frames.seen).float(), frames.pose)
            loss = trainer.config.weights.total(losses)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        errors.append(guided_loss(residual.detach()).item())
    for value in frozen:
        value.requires_grad_(False)
    trainer.average = Average(graph, trainer.config.average)
    return errors


def _joined(*parts: Views) -> Views:
    return Views(*(torch.cat(views) for views in zip(*parts, strict=True)))
