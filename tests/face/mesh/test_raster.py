"""The backward flow: identity, occlusion, and agreement of the CPU and the torch version."""

import numpy as np
import torch

from vasa_core.face.mesh.raster import backward_flow, identity_flow
from vasa_core.face.mesh.raster_torch import backward_flow_torch

SIZE = (48, 64)
SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def _quad(x0: float, y0: float, x1: float, y1: float, depth: float) -> np.ndarray:
    return np.array([[x0, y0, depth], [x1, y0, depth], [x1, y1, depth], [x0, y1, depth]], np.float64)


def test_a_mesh_that_did_not_move_shows_the_photo_itself() -> None:
    quad = _quad(0, 0, 63, 47, 1)
    flow, covered = backward_flow(quad, quad[:, :2], SQUARE, SIZE)
    assert covered.all()
    np.testing.assert_allclose(flow, identity_flow(SIZE), atol=1e-4)


def test_a_shifted_mesh_reads_from_where_it_was() -> None:
    quad = _quad(10, 10, 40, 40, 1)
    flow, covered = backward_flow(quad + [5, -3, 0], quad[:, :2], SQUARE, SIZE)
    assert covered[10:36, 16:44].all()
    assert not covered[:6].any()
    np.testing.assert_allclose(flow[20, 30], [25, 23], atol=1e-4)
    np.testing.assert_allclose(flow[0, 0], [0, 0])


def test_the_nearer_surface_wins_whatever_the_order() -> None:
    near, far = _quad(10, 10, 50, 40, -1), _quad(0, 0, 63, 47, 1)
    vertices = np.concatenate([far, near])
    source = np.concatenate([np.zeros((4, 2)), np.full((4, 2), 7.0)])
    for triangles in (np.concatenate([SQUARE, SQUARE + 4]), np.concatenate([SQUARE + 4, SQUARE])):
        flow, _ = backward_flow(vertices, source, triangles, SIZE)
        np.testing.assert_allclose(flow[25, 30], [7, 7], atol=1e-5)
        np.testing.assert_allclose(flow[5, 5], [0, 0], atol=1e-5)


def test_torch_and_numba_agree_on_a_crumpled_mesh() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:9, 0:9]
    source = np.stack([x.ravel() * 7.0, y.ravel() * 5.5], 1)
    vertices = np.concatenate([source + rng.normal(0, 3, source.shape), rng.normal(size=(81, 1))], 1)
    cells = np.array([[r * 9 + c for c in range(8)] for r in range(8)]).ravel()
    triangles = np.concatenate(
        [np.stack([cells, cells + 1, cells + 9], 1), np.stack([cells + 1, cells + 10, cells + 9], 1)]
    )
    triangles = triangles.astype(np.int32)
    flow, covered = backward_flow(vertices, source, triangles, SIZE)
    moved, still, corners = (torch.tensor(v) for v in (vertices, source, triangles))
    other, other_covered = backward_flow_torch(moved, still, corners, SIZE)
    assert np.array_equal(covered, other_covered.numpy())
    np.testing.assert_allclose(flow, other.numpy(), atol=1e-3)


def test_uncovered_pixels_keep_the_flow_behind_and_nothing_is_drawn_outside_the_box() -> None:
    quad = _quad(10, 10, 40, 40, 1)
    behind = (identity_flow(SIZE) * 0.5 + 3).astype(np.float32)
    flow, covered = backward_flow(quad + [5, -3, 0], quad[:, :2], SQUARE, SIZE, behind, (20, 12, 30, 25))
    inside = np.zeros(SIZE, bool)
    inside[12:25, 20:30] = True
    assert np.array_equal(covered, inside)
    assert np.array_equal(flow[~inside], behind[~inside])
    full, _ = backward_flow(quad + [5, -3, 0], quad[:, :2], SQUARE, SIZE, behind)
    np.testing.assert_allclose(flow[inside], full[inside])
    moved, still, corners, rest = (torch.tensor(v) for v in (quad + [5, -3, 0], quad[:, :2], SQUARE, behind))
    other, _ = backward_flow_torch(moved, still, corners, SIZE, rest)
    np.testing.assert_allclose(other.numpy(), full, atol=1e-3)


def test_degenerate_triangles_draw_nothing() -> None:
    line = np.array([[5, 5, 0], [20, 20, 0], [35, 35, 0]], float)
    _, covered = backward_flow(line, line[:, :2], np.array([[0, 1, 2]], np.int32), SIZE)
    _, other = backward_flow_torch(torch.tensor(line), torch.tensor(line[:, :2]), torch.tensor([[0, 1, 2]]), SIZE)
    assert not covered.any()
    assert not other.any()
