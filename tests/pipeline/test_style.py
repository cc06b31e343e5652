"""Style from a sample, on the bundled basis and motion model."""

import numpy as np
import pytest

from vasa_core.assets import CHECKPOINTS
from vasa_core.face.basis import FaceBasis
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import EXPRESSION, from_model
from vasa_core.motion.style import Style
from vasa_core.pipeline.style import style_of

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def basis() -> FaceBasis:
    return load_basis(CHECKPOINTS / "mesh")[0]


@pytest.fixture(scope="module")
def bundled() -> MotionModel:
    return MotionModel.load(CHECKPOINTS / "motion")


def usual(model: MotionModel, frames: int = 200) -> np.ndarray:
    """Motion as the people of the training data have it."""
    mean, spread = model.motion_mean.numpy(), model.motion_std.numpy()
    x = mean + spread * RNG.normal(size=(frames, len(mean)))
    x[:, :6] -= np.median(x[:, :6], 0)
    return x


def test_everybody_s_usual_motion_has_no_style_of_its_own(basis: FaceBasis, bundled: MotionModel) -> None:
    style = style_of(from_model(usual(bundled), np.zeros(6)), basis, bundled)
    assert np.abs(style.rest).max() < 0.4
    np.testing.assert_allclose(style.head, 1, atol=0.15)


def test_a_smile_that_stays_and_a_head_that_nods_are_found_and_leave_the_lips(
    basis: FaceBasis, bundled: MotionModel
) -> None:
    x = usual(bundled)
    smile = np.zeros(x.shape[1] - EXPRESSION.start)
    smile[2] = 1.5
    x[:, EXPRESSION] += smile
    x[:, 0] *= 3
    style = style_of(from_model(x, np.zeros(6)), basis, bundled)
    assert style.rest @ smile > 0.3 * smile @ smile
    assert style.head[0] > 1.5 > 1 > style.head[1]
    assert np.exp(np.log(style.head).mean()) == pytest.approx(1)
    moved = lip_gaps(np.tensordot(style.rest, basis.dynamics, 1))
    assert np.abs(moved).max() < 0.1 * np.abs(lip_gaps(np.tensordot(smile, basis.dynamics, 1))).max() + 1e-4


def test_a_style_changes_expression_and_turns_and_nothing_else() -> None:
    x = RNG.normal(size=(5, 14))
    result = Style(np.zeros(4), np.arange(4.0), np.array([2.0, 1.0, 0.5])).applied(x)
    np.testing.assert_allclose(result[:, EXPRESSION], x[:, EXPRESSION] + np.arange(4.0))
    np.testing.assert_allclose(result[:, :3], x[:, :3] * [2, 1, 0.5])
    np.testing.assert_array_equal(result[:, 3:10], x[:, 3:10])
