"""Fitting the adapter: what z_dyn of a frame is, up to what is the clip's own, from the mesh model's dynamics.

Regression with a constant for each clip: residuals are centred clip by clip, so that a person's own z_dyn, their looks
and their landmarks' rest count for nothing, and what is learned is how z_dyn moves with the face.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vasa_core.config import InputError
from vasa_core.face.volume.adapter import AdapterConfig, DynamicsAdapter
from vasa_core.face.volume.model import person_over_grey
from vasa_core.face.volume.networks import VolumeNetworks, load_volume, save_volume
from vasa_core.training.face_frames import FaceFrames

MOST_FRAMES = 3000  # in all: their z_dyn takes most of the time
HELD_OUT = 0.15  # share of people that the fit never sees
RIDGE = 1e-2  # of the inputs' variance
STEPS, RATE, DECAY = 300, 2e-3, 1e-2
CHECKED_EVERY = 10  # steps


class AdapterFit(NamedTuple):
    """A fitted adapter. r2: share of z_dyn's movement in held-out people's clips that it explains; linear_r2: the same
    of its linear part alone. Both over all of z_dyn, weighted by how much each number moves."""

    adapter: DynamicsAdapter
    r2: float
    linear_r2: float
    frames: int


class Samples(NamedTuple):
    """Frames of clips: mesh dynamics, z_dyn and which clip."""

    inputs: Float[Tensor, "n inputs"]
    targets: Float[Tensor, "n outputs"]
    clip: Int[Tensor, " n"]


def fit_adapter(networks: VolumeNetworks, clips: list[FaceFrames], seed: int = 0) -> AdapterFit:
    """Fit an adapter for the networks on the clips; some of the people are held out to judge it.

    Raises InputError if the clips show fewer than two people.
    """
    people = sorted({clip.speaker for clip in clips})
    if len(people) < 2:
        raise InputError(f"the clips show {len(people)} person; expected at least two people.")
    order = np.random.default_rng(seed).permutation(len(people))
    held_out = {people[index] for index in order[: max(1, round(HELD_OUT * len(people)))]}
    share = min(1.0, MOST_FRAMES / sum(len(clip) for clip in clips))
    fitted = samples(networks, [clip for clip in clips if clip.speaker not in held_out], share)
    judged = samples(networks, [clip for clip in clips if clip.speaker in held_out], share)
    return fit(fitted, judged, seed)


def add_adapter(folder: Path, clips: list[FaceFrames]) -> AdapterFit:
    """Fit an adapter for the networks of a checkpoint folder and write it beside them."""
    networks = load_volume(folder)
    found = fit_adapter(networks, clips)
    save_volume(folder, networks, found.adapter)
    return found


def samples(networks: VolumeNetworks, clips: list[FaceFrames], share: float = 1.0) -> Samples:
    """z_dyn of an even share of each clip's frames, as the photo of a portrait is seen: in its own colours."""
    device = next(networks.parameters()).device
    networks.eval()
    inputs, targets, numbers = [], [], []
    for number, clip in enumerate(clips):
        chosen = np.linspace(0, len(clip) - 1, min(len(clip), max(2, round(share * len(clip))))).round().astype(int)
        pictures = [person_over_grey(clip.frames[i], clip.mattes[i], networks.config.image) for i in chosen]
        with torch.inference_mode():
            targets.append(torch.cat([networks.dynamics(picture.to(device)).cpu() for picture in pictures]))
        inputs.append(torch.from_numpy(clip.dynamics[chosen]).float())
        numbers.append(torch.full((len(chosen),), number))
    return Samples(torch.cat(inputs), torch.cat(targets).clone(), torch.cat(numbers))


def fit(fitted: Samples, judged: Samples, seed: int = 0) -> AdapterFit:
    """A ridge regression, then the network on top of it, as it was where it explained the held-out people best."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapter = DynamicsAdapter(AdapterConfig(fitted.inputs.shape[1], fitted.targets.shape[1]))
    within = centred(fitted.inputs, fitted.clip)
    adapter.mean.copy_(fitted.inputs.mean(0))
    adapter.scale.copy_(within.std(0).clamp(min=1e-3))
    x, y = within / adapter.scale, centred(fitted.targets, fitted.clip)
    gram = x.T @ x + RIDGE * len(x) * torch.eye(x.shape[1])
    adapter.linear.weight.data = torch.linalg.solve(gram, x.T @ y).T.contiguous()
    best = linear = explained(adapter, judged)
    kept = {name: value.clone() for name, value in adapter.state_dict().items()}
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=RATE, weight_decay=DECAY)
    power = y.square().mean()
    for step in range(1, STEPS + 1):
        loss = (y - centred(adapter(fitted.inputs), fitted.clip)).square().mean() / power
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % CHECKED_EVERY == 0 and (found := explained(adapter, judged)) > best:
            best, kept = found, {name: value.clone() for name, value in adapter.state_dict().items()}
    adapter.load_state_dict(kept)
    return AdapterFit(adapter.eval(), best, linear, len(fitted.inputs) + len(judged.inputs))


def explained(adapter: DynamicsAdapter, judged: Samples) -> float:
    """R2 within clips: 1 is all of z_dyn's movement, 0 as good as no movement."""
    with torch.no_grad():
        wanted = centred(judged.targets, judged.clip)
        missed = wanted - centred(adapter(judged.inputs), judged.clip)
        return float(1 - missed.square().sum() / wanted.square().sum())


def centred(values: Float[Tensor, "n k"], clip: Int[Tensor, " n"]) -> Float[Tensor, "n k"]:
    """Values without their clip's mean."""
    count = torch.bincount(clip).clamp(min=1)[:, None]
    sums = torch.zeros(len(count), values.shape[1]).index_add(0, clip, values)
    return values - (sums / count)[clip]
