"""Slimming of a painter: what is not needed goes, what is left makes up for the rest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import PatchConfig
from vasa_core.face.inpaint.network import Block, PatchNetwork
from vasa_core.training.renderer.data import Batch
from vasa_core.training.renderer.slim import TAPS, remaining, slimmed

PATCH = 32


def batches(count: int) -> list[Batch]:
    torch.manual_seed(3)
    rest = (torch.zeros(4, 3, 8, 8), torch.zeros(4, 478, 2), torch.zeros(4, 2, 3))
    return [
        Batch(
            torch.rand(4, 9, PATCH, PATCH) * 2 - 1,
            torch.rand(4, 4, PATCH, PATCH) * 2 - 1,
            torch.zeros(4, 3, PATCH, PATCH),
            torch.ones(4, 1, PATCH, PATCH),
            *rest,
        )
        for _ in range(count)
    ]


@torch.no_grad()
def output(network: PatchNetwork, batch: Batch) -> Tensor:
    return torch.cat(network(batch.x, network.source(batch.source)), 1)


def teacher_of(hidden: tuple[int, ...], needed: int | None = None) -> PatchNetwork:
    torch.manual_seed(0)
    network = PatchNetwork(PatchConfig(PATCH, (8, 16), hidden))
    with torch.no_grad():
        network.head.weight.mul_(10)
        for part in network.modules():
            if isinstance(part, Block):
                part.second.weight.mul_(5)
                if needed:
                    part.second.weight[:, needed:] = 0
    return network


def test_the_channel_without_use_goes_and_the_weights_are_found() -> None:
    torch.manual_seed(0)
    columns = torch.cat([torch.randn(500, 3 * TAPS), torch.ones(500, 1)], 1).double()
    truth = torch.randn(3 * TAPS + 1, 2).double()
    truth[TAPS : 2 * TAPS] = 0
    kept, weights = remaining(columns.mT @ columns, columns.mT @ columns @ truth, 3, 2)
    assert kept.tolist() == [0, 2]
    rows = [*range(TAPS), *range(2 * TAPS, 3 * TAPS + 1)]
    assert torch.allclose(weights[rows], truth[rows], atol=1e-3)


def test_channels_without_use_can_be_taken_without_a_trace() -> None:
    teacher = teacher_of((8, 16), needed=4)
    student = slimmed(teacher, PatchConfig(PATCH, (8, 16), (4, 4)), batches(4))
    test = batches(5)[-1]
    wanted = output(teacher, test)
    assert (output(student, test) - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_what_is_left_makes_up_for_what_is_taken() -> None:
    teacher, config = teacher_of(()), PatchConfig(PATCH, (8, 16), (6, 12), last=False)
    test = batches(5)[-1]
    student = slimmed(teacher, config, batches(4))
    wanted = output(teacher, test)
    cut = PatchNetwork(config)  # the same, but each block is only its first channels
    for name, value in cut.state_dict().items():
        value.copy_(teacher.state_dict()[name][tuple(slice(size) for size in value.shape)])
    assert (output(student, test) - wanted).abs().mean() < 0.7 * (output(cut, test) - wanted).abs().mean()


def test_a_student_of_other_widths_is_refused() -> None:
    with pytest.raises(InputError, match=r"widths \(8, 16\); expected 32 px with \(8, 8\)"):
        slimmed(teacher_of(()), PatchConfig(PATCH, (8, 8)), [])
