"""The rigid warps against the project's pose: the same rotation, the same pixels, and an exact inverse."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from vasa_core.face import pose as numpy_pose
from vasa_core.face.volume.rigid import (
    FACE_CENTRE,
    FACE_REACH,
    face_square,
    identity_grid,
    rotation_matrix,
    sample,
    to_canonical,
    to_canonical_above_neck,
    to_posed,
    to_posed_above_neck,
)

REACH = 1.5
REST = [0.0, 0.0, 0.0, 0.0, 0.0, log(2 * REACH)]
SHAPE = (16, 32, 32)


def poses(count: int) -> Tensor:
    spread = torch.tensor([0.4, 0.6, 0.4, 0.15, 0.15, 0.2])
    noise = torch.rand(count, 6, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return torch.tensor(REST) + spread * noise


def forward_grid(pose: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Where each posed voxel lies in the canonical cube."""
    return to_canonical(identity_grid(len(pose), shape, pose.device), pose, REACH)


def inverse_grid(pose: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Where each canonical voxel lies in the posed cube."""
    return to_posed(identity_grid(len(pose), shape, pose.device), pose, REACH)


def test_rotation_is_the_numpy_one() -> None:
    angles = poses(20)[:, :3]
    expected = numpy_pose.rotation_matrix(angles.double().numpy())
    np.testing.assert_allclose(rotation_matrix(angles).numpy(), expected, atol=1e-6)


def test_the_resting_pose_is_the_identity() -> None:
    rest = torch.tensor([REST])
    identity = identity_grid(1, SHAPE, torch.device("cpu"))
    torch.testing.assert_close(forward_grid(rest, SHAPE), identity)
    torch.testing.assert_close(inverse_grid(rest, SHAPE), identity)
    volume = torch.rand(1, 3, *SHAPE)
    torch.testing.assert_close(sample(volume, identity), volume, atol=1e-5, rtol=0.0)


def test_points_go_where_project_puts_them() -> None:
    pose = poses(6)
    points = torch.rand(6, 10, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = to_posed(points, pose, REACH)
    expected = numpy_pose.project((points * REACH).double().numpy(), pose.double().numpy(), (200, 200))
    np.testing.assert_allclose((found[..., :2].numpy() + 1) * 100, expected[..., :2], atol=1e-3)
    np.testing.assert_allclose(found[..., 2].numpy() * 100, expected[..., 2], atol=1e-3)


def test_the_directions_are_inverse() -> None:
    pose = poses(6)
    points = torch.rand(6, 4, 5, 3) * 2 - 1
    torch.testing.assert_close(to_canonical(to_posed(points, pose, REACH), pose, REACH), points, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(to_posed(to_canonical(points, pose, REACH), pose, REACH), points, atol=1e-5, rtol=0.0)


def test_the_head_turns_and_the_body_stays() -> None:
    pose = poses(6)
    places = torch.rand(6, 200, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1
    head = places * torch.tensor([0.3, 0.5, 0.3])
    torch.testing.assert_close(to_posed_above_neck(head, pose, REACH), to_posed(head, pose, REACH))
    body = places * torch.tensor([1.0, 0.05, 0.3]) + torch.tensor([0, 0.95, 0])
    found = to_posed_above_neck(body, pose, REACH)
    assert torch.equal(found, to_posed_above_neck(body, pose.flip(0), REACH))
    assert not torch.allclose(found, to_posed(body, pose, REACH), atol=0.05)


def test_the_head_alone_is_taken_back_again() -> None:
    pose = poses(6) * torch.tensor([0.4, 0.4, 0.4, 1, 1, 1]) - torch.tensor([0, 0, 0, 0, 0.3, 0])
    grid = identity_grid(6, SHAPE, pose.device) * torch.tensor([1, 1, 0.3])
    back = to_posed_above_neck(to_canonical_above_neck(grid, pose, REACH), pose, REACH)
    off = (back - grid).norm(dim=-1)
    assert off.median() < 1e-5
    assert off.mean() < 0.02
    above = (grid[..., 1] < -0.2) & (grid[..., 0].abs() < 0.4)
    assert off[above].max() < 1e-5


def test_posing_and_unposing_a_volume_gives_it_back_inside() -> None:
    pose = poses(2)
    away = identity_grid(2, SHAPE, pose.device) - torch.tensor([0.2, -0.1, 0.1])
    ball = torch.exp(-away.square().sum(-1) / 0.2)[:, None]
    there = sample(ball, forward_grid(pose, SHAPE))
    back = sample(there, inverse_grid(pose, SHAPE))
    inside = ball > 0.3
    assert (there - ball).abs().max() > 0.2
    assert (back - ball)[inside].abs().max() < 0.06


@pytest.mark.parametrize("seed", range(4))
def test_a_bright_voxel_appears_where_project_puts_it(seed: int) -> None:
    """A voxel at a canonical point, posed, is brightest at the pixel of that point, within half a voxel."""
    shape = (32, 64, 64)
    pose = poses(4)[seed : seed + 1]
    generator = torch.Generator().manual_seed(seed)
    index = [int(torch.randint(n // 3, 2 * n // 3, (), generator=generator)) for n in shape]
    volume = torch.zeros(1, 1, *shape)
    volume[0, 0, index[0], index[1], index[2]] = 1
    point = identity_grid(1, shape, torch.device("cpu"))[0, index[0], index[1], index[2]] * REACH
    seen = sample(volume, forward_grid(pose, shape))[0, 0].sum(0)  # (64, 64), depth added up
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    found = [float((axis * seen).sum() / seen.sum()) for axis in (columns, rows)]
    expected = numpy_pose.project(point[None, None].double().numpy(), pose.double().numpy(), (64, 64))[0, 0, :2]
    assert seen.sum() > 0.2
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_grids_are_exact_under_autocast() -> None:
    pose = poses(2)
    exact = forward_grid(pose, SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(forward_grid(pose, SHAPE), exact)


def test_gradient_reaches_the_pose() -> None:
    pose = poses(1).requires_grad_()
    sample(torch.rand(1, 1, *SHAPE), forward_grid(pose, SHAPE)).square().sum().backward()
    assert pose.grad is not None
    assert (pose.grad != 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_face_is_brought_upright_and_to_one_size(seed: int) -> None:
    """Dots on the face, drawn where `project` puts them, lie at the same places of the square whatever the pose."""
    rng = np.random.default_rng(seed)
    side, square = 256, 64
    pose = np.array(REST) + rng.uniform(-1, 1, 6) * [0, 0, 0.5, 0.2, 0.2, 0.2]  # turned in the picture's plane alone
    for across, down in ((0.0, 0.0), (0.3, -0.4), (-0.5, 0.2)):
        x, y = numpy_pose.project(np.array([[FACE_CENTRE]]) + [across, down, 0], pose[None], (side, side))[0, 0, :2]
        rows, columns = np.mgrid[:side, :side] + 0.5
        dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
        image = torch.from_numpy(dot).float().expand(1, 3, side, side)
        found = face_square(image, torch.from_numpy(pose[None]).float(), square)[0, 0]
        weight = found / found.sum()
        axis = torch.arange(square) + 0.5
        expected = square * (0.5 + np.array([across, down]) / (2 * FACE_REACH))
        assert (weight.sum(0) * axis).sum().item() == pytest.approx(expected[0], abs=0.3)
        assert (weight.sum(1) * axis).sum().item() == pytest.approx(expected[1], abs=0.3)
