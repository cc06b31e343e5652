"""A turned head's far side is taken from its mirror image, and drawn only when it comes to face the camera."""

from __future__ import annotations

import numpy as np

from vasa_core.face.mesh.far_side import facing, mesh_source
from vasa_core.face.mesh.head_shell import RADII, ring_vertices
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.pose import rotation_matrix
from vasa_core.face.topology import FACE_OVAL, N_FACE


def _seen(model: MeshFaceModel, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks and rings of the mean face turned by `yaw` degrees, px."""
    face = 200 * model.basis.mean @ rotation_matrix(np.radians([0.0, yaw, 0.0])).T + [256, 256, 0]
    return face, ring_vertices(face)


def _source(model: MeshFaceModel, yaw: float):
    face, rings = _seen(model, yaw)
    return mesh_source(face, rings, model.triangles, model.basis.mirror_index, np.radians(yaw), np.array([5.0, 5.0]))


def test_a_face_from_the_front_is_its_own_source(model: MeshFaceModel) -> None:
    source = _source(model, 5)
    assert len(source.hidden) == 0
    assert source.triangles is model.triangles
    assert len(source.points) == N_FACE + len(RADII) * len(FACE_OVAL)


def test_what_a_turned_head_hides_is_not_drawn_as_it_stands(model: MeshFaceModel) -> None:
    source, (face, rings) = _source(model, 50), _seen(model, 50)
    assert len(source.hidden) > 20
    vertices, drawn = source.drawn(face, rings)
    assert len(drawn) == len(source.triangles) - len(source.hidden)
    assert len(vertices) == len(source.points)


def test_a_head_that_turns_back_shows_its_mirror_image(model: MeshFaceModel) -> None:
    source, (face, rings) = _source(model, 50), _seen(model, 0)
    _, drawn = source.drawn(face, rings)
    assert len(drawn) >= len(source.triangles) - 2  # but for what is edge-on
    whole = facing(source.points, model.triangles)
    for index in source.hidden[:10]:
        original, taken = model.triangles[index], source.triangles[index]
        mirrored = model.basis.mirror_index[original]
        assert np.allclose(source.points[taken], source.points[mirrored])
        assert whole[index] > 0  # it faced away in the photo
