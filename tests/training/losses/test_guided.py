"""The loss that guides learned warps by landmarks: known answers, and what counts."""

from __future__ import annotations

import pytest
import torch

from vasa_core.face.topology import EYES, LIPS_INNER, LIPS_OUTER
from vasa_core.training.losses.guided import LIDS_WEIGHT, LIPS_WEIGHT, guided_loss, torn_loss

CHEEK, LIP, LID = 50, 13, EYES[0].upper[0]
LIPS, LIDS = len({*LIPS_INNER, *LIPS_OUTER}), len({point for eye in EYES for point in eye.contour})
TOTAL = 478 - LIPS - LIDS + LIPS_WEIGHT * LIPS + LIDS_WEIGHT * LIDS


def test_it_is_the_root_mean_square_of_each_face() -> None:
    astray = torch.zeros(2, 478, 3)
    astray[0] = 0.3
    astray[1, CHEEK, 0] = 0.5
    expected = (0.3 + (0.25 / 3 / TOTAL) ** 0.5) / 2
    assert guided_loss(astray).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("point", "weight"), [(LIP, LIPS_WEIGHT), (LID, LIDS_WEIGHT), (CHEEK, 1.0)])
def test_lips_and_lids_count_more(point: int, weight: float) -> None:
    astray = torch.zeros(1, 478, 3)
    astray[0, point, 1] = 1
    assert guided_loss(astray).item() == pytest.approx((weight / 3 / TOTAL) ** 0.5, rel=1e-3)


def test_the_farthest_counts_the_most_and_nothing_gives_nothing() -> None:
    astray = torch.zeros(1, 478, 3)
    astray[0, CHEEK, 0], astray[0, CHEEK + 1, 0] = 0.2, 0.1
    astray.requires_grad_(True)
    guided_loss(astray).backward()
    assert astray.grad is not None
    first, second, third = astray.grad[0, CHEEK : CHEEK + 3, 0].tolist()
    assert first == pytest.approx(2 * second) and third == 0
    right = torch.zeros(1, 478, 3, requires_grad=True)
    loss = guided_loss(right)
    loss.backward()
    assert loss < 1e-3 and right.grad is not None and torch.isfinite(right.grad).all()


def test_steps_at_the_sides_count_and_what_is_inside_does_not() -> None:
    offsets = torch.zeros(2, 3, 4, 8, 8)
    offsets[:, :, :, 1:-1, 1:-1] = 0.7
    assert torn_loss(offsets) == 0
    offsets[:, :, :, :, 0] = -0.2  # the left side, and an end of top and bottom
    assert torn_loss(offsets).item() == pytest.approx((0.2 + 2 * 0.2 / 8) / 4, rel=1e-5)
    front = torch.zeros(1, 3, 4, 8, 8)
    front[:, :, 0, 1:-1, 1:-1] = 0.3  # faces move there
    assert torn_loss(front) == 0
