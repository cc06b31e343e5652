"""The rings around a face: what moves with the head, and what with the breath."""

import numpy as np

from vasa_core.face.mesh.head_shell import build_skull
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.pose import fit_similarity
from vasa_core.face.topology import CHIN, FACE_OVAL, STABLE
from vasa_core.types import Motion

NOSE = 1  # its tip


def test_shoulders_rise_with_the_breath_and_head_and_border_do_not(model: MeshFaceModel, ready: Portrait) -> None:
    stable = list(STABLE)
    similarity = fit_similarity(ready.identity.neutral[stable], ready.landmarks[None, stable])
    skull = build_skull(ready.landmarks, similarity, layered=True)
    own, size = ready.motion.pose, ready.photo.shape[:2]
    moved = [
        skull.moved(Motion(own, ready.motion.dynamics, breath), own[0], size, ready.depth_offset)[0]
        for breath in (None, np.array([0.01]))
    ]
    risen = moved[0][:, 1] - moved[1][:, 1]
    width = size[0] * np.exp(-own[0, 5])
    border = np.arange(len(risen)) >= len(risen) - len(FACE_OVAL)
    low = (skull.photo[:, 1] > ready.landmarks[CHIN, 1] + 0.5 * width) & ~border
    assert low.any()
    np.testing.assert_allclose(risen[low], 0.01 * width)
    assert np.abs(risen[border]).max() == 0
    head = skull.photo[:, 1] < ready.landmarks[NOSE, 1]
    assert np.abs(risen[head]).max() == 0


def test_nothing_moves_on_the_photos_border(model: MeshFaceModel, ready: Portrait) -> None:
    stable = list(STABLE)
    similarity = fit_similarity(ready.identity.neutral[stable], ready.landmarks[None, stable])
    top = float(ready.landmarks[FACE_OVAL[0], 1]) - 20  # cut at the hair
    free = build_skull(ready.landmarks, similarity, layered=True)
    skull = build_skull(ready.landmarks, similarity, layered=True, border=(-300.0, top, 900.0, 900.0))
    assert (skull.photo[:, 1] >= top).all()
    on_border = skull.photo[:, 1] == top
    assert on_border.sum() > 10
    assert (skull.weights[on_border] == 0).all()
    far = free.photo[:, 1] > top + 0.5 * ready.photo.shape[0]
    assert np.array_equal(skull.weights[far], free.weights[far])
