"""The mouth painter: geometry with known answers, what it must leave alone, and what the trained one must paint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vasa_core.checkpoint import save_checkpoint
from vasa_core.config import InputError
from vasa_core.face.mouth import (
    SIDE,
    MouthPainter,
    faster_precision,
    feather,
    network_input,
    patch_affine,
    polygon_mask,
    prepare_source,
    transform,
)
from vasa_core.face.mouth_network import MouthConfig, MouthNetwork, blended
from vasa_core.face.raster import backward_flow
from vasa_core.face.topology import (
    CHEEK_LEFT,
    CHEEK_RIGHT,
    LIP_PAIRS,
    LIPS_INNER,
    LIPS_OUTER,
    canonical_mesh,
    mouth_fan,
)
from vasa_core.registry import resolve
from vasa_core.types import TrackedImage

PATCH = 48
LOWER_FACE = (*(17, 84, 181, 91, 146, 314, 405, 321, 375), *(18, 200, 199, 175, 152, 148, 176, 377, 400, 83, 313))


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    return canonical_mesh(resolve("face_landmarker"))[1]


@pytest.fixture(scope="module")
def face(tracked: TrackedImage) -> tuple[np.ndarray, np.ndarray]:
    """The example portrait's crop and its landmarks."""
    return tracked.image, tracked.landmarks.astype(np.float64)


@pytest.fixture(scope="module")
def trained(checkpoints: Path) -> MouthPainter:
    return MouthPainter.load(checkpoints / "mouth", precision=torch.float32)


def loud_painter() -> MouthPainter:
    """An untrained network that changes every pixel it may."""
    torch.manual_seed(0)
    network = MouthNetwork(MouthConfig(PATCH, (8, 8)))
    torch.nn.init.ones_(network.head.bias)  # pyright: ignore[reportArgumentType]
    return MouthPainter(network, precision=torch.float32)


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


def test_patch_is_upright_square_around_the_lips(face: tuple) -> None:
    _, landmarks = face
    affine = patch_affine(landmarks, 96)
    moved = transform(landmarks, affine)
    assert moved[list(LIPS_OUTER), :2].mean(0) == pytest.approx([48, 48])
    across = moved[CHEEK_RIGHT] - moved[CHEEK_LEFT]
    assert across[1] == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(across) == pytest.approx(96 / SIDE)


def test_patch_follows_a_turned_and_scaled_face(face: tuple) -> None:
    _, landmarks = face
    angle, scale = 0.4, 1.7
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = landmarks * scale
    turned[:, :2] = landmarks[:, :2] @ rotation.T + [30, -12]
    assert transform(turned, patch_affine(turned, 64)) == pytest.approx(
        transform(landmarks, patch_affine(landmarks, 64)), abs=1e-6
    )


def test_jitter_moves_scales_and_turns() -> None:
    landmarks = np.zeros((478, 3))
    landmarks[CHEEK_RIGHT, 0] = 100.0
    affine = patch_affine(landmarks, 62, (0.5, 0.0, 1.0, 0.0))
    assert affine == pytest.approx(np.array([[0.5, 0, 31 - 0.5 * 31], [0, 0.5, 31]]))


def test_mask_covers_the_polygon() -> None:
    landmarks = np.zeros((478, 3))
    angle = np.linspace(0, 2 * np.pi, len(LIPS_INNER), endpoint=False)
    landmarks[list(LIPS_INNER), :2] = 32 + 20 * np.stack([np.cos(angle), np.sin(angle)], -1)
    area = polygon_mask(landmarks, LIPS_INNER, (64, 64)).astype(float).sum() / 255
    assert area == pytest.approx(10 * 20 * 20 * np.sin(2 * np.pi / 20), rel=0.08)


def test_source_keeps_the_mouth_and_shrinks_large_photos(face: tuple, triangles: np.ndarray) -> None:
    photo, landmarks = face
    source = prepare_source(photo, landmarks, triangles, 32)
    width = np.linalg.norm(source.landmarks[CHEEK_RIGHT] - source.landmarks[CHEEK_LEFT])
    assert width == pytest.approx(1.5 * 32 / SIDE)
    mouth = source.landmarks[list(LIPS_OUTER), :2]
    assert (mouth > 0).all() and (mouth < source.photo.shape[1::-1]).all()
    assert source.patch.shape == (32, 32, 3)


def test_undriven_photo_is_warped_to_itself(face: tuple, triangles: np.ndarray) -> None:
    photo, landmarks = face
    source = prepare_source(photo, landmarks, triangles, 96)
    channels, covered = network_input(source, transform(landmarks, patch_affine(landmarks, 96)))
    difference = np.abs(channels[..., :3].astype(int) - channels[..., 6:])[covered]
    assert difference.mean() < 1.5
    assert np.abs(channels[..., 3].astype(int) - channels[..., 5]).mean() < 4


def test_feather_vanishes_at_the_border() -> None:
    mask = feather(96)
    assert mask[48, 48] == pytest.approx(1)
    assert np.concatenate([mask[:2].ravel(), mask[-2:].ravel(), mask[:, :2].ravel(), mask[:, -2:].ravel()]).max() == 0
    assert mask.min() >= 0 and mask.max() <= 1


def test_untrained_network_changes_little_and_outputs_have_range() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 9, PATCH, PATCH) * 2 - 1
    change, weight = MouthNetwork(MouthConfig(PATCH, (8, 16, 16)))(x)
    assert change.shape == (2, 3, PATCH, PATCH) and weight.shape == (2, 1, PATCH, PATCH)
    assert (weight > 0).all() and (weight < 1).all() and (change.abs() <= 2).all()
    assert (blended(x, change, weight) - x[:, :3]).abs().mean() < 0.05
    assert torch.equal(blended(x, change, torch.zeros_like(weight)), x[:, :3])


@pytest.mark.parametrize("size", [256, 512])
def test_pixels_outside_the_patch_are_untouched(face: tuple, triangles: np.ndarray, size: int) -> None:
    photo, landmarks = face
    painter = loud_painter()
    source = painter.prepare(photo, landmarks, triangles)
    scale = size / photo.shape[0]
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    before, driving = frame.copy(), with_gap(landmarks, 0.08) * scale
    painted = painter.paint(frame, driving, source)
    assert painted is frame
    affine = patch_affine(driving, PATCH)
    y, x = np.mgrid[:size, :size]
    place = np.stack([x, y], -1) @ affine[:, :2].T + affine[:, 2]
    inside = ((place > 0) & (place < PATCH)).all(-1)
    assert (painted[~inside] == before[~inside]).all()
    assert (painted[inside] != before[inside]).any()


def test_painting_is_deterministic_and_does_not_touch_the_source(face: tuple, triangles: np.ndarray) -> None:
    photo, landmarks = face
    painter = loud_painter()
    source = painter.prepare(photo, landmarks, triangles)
    kept = source.photo.copy()
    results = [painter.paint(photo.copy(), with_gap(landmarks, 0.05), source) for _ in range(2)]
    assert (results[0] == results[1]).all()
    assert (source.photo == kept).all()


def test_a_mouth_partly_or_wholly_outside_the_frame_is_painted_as_far_as_it_shows(
    face: tuple, triangles: np.ndarray
) -> None:
    photo, landmarks = face
    painter = loud_painter()
    source = painter.prepare(photo, landmarks, triangles)
    mouth = landmarks[list(LIPS_OUTER), :2].mean(0)
    frame = painter.paint(photo.copy(), landmarks - [*mouth, 0], source)
    assert (frame != photo).any()
    away = painter.paint(photo.copy(), landmarks + [10 * photo.shape[1], 0, 0], source)
    assert (away == photo).all()


def test_a_turned_head_is_not_painted_beyond_its_edge(face: tuple, triangles: np.ndarray) -> None:
    photo, landmarks = face
    painter = loud_painter()
    source = painter.prepare(photo, landmarks, triangles)
    driving = landmarks.copy()
    driving[:, 0] = driving[10, 0] + 0.4 * (driving[:, 0] - driving[10, 0])  # narrow: the patch reaches past the jaw
    driving[CHEEK_RIGHT, 2] += 0.9 * np.linalg.norm(landmarks[CHEEK_RIGHT] - landmarks[CHEEK_LEFT])
    frame = np.full_like(photo, 128)
    painter.paint(frame, driving, source)
    jaw = int(driving[:468, 0].max()) + 3
    assert (frame[:, jaw:] == 128).all()


def test_precision_is_measured_and_given_precision_is_kept() -> None:
    network = MouthNetwork(MouthConfig(PATCH, (8, 8)))
    assert faster_precision(network) in (torch.float32, torch.bfloat16)
    assert MouthPainter(network, precision=torch.bfloat16).precision == torch.bfloat16


def test_bfloat16_paints_what_float32_paints(
    face: tuple, triangles: np.ndarray, trained: MouthPainter, checkpoints: Path
) -> None:
    photo, landmarks = face
    fast = MouthPainter.load(checkpoints / "mouth", precision=torch.bfloat16)
    source, driving = trained.prepare(photo, landmarks, triangles), with_gap(landmarks, 0.08)
    frames = [painter.paint(photo.copy(), driving, source).astype(int) for painter in (trained, fast)]
    assert np.abs(frames[0] - frames[1]).max() <= 12
    assert np.abs(frames[0] - frames[1]).mean() < 0.1


def test_wrong_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        MouthPainter.load(tmp_path)
    save_checkpoint(tmp_path, {"patch": 48, "widths": [8, 8], "depth": 3}, {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="depth"):
        MouthPainter.load(tmp_path)
    save_checkpoint(tmp_path, {"patch": 48, "widths": [8, 8]}, {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="mouth network"):
        MouthPainter.load(tmp_path)


@pytest.fixture(scope="module")
def closed_face(face: tuple, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same face with its lips shut: the photo drawn at landmarks without a gap."""
    photo, landmarks = face
    closed = with_gap(landmarks, 0.0)
    flow, _ = backward_flow(
        closed[:468], landmarks[:468, :2], np.concatenate([triangles, mouth_fan()]), photo.shape[:2]
    )
    return cv2.remap(photo, flow, None, cv2.INTER_LINEAR), closed  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("size", [256, 512])
def test_trained_painter_leaves_closed_lips_alone(
    closed_face: tuple, triangles: np.ndarray, trained: MouthPainter, size: int
) -> None:
    photo, landmarks = closed_face
    source = trained.prepare(photo, landmarks, triangles)
    frame = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
    driving = landmarks * (size / photo.shape[0])
    painted = trained.paint(frame.copy(), driving, source)
    lips = polygon_mask(driving, LIPS_OUTER, (size, size)) > 0
    difference = np.abs(painted.astype(int) - frame)
    assert difference[lips].mean() < 5
    assert difference[~lips].mean() < 0.1


def test_trained_painter_darkens_a_mouth_that_the_photo_shows_closed(
    closed_face: tuple, triangles: np.ndarray, trained: MouthPainter
) -> None:
    photo, landmarks = closed_face
    driving = with_gap(landmarks, 0.2)
    channels, _ = network_input(
        trained.prepare(photo, landmarks, triangles), transform(driving, patch_affine(driving, trained.patch))
    )
    painted = channels[..., :3] + trained._change(channels)
    inside = cv2.erode(channels[..., 3], np.ones((5, 5), np.uint8)) > 250
    lips = (channels[..., 4] > 250) & (channels[..., 3] == 0)
    redness = [np.diff(image[inside][:, [1, 0]].mean(0))[0] for image in (channels[..., :3].astype(float), painted)]
    assert redness[1] < 0.75 * redness[0]  # teeth and dark, not lip
    assert np.percentile(painted[inside].mean(-1), 10) < 0.75 * painted[lips].mean()


def test_trained_painter_leaves_an_undriven_photo_as_it_is(
    face: tuple, triangles: np.ndarray, trained: MouthPainter
) -> None:
    photo, landmarks = face
    source = trained.prepare(photo, landmarks, triangles)
    painted = trained.paint(photo.copy(), landmarks, source)
    lips = polygon_mask(landmarks, LIPS_OUTER, photo.shape[:2]) > 0
    assert np.abs(painted.astype(int) - photo)[lips].mean() < 4
