"""How well the adapter knows what the facial-dynamics encoder sees: z_dyn of frames beside what their dynamics say.

Clip by clip, without the clip's mean: a person's own z_dyn, their looks and their landmarks' rest count for nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vasa_core.data.frames import FaceFrames
from vasa_core.face.basis import FaceBasis
from vasa_core.face.volume.adapter import DynamicsAdapter
from vasa_core.face.volume.model import person_over_grey
from vasa_core.face.volume.networks import VolumeNetworks


class Samples(NamedTuple):
    """Frames of clips: mesh dynamics, z_dyn and which clip."""

    inputs: Float[Tensor, "n inputs"]
    targets: Float[Tensor, "n outputs"]
    clip: Int[Tensor, " n"]


def strengths(basis: FaceBasis) -> Float[Tensor, " inputs"]:
    """How much each number of the mesh face model's dynamics shows, a standard deviation of it: 1 for gaze and lids,
    for the others how far they move the face against the one that moves it the most."""
    moves = np.sqrt(np.square(basis.dynamics).sum(-1).mean(-1))  # (components,)
    return torch.from_numpy(np.concatenate([np.ones(basis.dimensions - len(moves)), moves / moves.max()])).float()


def samples(networks: VolumeNetworks, clips: list[FaceFrames], most: int = 16) -> Samples:
    """z_dyn of at most `most` frames of each clip, evenly spread, as a portrait is seen: in its own colours."""
    device = next(networks.parameters()).device
    networks.eval()
    inputs, targets, numbers = [], [], []
    for number, clip in enumerate(clips):
        chosen = np.unique(np.linspace(0, len(clip) - 1, most).round().astype(int))
        for i in chosen:
            picture = person_over_grey(clip.frames[i], clip.mattes[i], networks.config.image)
            pose = torch.from_numpy(clip.pose[[i]]).float()
            with torch.inference_mode():
                targets.append(networks.dynamics(picture.to(device), pose.to(device)).cpu())
        inputs.append(torch.from_numpy(clip.dynamics[chosen]).float())
        numbers.append(torch.full((len(chosen),), number))
    return Samples(torch.cat(inputs), torch.cat(targets).clone(), torch.cat(numbers))


def explained(adapter: DynamicsAdapter, judged: Samples) -> float:
    """R2 within clips: 1 is all of z_dyn's movement, 0 as good as no movement."""
    with torch.no_grad():
        wanted = centred(judged.targets, judged.clip)
        missed = wanted - centred(adapter(judged.inputs.to(adapter.mean.device)).cpu(), judged.clip)
        return float(1 - missed.square().sum() / wanted.square().sum())


def centred(values: Float[Tensor, "n k"], clip: Int[Tensor, " n"]) -> Float[Tensor, "n k"]:
    """Values without their clip's mean."""
    count = torch.bincount(clip).clamp(min=1)[:, None]
    sums = torch.zeros(len(count), values.shape[1]).index_add(0, clip, values)
    return values - (sums / count)[clip]
