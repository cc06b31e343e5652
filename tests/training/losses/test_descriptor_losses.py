"""Losses on descriptors and volumes: known answers, signs, and whom they train."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vasa_core.training.losses.identity import IdentityDescriptor, identity_loss
from vasa_core.training.losses.latent import canonical_loss, motion_cycle_loss

SIDE = 8


class LinearDescriptor:
    """Mean colour of a face's left half and of its right half, the half being told by landmark 0."""

    def __call__(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        left = (torch.arange(SIDE) < landmarks[:, 0, :1])[:, None, None].float()  # (b, 1, 1, w)
        sums = torch.cat([(faces * left).sum((2, 3)), (faces * (1 - left)).sum((2, 3))], 1)
        return sums / sums.norm(dim=1, keepdim=True)


def face(*colours: float) -> Tensor:
    """Left half of the first three, right half of the last three."""
    halves = torch.tensor(colours).reshape(1, 2, 3).permute(0, 2, 1)[:, :, None]
    return halves.repeat_interleave(SIDE // 2, 3).repeat_interleave(SIDE, 2).requires_grad_()


MIDDLE = torch.full((1, 478, 2), SIDE / 2)
RED, GREEN = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 1.0, 0.0)
NEARLY_RED = (1.0, 0.0, 0.0, 1.0, 0.5, 0.0)


def unit(degrees: float) -> Tensor:
    return torch.tensor([[math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]])


def reached(loss: Tensor, **inputs: Tensor) -> set[str]:
    loss.backward()
    return {name for name, x in inputs.items() if x.grad is not None and bool((x.grad != 0).any())}


def test_identity_loss_is_one_minus_cosine() -> None:
    def known(faces: Tensor, landmarks: Tensor) -> Tensor:
        return faces[:, :2, 0, 0]

    def turned(*degrees: float) -> Tensor:
        return torch.cat([torch.cat([unit(d), unit(0)[:, :1]], 1) for d in degrees])[:, :, None, None]

    for degrees, expected in ((0, 0), (60, 0.5), (90, 1), (180, 2)):
        loss = identity_loss(known, turned(degrees), MIDDLE, turned(0), MIDDLE)
        assert loss.item() == pytest.approx(expected, abs=1e-6)
    both = MIDDLE.repeat(2, 1, 1)
    assert identity_loss(known, turned(0, 90), both, turned(0, 0), both).item() == pytest.approx(0.5)


def test_identity_loss_compares_prediction_and_target() -> None:
    descriptor = LinearDescriptor()
    assert isinstance(descriptor, IdentityDescriptor)
    painted, target = face(*NEARLY_RED), face(*RED)
    loss = identity_loss(descriptor, painted, MIDDLE, target, MIDDLE)
    assert loss.item() == pytest.approx(1 - 2 / math.sqrt(2 * 2.25))
    assert reached(loss, painted=painted, target=target) == {"painted"}
    assert identity_loss(descriptor, target, MIDDLE, target, MIDDLE).item() == pytest.approx(0, abs=1e-6)


def test_cross_identity_keeps_the_source_not_the_driver() -> None:
    descriptor, source, driver = LinearDescriptor(), face(*RED), face(*GREEN)
    kept = identity_loss(descriptor, face(*RED), MIDDLE, source, MIDDLE)
    lost = identity_loss(descriptor, driver, MIDDLE, source, MIDDLE)
    assert kept.item() == pytest.approx(0, abs=1e-6)
    assert lost.item() == pytest.approx(1)
    painted = face(*NEARLY_RED)
    loss = identity_loss(descriptor, painted, MIDDLE, source, MIDDLE)
    assert reached(loss, painted=painted, source=source, driver=driver) == {"painted"}
    assert painted.grad is not None
    assert identity_loss(descriptor, painted - painted.grad, MIDDLE, source, MIDDLE) < loss


def test_cross_identity_reads_each_face_at_its_own_landmarks() -> None:
    descriptor = LinearDescriptor()
    narrow = torch.full((1, 478, 2), 2.0)
    halves, quarter = face(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), face(*GREEN).detach().clone()
    quarter[..., :2] = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    # Descriptors are (16 red | 48 green) at its own landmarks and (32 red | 32 green).
    cosine = (16 * 32 + 48 * 32) / (math.hypot(16, 48) * math.hypot(32, 32))
    loss = identity_loss(descriptor, quarter, narrow, halves, MIDDLE)
    assert loss.item() == pytest.approx(1 - cosine, abs=1e-6)
    swapped = identity_loss(descriptor, quarter, MIDDLE, halves, narrow)
    assert swapped.item() != pytest.approx(1 - cosine, abs=1e-3)


def test_motion_cycle_loss_known_answer() -> None:
    """A descriptor on its driver, and one at 60 degrees to it and 30 to the negative."""
    driver, other = torch.cat([unit(0), unit(0)]), torch.cat([unit(90), unit(90)])
    loss = motion_cycle_loss(torch.cat([unit(0), unit(60)]), driver, other[:, None])
    first = -math.log(math.exp(5 * 0.8) / (math.exp(5 * 0.8) + 1))
    second = -math.log(math.exp(5 * 0.3) / (math.exp(5 * 0.3) + math.exp(5 * math.cos(math.radians(30)))))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_motion_cycle_loss_counts_every_negative_and_no_length() -> None:
    one = motion_cycle_loss(unit(0), unit(0), unit(90)[:, None])
    three = motion_cycle_loss(3 * unit(0), 7 * unit(0), torch.stack([unit(90), 2 * unit(90), unit(-90)], 1))
    assert one.item() == pytest.approx(math.log(1 + math.exp(-4)), rel=1e-5)
    assert three.item() == pytest.approx(math.log(1 + 3 * math.exp(-4)), rel=1e-5)


def test_motion_cycle_loss_pulls_to_the_driver_and_away_from_others() -> None:
    def at(degrees: float) -> Tensor:
        return motion_cycle_loss(unit(degrees), unit(0), unit(120)[:, None])

    assert at(0) < at(30) < at(60) < at(90)
    assert at(-60) < at(60)


def test_motion_cycle_loss_trains_the_render_and_no_driver() -> None:
    inputs = {"found": unit(20), "driver": unit(0), "others": unit(90)[:, None]}
    inputs = {name: x.requires_grad_() for name, x in inputs.items()}
    assert reached(motion_cycle_loss(**inputs), **inputs) == {"found"}


def volume(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, len(values), 1, 1, 1).requires_grad_()


def test_canonical_loss_known_answers() -> None:
    assert canonical_loss(volume(1.0, 0.0), volume(5.0, 0.0)).item() == pytest.approx(0, abs=1e-6)
    assert canonical_loss(volume(1.0, 0.0), volume(1.0, 1.0)).item() == pytest.approx(1 - math.sqrt(0.5))
    assert canonical_loss(volume(1.0, 0.0), volume(-1.0, 0.0)).item() == pytest.approx(2)
    both = canonical_loss(torch.cat([volume(1.0, 0.0)] * 2), torch.cat([volume(1.0, 0.0), volume(0.0, 1.0)]))
    assert both.item() == pytest.approx(0.5)


def test_empty_volumes_are_no_way_out() -> None:
    first, second = volume(1.0, 0.2), volume(0.1, 1.0)
    loss = canonical_loss(first, second)
    assert reached(loss, first=first, second=second) == {"first", "second"}
    assert canonical_loss(0.01 * first, 0.01 * second).item() == pytest.approx(loss.item(), rel=1e-4)
    assert first.grad is not None
    assert (first.grad * first).sum().item() == pytest.approx(0, abs=1e-6)  # shrinking wins nothing
    zeros = torch.zeros(1, 2, 1, 1, 1)
    assert float(canonical_loss(zeros, zeros)) == 1
