"""The halo of a portrait's frames: opacity as the layers say, and no figure for a head that stays."""

from pathlib import Path

import numpy as np
import pytest

from vasa_core.evaluation.renderer.halo import measure_halo, opacities
from vasa_core.face.mesh.model import MeshFaceModel, Portrait
from vasa_core.face.pose import SHIFT_X
from vasa_core.pipeline import Pipeline
from vasa_core.types import Motion


@pytest.fixture(scope="module")
def ready(pipeline: Pipeline, portrait: Path) -> tuple[MeshFaceModel, Portrait]:
    prepared = pipeline.prepare(portrait).portrait
    assert isinstance(pipeline.face, MeshFaceModel)
    assert isinstance(prepared, Portrait)
    return pipeline.face, prepared


def test_opacity_at_rest_is_the_persons(ready: tuple[MeshFaceModel, Portrait]) -> None:
    model, portrait = ready
    height, width = portrait.photo.shape[:2]
    margin = portrait.margin
    person = portrait.layers.person[margin : margin + height, margin : margin + width, 3] / 255
    found = opacities(model, portrait, portrait.motion)[0]
    assert np.abs(found - person).mean() < 0.01


def test_only_a_head_that_moves_has_a_halo(ready: tuple[MeshFaceModel, Portrait]) -> None:
    model, portrait = ready
    pose = portrait.motion.pose.repeat(2, 0)
    pose[1, SHIFT_X] += 0.3
    still, moved = measure_halo(model, portrait, Motion(pose, portrait.motion.dynamics.repeat(2, 0)))
    assert still is None
    assert moved is not None
    assert moved.outline < 1.2
