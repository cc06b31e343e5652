"""Labellers by name: what is refused, and that nothing is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from vasa_core.errors import InputError, MissingModelError
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.preprocess.labellers import open_labellers


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"gaze": "l2cs"}, "gaze is 'l2cs'; expected 'landmarks' or 'l2cs:FILE'"),
        ({"gaze": "l2cs:"}, "gaze is 'l2cs:'; expected"),
        ({"gaze": "deep3d:weights.pth"}, "gaze is 'deep3d:weights.pth'; expected 'landmarks' or 'l2cs:FILE'"),
        ({"distance": "l2cs:weights.pth"}, "distance is 'l2cs:weights.pth'; expected 'landmarks' or 'deep3d:FILE'"),
        ({"emotion": "landmarks"}, "emotion is 'landmarks'; expected 'fer' or 'hsemotion:FILE'"),
    ],
)
def test_unknown_names_are_refused(face: MeshFaceModel, choice: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_labellers(**choice, face=face)


def test_landmarks_need_a_face_model() -> None:
    with pytest.raises(InputError, match="gaze is 'landmarks' and no face model was given"):
        open_labellers()


@pytest.mark.parametrize(("condition", "backend"), [("gaze", "l2cs"), ("distance", "deep3d"), ("emotion", "hsemotion")])
def test_an_absent_file_is_never_replaced(face: MeshFaceModel, tmp_path: Path, condition: str, backend: str) -> None:
    with pytest.raises(MissingModelError, match="absent.file"):
        open_labellers(**{condition: f"{backend}:{tmp_path / 'absent.file'}"}, face=face)
