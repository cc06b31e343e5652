"""One pass over a clip, and emotion columns by name."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.options import EMOTIONS
from vasa_core.preprocess.labellers import Labeller, Labellers, Labels, open_labellers, reordered
from vasa_core.preprocess.labellers.emotions import HSEMOTIONS
from vasa_core.preprocess.labellers.labels import BLOCK
from vasa_core.types import TrackedImage

FRAMES = BLOCK + 3


@pytest.fixture(scope="module")
def bundled(face: MeshFaceModel) -> Labellers:
    return open_labellers(face=face)


@pytest.fixture(scope="module")
def clip(tracked: TrackedImage) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames of growing brightness, so that each has an emotion of its own, moving to the right."""
    frames = [(tracked.image * (0.2 + 0.8 * index / FRAMES)).astype(np.uint8) for index in range(FRAMES)]
    return frames, np.stack([tracked.landmarks + [index, 0, 0] for index in range(FRAMES)])


@pytest.fixture(scope="module")
def labels(bundled: Labellers, clip: tuple[list[np.ndarray], np.ndarray]) -> Labels:
    return bundled(iter(clip[0]), clip[1], (512, 512))


def test_the_bundled_labellers_fit_the_interface(bundled: Labellers) -> None:
    assert all(isinstance(part, Labeller) for part in (bundled.gaze, bundled.distance, bundled.emotion))
    assert bundled.emotions == EMOTIONS
    assert bundled.reads_pictures
    assert not bundled.gaze.reads_pictures
    assert not bundled.distance.reads_pictures


def test_every_frame_gets_its_own_labels(
    bundled: Labellers, clip: tuple[list[np.ndarray], np.ndarray], labels: Labels
) -> None:
    assert labels.gaze.shape == (FRAMES, 2)
    assert labels.distance.shape == (FRAMES,)
    assert labels.emotion.sum(1) == pytest.approx(np.ones(FRAMES), abs=1e-3)
    assert len(np.unique(labels.emotion, axis=0)) == FRAMES
    for index in (0, BLOCK - 1, BLOCK, FRAMES - 1):
        alone = bundled.emotion([clip[0][index]], clip[1][index : index + 1], (512, 512))
        assert labels.emotion[index] == pytest.approx(alone[0], abs=1e-6)


@pytest.mark.parametrize("count", [FRAMES - 1, FRAMES + 1, 0])
def test_frames_and_landmarks_must_be_as_many(
    bundled: Labellers, clip: tuple[list[np.ndarray], np.ndarray], count: int
) -> None:
    frames = [*clip[0], clip[0][0]][:count]
    with pytest.raises(InputError, match=f"the {FRAMES} of its landmarks"):
        bundled(frames, clip[1], (512, 512))


def test_landmarks_must_be_numbers(bundled: Labellers, clip: tuple[list[np.ndarray], np.ndarray]) -> None:
    gap = clip[1].copy()
    gap[3] = np.nan
    with pytest.raises(InputError, match="all of numbers"):
        bundled(clip[0], gap, (512, 512))
    with pytest.raises(InputError, match="0 frames"):
        bundled([], gap[:0], (512, 512))


def test_emotions_are_reordered_by_name() -> None:
    scores = np.array([[0.1, 0.2, 0.05, 0.05, 0.3, 0.15, 0.1, 0.05]])  # contempt, the second, has a fifth
    found = reordered(scores, HSEMOTIONS)
    assert found[0] == pytest.approx(np.array([0.1, 0.05, 0.05, 0.3, 0.15, 0.1, 0.05]) / 0.8)
    assert found[0, EMOTIONS.index("happiness")] == found.max()
    backwards = reordered(found, EMOTIONS, EMOTIONS[::-1])
    assert backwards[0] == pytest.approx(found[0, ::-1])
    with pytest.raises(InputError, match="'contempt'"):
        reordered(found, EMOTIONS, HSEMOTIONS)
