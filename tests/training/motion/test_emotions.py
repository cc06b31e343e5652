"""Expressions of emotions: symmetric, as asked, lips left alone; and a checkpoint that gets them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.assets import CHECKPOINTS
from vasa_core.checkpoint import load_checkpoint, save_checkpoint
from vasa_core.errors import InputError
from vasa_core.face.basis import FaceBasis
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.motion.model import MotionModel
from vasa_core.options import EMOTION_CHOICES, EMOTIONS
from vasa_core.training.motion.emotions import ACTIONS, POINTS, emotion_rests, likeliest_expression, write_emotions


@pytest.fixture(scope="module")
def basis() -> FaceBasis:
    return load_basis(CHECKPOINTS / "mesh")[0]


def moved(basis: FaceBasis, emotion: str) -> np.ndarray:
    return np.tensordot(emotion_rests(basis)[EMOTIONS.index(emotion), 2:], basis.dynamics, 1)  # (478, 3)


@pytest.mark.parametrize("emotion", EMOTION_CHOICES)
def test_an_emotion_is_symmetric_and_leaves_the_lips_gaps(basis: FaceBasis, emotion: str) -> None:
    shift = moved(basis, emotion)
    np.testing.assert_allclose(shift[basis.mirror_index] * [-1, 1, 1], shift, atol=0.002)
    assert np.abs(lip_gaps(shift)).max() < 0.002  # face widths; lips read as closed below 0.012


@pytest.mark.parametrize("emotion", EMOTION_CHOICES)
def test_points_go_where_the_actions_take_them(basis: FaceBasis, emotion: str) -> None:
    shift = moved(basis, emotion)
    for name, (_, down) in ACTIONS[emotion].pulls.items():
        assert shift[list(POINTS[name]), 1].mean() == pytest.approx(down, abs=0.012), name


def test_the_brows_and_mouth_tell_the_emotions_apart(basis: FaceBasis) -> None:
    inner, corner = list(POINTS["inner brow"]), list(POINTS["lip corner"])
    down = {name: moved(basis, name)[:, 1] for name in EMOTION_CHOICES}
    assert down["happiness"][corner].mean() < -0.03
    assert down["sadness"][corner].mean() > 0.02
    assert down["anger"][inner].mean() > 0.03
    assert down["surprise"][inner].mean() < -0.03
    outer = list(POINTS["outer brow"])
    assert down["sadness"][outer].mean() > 0 > down["surprise"][outer].mean()  # oblique brows against raised ones


def test_neutral_adds_nothing_and_lids_are_shares(basis: FaceBasis) -> None:
    rests = emotion_rests(basis)
    assert not rests[[EMOTIONS.index("neutral"), EMOTIONS.index("disgust")]].any()
    for name, actions in ACTIONS.items():
        assert rests[EMOTIONS.index(name), :2] == pytest.approx([actions.lids - 1] * 2)


def test_the_likeliest_expression_moves_no_more_than_it_must(basis: FaceBasis) -> None:
    """Of a basis whose first direction alone moves a point, that direction alone is used, by the asked amount."""
    dynamics = np.zeros((3, 478, 3))
    for point in POINTS["cheek"]:
        dynamics[0, [point, basis.mirror_index[point]], 1] = 0.1
    dynamics[1, POINTS["chin"], 1] = 0.1
    dynamics[2, :, 2] = 0.1
    found = likeliest_expression(replace(basis, dynamics=dynamics), {"cheek": (None, 0.05)})
    assert found == pytest.approx([0.5, 0, 0], abs=1e-3)


def test_a_checkpoint_gets_the_emotions_and_keeps_its_weights(basis: FaceBasis, tmp_path: Path) -> None:
    before = load_checkpoint(CHECKPOINTS / "motion")
    old = {**before.tensors, "emotion_rest": torch.zeros(7, len(basis.dynamics))}  # as it was before lids counted
    save_checkpoint(tmp_path, before.config, old)
    reach = write_emotions(tmp_path, CHECKPOINTS / "mesh")
    model = MotionModel.load(tmp_path)
    np.testing.assert_allclose(model.emotion_rest.numpy(), emotion_rests(basis), rtol=1e-3, atol=1e-3)
    assert set(reach) == set(ACTIONS)
    assert all(0.02 < value < 0.12 for value in reach.values())
    after = load_checkpoint(tmp_path)
    assert all(torch.equal(after.tensors[name], v) for name, v in before.tensors.items() if name != "emotion_rest")


def test_a_motion_model_of_another_face_is_an_error(basis: FaceBasis, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(CHECKPOINTS / "motion")
    save_checkpoint(tmp_path, {**checkpoint.config, "motion_channels": 20}, checkpoint.tensors)
    with pytest.raises(InputError, match="20 channels of motion; expected 42"):
        write_emotions(tmp_path, CHECKPOINTS / "mesh")
