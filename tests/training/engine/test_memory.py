"""Memory of a training: a known answer, and the refusal to start what cannot fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vasa_core.errors import InputError
from vasa_core.training.engine.memory import MemoryNeed, available_memory, check_memory, gigabytes, memory_needed

CPU = torch.device("cpu")


def test_memory_known_answer() -> None:
    network = nn.Sequential(nn.Linear(100, 50, bias=False), nn.Sigmoid(), nn.Linear(50, 1, bias=False))
    network[2].requires_grad_(False)

    def forward(count: int) -> torch.Tensor:
        return network(torch.zeros(count, 100)).sum()

    need = memory_needed([network], forward, batch=8, averaged=False)
    assert need.weights == 4 * (5000 + 50)
    assert need.moments == 3 * 4 * 5000
    assert need.saved == 8 * 4 * (100 + 50)  # the first layer's input, and the sigmoid's output; weights are there
    assert memory_needed([network], forward, batch=8).weights == 2 * need.weights


def test_what_is_not_per_example_counts_once() -> None:
    network, other = nn.Linear(10, 10, bias=False), torch.ones(1000, 1, requires_grad=True)

    def forward(count: int) -> torch.Tensor:
        return network(torch.zeros(count, 10)).sum() + (other * other.detach().clone()).sum()

    assert memory_needed([network], forward, batch=5).saved == 5 * 4 * 10 + 4 * 1000


def test_too_little_memory_is_an_error_that_helps() -> None:
    free = available_memory(CPU)
    check_memory(MemoryNeed(10 * free, 0, free // 2), CPU, 8)  # weights are in place already
    with pytest.raises(InputError, match=r"8 examples .* GiB .*smaller --batch, or a larger --accumulate") as error:
        check_memory(MemoryNeed(0, free, free), CPU, 8)
    assert gigabytes(MemoryNeed(0, free, free).total) in str(error.value)
