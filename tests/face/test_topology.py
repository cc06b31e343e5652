"""The mesh's topology, read from the landmarker's own file."""

import numpy as np

from vasa_core.assets import resolve
from vasa_core.face.topology import (
    CHEEK_LEFT,
    CHEEK_RIGHT,
    FACE_OVAL,
    canonical_mesh,
    ring_triangles,
)


def test_canonical_mesh_is_the_landmarker_s_own() -> None:
    vertices, triangles = canonical_mesh(resolve("face_landmarker"))
    assert vertices.shape == (468, 3)
    assert triangles.shape == (898, 3)
    assert set(triangles.ravel()) == set(range(468))
    assert np.linalg.norm(vertices[CHEEK_LEFT] - vertices[CHEEK_RIGHT]) == 1
    assert vertices[CHEEK_LEFT, 0] < 0 < vertices[CHEEK_RIGHT, 0]  # x right
    assert vertices[152, 1] > vertices[10, 1]  # y down: the chin is below the forehead
    assert vertices[4, 2] < vertices[CHEEK_LEFT, 2]  # z away: the nose is nearest


def test_the_mesh_is_a_disc_without_holes() -> None:
    _, face = canonical_mesh(resolve("face_landmarker"))
    edges = np.sort(face[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2  # no edge in three triangles
    assert (counts == 1).sum() == len(FACE_OVAL)  # the oval is the only border


def test_rings_close_around_the_oval() -> None:
    triangles = ring_triangles(468, 4)
    assert len(triangles) == 4 * 2 * len(FACE_OVAL)
    assert set(triangles.ravel()) == set(FACE_OVAL) | set(range(468, 468 + 4 * len(FACE_OVAL)))
