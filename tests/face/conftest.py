"""Fixtures of the face tests: the bundled checkpoints and the bundled portrait, tracked."""

from pathlib import Path

import pytest

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.io.image import read_image
from vasa_core.preprocess.framing import USUAL
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.types import TrackedImage


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """The bundled checkpoints."""
    return CHECKPOINTS


@pytest.fixture(scope="session")
def tracked(portrait: Path) -> TrackedImage:
    """The bundled portrait, cropped and tracked."""
    with Preprocessor(resolve("face_detector"), resolve("face_landmarker")) as preprocess:
        return preprocess(read_image(portrait), USUAL).tracked


@pytest.fixture(scope="session")
def model(checkpoints: Path) -> MeshFaceModel:
    return MeshFaceModel.load(checkpoints)


@pytest.fixture(scope="session")
def ready(model: MeshFaceModel, tracked: TrackedImage) -> Portrait:
    """The bundled portrait, ready to be animated, its person on a layer of its own."""
    matte = PersonMatte(resolve("person_mask"))(tracked.image, tracked.landmarks)
    return model.encode_portrait(tracked, matte=matte)
