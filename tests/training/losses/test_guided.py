"""The loss that guides learned warps by landmarks: known answers, and what counts."""

from __future__ import annotations

import pytest
import torch

from vasa_core.training.losses.guided import guided_loss


def test_it_is_the_root_mean_square_of_each_face() -> None:
    astray = torch.zeros(2, 5, 3)
    astray[0] = 0.3
    astray[1, 0, 0] = 0.5
    expected = (0.3 + (0.25 / 15) ** 0.5) / 2
    assert guided_loss(astray).item() == pytest.approx(expected, rel=1e-4)


def test_the_farthest_counts_the_most_and_nothing_gives_nothing() -> None:
    astray = torch.zeros(1, 3, 3)
    astray[0, 0, 0], astray[0, 1, 0] = 0.2, 0.1
    astray.requires_grad_(True)
    guided_loss(astray).backward()
    assert astray.grad is not None
    assert astray.grad[0, 0, 0] == pytest.approx(2 * float(astray.grad[0, 1, 0])) and astray.grad[0, 2].abs().max() == 0
    right = torch.zeros(1, 3, 3, requires_grad=True)
    loss = guided_loss(right)
    loss.backward()
    assert loss < 1e-3 and right.grad is not None and torch.isfinite(right.grad).all()
