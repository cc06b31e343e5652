"""Parts that a photo does not show are not painted, and a hidden eye stays as it is while the other moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vasa_core.face.basis import GAZE, LIDS
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.topology import EYES
from vasa_core.types import LEFT_EYE, PARTS, RIGHT_EYE, Motion, TrackedImage


def _blink_aside(own: Motion) -> Motion:
    """One frame of the photo's own pose, lids half shut, gaze aside."""
    dynamics = own.dynamics.copy()
    dynamics[:, LIDS] -= 0.6
    dynamics[:, GAZE] += [0.2, 0.0]
    return replace(own, dynamics=dynamics)


def _change(tracked: TrackedImage, frame: np.ndarray, eye: int) -> float:
    """Mean difference from the photo in the square of one eye, grey levels."""
    corners = tracked.landmarks[list(EYES[eye].corners), :2]
    (x, y), half = corners.mean(0), np.linalg.norm(corners[0] - corners[1]) / 2
    rows, columns = slice(int(y - half), int(y + half)), slice(int(x - half), int(x + half))
    return float(np.abs(frame[rows, columns].astype(float) - tracked.image[rows, columns]).mean())


@pytest.mark.parametrize(("hidden", "eye"), [(LEFT_EYE, 0), (RIGHT_EYE, 1)])
def test_a_hidden_eye_stays_while_the_other_blinks(
    model: MeshFaceModel, tracked: TrackedImage, hidden: str, eye: int
) -> None:
    portrait = model.encode_portrait(tracked, hidden=(hidden,))
    [frame] = model.decode(portrait, _blink_aside(portrait.motion))
    assert _change(tracked, frame, eye) < 2.5
    assert _change(tracked, frame, 1 - eye) > 8


def test_what_is_hidden_is_what_is_not_painted(model: MeshFaceModel, tracked: TrackedImage) -> None:
    for part in PARTS:
        painted = model.encode_portrait(tracked, hidden=(part,)).render.painted
        assert len(painted) == len(PARTS) - 1
    assert model.encode_portrait(tracked, hidden=PARTS).render.painted == ()
