"""The loss on the face alone: what it looks at, and that it follows the head."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from vasa_core.training.losses.picture import close_up_loss

UPRIGHT = torch.tensor([[0, 0, 0, 0, 0, log(3.0)]])  # a face a third of the picture wide


def l1(painted: Tensor, target: Tensor) -> Tensor:
    return (painted - target).abs().mean()


def test_it_sees_the_face_and_nothing_else() -> None:
    target = torch.zeros(1, 3, 64, 64)
    away = target.clone()
    away[..., :10, :] = 1  # hair
    face = target.clone()
    face[..., 36:40, 30:34] = 1
    assert close_up_loss(l1, away, target, UPRIGHT) == 0
    assert close_up_loss(l1, face, target, UPRIGHT) > 0


def test_it_follows_the_head_and_gives_the_picture_a_gradient() -> None:
    painted = torch.zeros(1, 3, 64, 64)
    painted[..., 36:40, :8] = 1  # where the face is once the head has moved to the left
    moved = UPRIGHT + torch.tensor([[0, 0, 0, -1.2, 0, 0]])
    assert close_up_loss(l1, painted, torch.zeros(1, 3, 64, 64), UPRIGHT) == 0
    painted.requires_grad_(True)
    loss = close_up_loss(l1, painted, torch.zeros(1, 3, 64, 64), moved)
    loss.backward()
    assert loss > 0
    assert painted.grad is not None
    assert painted.grad[..., :8].abs().sum() > 0
