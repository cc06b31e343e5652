"""The renderer: what it must leave alone, and what the trained networks must paint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vasa_core.assets import resolve
from vasa_core.checkpoint import save_checkpoint
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import PatchConfig
from vasa_core.face.inpaint.network import PatchNetwork, blended, load_network, save_network
from vasa_core.face.inpaint.regions import EYE_LEFT, MOUTH, REGIONS, patch_affine, polygon_mask
from vasa_core.face.inpaint.renderer import Renderer, RenderSource, Warped, feather
from vasa_core.face.inpaint.torch_engine import TorchEngine
from vasa_core.face.mesh.raster import backward_flow, identity_flow, warp
from vasa_core.face.topology import (
    CHEEK_LEFT,
    CHEEK_RIGHT,
    EYES,
    LIP_PAIRS,
    LIPS_INNER,
    LIPS_OUTER,
    canonical_mesh,
)
from vasa_core.types import TrackedImage

Face = tuple[np.ndarray, np.ndarray]  # a photo and its landmarks

TINY = (8, 8)
LOWER_FACE = (*(17, 84, 181, 91, 146, 314, 405, 321, 375), *(18, 200, 199, 175, 152, 148, 176, 377, 400, 83, 313))


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    return canonical_mesh(resolve("face_landmarker"))[1]


@pytest.fixture(scope="module")
def face(tracked: TrackedImage) -> Face:
    """The example portrait's crop and its landmarks."""
    return tracked.image, tracked.landmarks.astype(np.float64)


@pytest.fixture(scope="module")
def trained(checkpoints: Path) -> Renderer:
    return Renderer.load(checkpoints, precision="float32")


@pytest.fixture(scope="module")
def loud() -> Renderer:
    """Untrained networks that change every pixel they may."""
    engines = []
    for region in (MOUTH, EYE_LEFT):
        torch.manual_seed(0)
        network = PatchNetwork(PatchConfig(region.patch, TINY))
        torch.nn.init.ones_(network.head.bias)  # pyright: ignore[reportArgumentType]
        engines.append(TorchEngine(network))
    return Renderer(*engines)


def with_gap(landmarks: np.ndarray, gap: float) -> np.ndarray:
    """The same face with its lips this far apart, in face widths: the lower lip and the chin drop."""
    opened = landmarks.copy()
    upper, lower = [pair[0] for pair in LIP_PAIRS], [pair[1] for pair in LIP_PAIRS]
    width = np.linalg.norm(landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT])
    middle = (landmarks[upper, 1] + landmarks[lower, 1]) / 2
    shape = np.sin(np.linspace(0.1, 0.9, len(LIP_PAIRS)) * np.pi)
    opened[upper, 1] = middle
    opened[lower, 1] = middle + gap * width * shape
    opened[list(LOWER_FACE), 1] += gap * width
    return opened


def drawn(
    photo: np.ndarray, own: np.ndarray, driving: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The photo warped to driving landmarks, and the flow that did it."""
    flow, _ = backward_flow(driving[:468], own[:468, :2], triangles, photo.shape[:2])
    return warp(photo, flow), flow


def paint(
    renderer: Renderer, frame: np.ndarray, flow: np.ndarray, landmarks: np.ndarray, source: RenderSource
) -> np.ndarray:
    """The frame, painted in place."""
    renderer.paint([Warped(frame, flow, landmarks)], source)
    return frame


def test_feather_vanishes_at_the_border() -> None:
    mask = feather(96)[..., 0]
    assert mask[48, 48] == pytest.approx(1)
    assert np.concatenate([mask[:2].ravel(), mask[-2:].ravel(), mask[:, :2].ravel(), mask[:, -2:].ravel()]).max() == 0
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_untrained_network_changes_little_and_outputs_have_range() -> None:
    torch.manual_seed(0)
    network = PatchNetwork(PatchConfig(48, (8, 16, 16)))
    x, photo = torch.rand(2, 9, 48, 48) * 2 - 1, torch.rand(2, 4, 48, 48) * 2 - 1
    change, weight = network(x, network.source(photo))
    assert change.shape == (2, 3, 48, 48)
    assert weight.shape == (2, 1, 48, 48)
    assert (weight > 0).all()
    assert (weight < 1).all()
    assert (change.abs() <= 2).all()
    assert (blended(x, change, weight) - x[:, :3]).abs().mean() < 0.05
    assert torch.equal(blended(x, change, torch.zeros_like(weight)), x[:, :3])


def test_photo_features_change_what_is_painted() -> None:
    torch.manual_seed(0)
    network = PatchNetwork(PatchConfig(48, (8, 16, 16)))
    x = torch.rand(1, 9, 48, 48) * 2 - 1
    one, other = (network(x, network.source(torch.full((1, 4, 48, 48), level)))[0] for level in (-0.8, 0.8))
    assert (one - other).abs().max() > 1e-4


def test_pixels_outside_the_patches_are_untouched(face: Face, loud: Renderer) -> None:
    photo, landmarks = face
    source = loud.prepare(photo, landmarks)
    frame = np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8)
    before, driving = frame.copy(), with_gap(landmarks, 0.08)
    painted = paint(loud, frame, identity_flow(frame.shape[:2]), driving, source)
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    anywhere = np.zeros(frame.shape[:2], bool)
    for region in REGIONS:
        affine = patch_affine(driving, region)
        place = np.stack([x, y], -1) @ affine[:, :2].T + affine[:, 2]
        inside = ((place > 0) & (place < region.patch)).all(-1)
        assert (painted[inside] != before[inside]).any(), region.network
        anywhere |= inside
    assert (painted[~anywhere] == before[~anywhere]).all()


def test_painting_is_deterministic_and_does_not_touch_the_photo(face: Face, loud: Renderer) -> None:
    photo, landmarks = face
    kept, flow = photo.copy(), identity_flow(photo.shape[:2])
    source = loud.prepare(photo, landmarks)
    results = [paint(loud, photo.copy(), flow, with_gap(landmarks, 0.05), source) for _ in range(2)]
    assert (results[0] == results[1]).all()
    assert (photo == kept).all()


def test_frames_painted_together_are_as_painted_one_by_one(face: Face, loud: Renderer) -> None:
    photo, landmarks = face
    source, flow = loud.prepare(photo, landmarks), identity_flow(photo.shape[:2])
    faces = [with_gap(landmarks, gap) for gap in (0.0, 0.05, 0.12)]
    alone = [paint(loud, photo.copy(), flow, driving, source) for driving in faces]
    together = [Warped(photo.copy(), flow, driving) for driving in faces]
    loud.paint(together, source)
    assert (alone[0] != alone[2]).any()
    for frame, expected in zip(together, alone, strict=True):
        assert np.abs(frame.frame.astype(int) - expected).max() <= 1


def test_a_face_partly_or_wholly_outside_the_frame_is_painted_as_far_as_it_shows(face: Face, loud: Renderer) -> None:
    photo, landmarks = face
    source, flow = loud.prepare(photo, landmarks), identity_flow(photo.shape[:2])
    mouth = landmarks[list(LIPS_OUTER), :2].mean(0)
    frame = paint(loud, photo.copy(), flow, landmarks - [*mouth, 0], source)
    assert (frame != photo).any()
    away = paint(loud, photo.copy(), flow, landmarks + [10 * photo.shape[1], 0, 0], source)
    assert (away == photo).all()


def test_nothing_is_painted_beyond_the_face(face: Face, loud: Renderer) -> None:
    photo, landmarks = face
    source = loud.prepare(photo, landmarks)
    driving = landmarks.copy()
    driving[:, 0] = driving[10, 0] + 0.4 * (driving[:, 0] - driving[10, 0])  # narrow: the patch reaches past the jaw
    driving[CHEEK_RIGHT, 2] += 0.9 * np.linalg.norm(landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT])
    frame = np.full_like(photo, 128)
    paint(loud, frame, identity_flow(photo.shape[:2]), driving, source)
    jaw = int(driving[:468, 0].max()) + 3
    assert (frame[:, jaw:] == 128).all()


def test_wrong_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        load_network(tmp_path)
    save_checkpoint(tmp_path, {"patch": 48, "widths": [8, 8], "depth": 3}, {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="depth"):
        load_network(tmp_path)
    save_checkpoint(tmp_path, {"patch": 48, "widths": [8, 8]}, {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="renderer network"):
        load_network(tmp_path)
    save_network(tmp_path / "mouth", PatchNetwork(PatchConfig(48, TINY)))
    with pytest.raises(InputError, match="paints 48 px; expected 128"):
        Renderer.load(tmp_path)


@pytest.fixture(scope="module")
def closed_face(face: Face, triangles: np.ndarray) -> Face:
    """The same face with its lips shut: the photo drawn at landmarks without a gap."""
    photo, landmarks = face
    closed = with_gap(landmarks, 0.0)
    return drawn(photo, landmarks, closed, triangles)[0], closed


def test_trained_renderer_leaves_closed_lips_alone(closed_face: Face, trained: Renderer) -> None:
    photo, landmarks = closed_face
    source = trained.prepare(photo, landmarks)
    painted = paint(trained, photo.copy(), identity_flow(photo.shape[:2]), landmarks, source)
    lips = polygon_mask(landmarks[list(LIPS_OUTER), :2], photo.shape[:2]) > 0
    difference = np.abs(painted.astype(int) - photo)
    assert difference[lips].mean() < 6
    assert difference[~lips].mean() < 0.3


def test_trained_renderer_darkens_a_mouth_that_the_photo_shows_closed(
    closed_face: Face, triangles: np.ndarray, trained: Renderer
) -> None:
    photo, landmarks = closed_face
    driving = with_gap(landmarks, 0.2)
    frame, flow = drawn(photo, landmarks, driving, triangles)
    painted = paint(trained, frame.copy(), flow, driving, trained.prepare(photo, landmarks))
    size = photo.shape[:2]
    inner, outer = (polygon_mask(driving[list(ids), :2], size) for ids in (LIPS_INNER, LIPS_OUTER))
    inside, lips = cv2.erode(inner, np.ones((7, 7), np.uint8)) > 250, (outer > 250) & (inner == 0)
    redness = [np.diff(image[inside][:, [1, 0]].astype(float).mean(0))[0] for image in (frame, painted)]
    assert redness[1] < 0.75 * redness[0]  # teeth and dark, not lip
    assert np.percentile(painted[inside].mean(-1), 10) < 0.75 * painted[lips].mean()


def test_trained_renderer_leaves_an_undriven_photo_as_it_is(face: Face, trained: Renderer) -> None:
    photo, landmarks = face
    painted = paint(trained, photo.copy(), identity_flow(photo.shape[:2]), landmarks, trained.prepare(photo, landmarks))
    difference = np.abs(painted.astype(int) - photo)
    for polygon in (LIPS_OUTER, *(eye.contour for eye in EYES)):
        inside = polygon_mask(landmarks[list(polygon), :2], photo.shape[:2]) > 0
        assert difference[inside].mean() < 6
