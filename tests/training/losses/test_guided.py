"""The loss that guides learned warps by landmarks: known answers, and what counts."""

from __future__ import annotations

import pytest
import torch

from vasa_core.face.topology import EYES, LIP_PAIRS, LIPS_INNER, LIPS_OUTER
from vasa_core.training.losses.guided import (
    LIDS_WEIGHT,
    LIPS_WEIGHT,
    OPEN_LIPS,
    SMOOTH_WEIGHT,
    guided_loss,
    inside_mouth,
    rough_loss,
    torn_loss,
    unseen_loss,
    warp_loss,
)

CHEEK, LIP, LID = 50, 13, EYES[0].upper[0]
LIPS, LIDS = len({*LIPS_INNER, *LIPS_OUTER}), len({point for eye in EYES for point in eye.contour})
TOTAL = 478 - LIPS - LIDS + LIPS_WEIGHT * LIPS + LIDS_WEIGHT * LIDS


def test_it_is_the_root_mean_square_of_each_face() -> None:
    residual = torch.zeros(2, 478, 3)
    residual[0] = 0.3
    residual[1, CHEEK, 0] = 0.5
    expected = (0.3 + (0.25 / 3 / TOTAL) ** 0.5) / 2
    assert guided_loss(residual).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("point", "weight"), [(LIP, LIPS_WEIGHT), (LID, LIDS_WEIGHT), (CHEEK, 1.0)])
def test_lips_and_lids_count_more(point: int, weight: float) -> None:
    residual = torch.zeros(1, 478, 3)
    residual[0, point, 1] = 1
    assert guided_loss(residual).item() == pytest.approx((weight / 3 / TOTAL) ** 0.5, rel=1e-3)


def test_the_farthest_counts_the_most_and_nothing_gives_nothing() -> None:
    residual = torch.zeros(1, 478, 3)
    residual[0, CHEEK, 0], residual[0, CHEEK + 1, 0] = 0.2, 0.1
    residual.requires_grad_(True)
    guided_loss(residual).backward()
    assert residual.grad is not None
    first, second, third = residual.grad[0, CHEEK : CHEEK + 3, 0].tolist()
    assert first == pytest.approx(2 * second)
    assert third == 0
    right = torch.zeros(1, 478, 3, requires_grad=True)
    loss = guided_loss(right)
    loss.backward()
    assert loss < 1e-3
    assert right.grad is not None
    assert torch.isfinite(right.grad).all()


def test_steps_at_the_sides_count_and_what_is_inside_does_not() -> None:
    offsets = torch.zeros(2, 3, 4, 8, 8)
    offsets[:, :, :, 1:-1, 1:-1] = 0.7
    assert torn_loss(offsets) == 0
    offsets[:, :, :, :, 0] = -0.2  # the left side, and an end of top and bottom
    assert torn_loss(offsets).item() == pytest.approx((0.2 + 2 * 0.2 / 8) / 4, rel=1e-5)
    front = torch.zeros(1, 3, 4, 8, 8)
    front[:, :, 0, 1:-1, 1:-1] = 0.3  # faces move there
    assert torn_loss(front) == 0


def test_steps_between_voxels_are_rough() -> None:
    offsets = torch.full((2, 3, 4, 8, 8), 0.5)
    assert rough_loss(offsets) == 0
    offsets = 0.1 * torch.arange(8.0).expand(2, 3, 4, 8, 8)  # along x
    assert rough_loss(offsets).item() == pytest.approx(0.1)
    assert rough_loss(offsets + offsets.transpose(3, 4)).item() == pytest.approx(0.2)
    assert rough_loss(offsets.sign()).item() == pytest.approx(1 / 7)  # from 0 to 1, once in seven steps


def test_the_whole_is_the_sum_of_its_parts() -> None:
    residual, offsets = torch.randn(2, 478, 3), torch.randn(2, 3, 4, 8, 8)
    expected = guided_loss(residual) + torn_loss(offsets) + SMOOTH_WEIGHT * rough_loss(offsets)
    assert warp_loss(residual, offsets).item() == pytest.approx(expected.item())


def test_between_lips_is_inside_the_mouth_as_far_as_they_are_open() -> None:
    shape = torch.zeros(3, 478, 3)
    gaps = torch.tensor([-1.0, 0.25, 3.0]) * OPEN_LIPS  # crossed, little open, wide open
    shape[:, [lower for _, lower in LIP_PAIRS], 1] = gaps[:, None]
    points, wanted = inside_mouth(shape)
    inside = 3 * len(LIP_PAIRS)
    assert points.shape == (3, inside + 478 - len({*LIPS_INNER}), 3)
    assert wanted.shape == points.shape[:2]
    torch.testing.assert_close(wanted[:, :inside], torch.tensor([0, 0.25, 1])[:, None].expand(-1, inside))
    assert not wanted[:, inside:].any()
    torch.testing.assert_close(points[2, :inside, 1].unique(), gaps[2] * torch.tensor([0.25, 0.5, 0.75]))


def test_both_sides_of_the_lips_count_alike() -> None:
    _, wanted = inside_mouth(torch.zeros(2, 478, 3))
    inside, found = 3 * len(LIP_PAIRS), torch.zeros_like(wanted)
    assert unseen_loss(found, wanted) == 0
    found[:, :inside] = 0.5
    assert unseen_loss(found, wanted).item() == pytest.approx(0.25)
    assert unseen_loss(0.5 - found, wanted).item() == pytest.approx(0.25)
