"""The painted regions: patches lie where they should, and what is drawn there has known answers."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.face.inpaint.regions import (
    BLANK,
    EYE_LEFT,
    EYE_RIGHT,
    MOUTH,
    REGIONS,
    STRETCH,
    Region,
    driving_channels,
    openings_mask,
    patch_affine,
    polygon_mask,
    source_channels,
    transform,
    well_inside,
)
from vasa_core.face.measure import LOWER_LIP, lip_gap_of_width
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, EYES
from vasa_core.types import TrackedImage

Face = tuple[np.ndarray, np.ndarray]  # a photo and its landmarks


@pytest.fixture(scope="module")
def face(tracked: TrackedImage) -> Face:
    """The example portrait's crop and its landmarks."""
    return tracked.image, tracked.landmarks.astype(np.float64)


@pytest.mark.parametrize("region", REGIONS)
def test_patch_is_upright_square_around_its_region(face: Face, region: Region) -> None:
    _, landmarks = face
    moved = transform(landmarks, patch_affine(landmarks, region))
    assert moved[list(region.centre), :2].mean(0) == pytest.approx([(region.patch - 1) / 2] * 2)
    across = moved[CHEEK_RIGHT] - moved[CHEEK_LEFT]
    assert across[1] == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(across) == pytest.approx(region.patch / region.side)
    assert (across[0] < 0) == region.mirrored


@pytest.mark.parametrize("region", REGIONS)
def test_patch_follows_a_turned_and_scaled_face(face: Face, region: Region) -> None:
    _, landmarks = face
    angle, scale = 0.4, 1.7
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = landmarks * scale
    turned[:, :2] = landmarks[:, :2] @ rotation.T + [30, -12]
    expected = transform(landmarks, patch_affine(landmarks, region))
    assert transform(turned, patch_affine(turned, region)) == pytest.approx(expected, abs=1e-6)


def test_jitter_moves_scales_and_turns() -> None:
    landmarks = np.zeros((478, 3))
    landmarks[CHEEK_RIGHT, 0] = 100.0  # the mouth's side is 86 px, doubled by the jitter
    affine = patch_affine(landmarks, MOUTH, (0.5, 0.0, 1.0, 0.0))
    scale = 128 / 172
    assert affine == pytest.approx(np.array([[scale, 0, 63.5 - scale * 43], [0, scale, 63.5]]))
    quarter = patch_affine(landmarks, MOUTH, (0.0, 0.0, 0.0, np.pi / 2))
    assert quarter[:, :2] == pytest.approx(128 / 86 * np.array([[0, 1], [-1, 0]]), abs=1e-9)


def test_right_eye_is_seen_as_a_left_one(face: Face) -> None:
    """The inner corner lies on the right of both eye patches."""
    _, landmarks = face
    left = transform(landmarks, patch_affine(landmarks, EYE_LEFT))
    right = transform(landmarks, patch_affine(landmarks, EYE_RIGHT))
    assert left[133, 0] > left[33, 0]
    assert right[362, 0] > right[263, 0]
    assert right[362, :2] == pytest.approx(left[133, :2], abs=6)


def test_mask_covers_the_polygon() -> None:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points = 32 + 20 * np.stack([np.cos(angle), np.sin(angle)], -1)
    area = polygon_mask(points, (64, 64)).astype(float).sum() / 255
    assert area == pytest.approx(10 * 20 * 20 * np.sin(2 * np.pi / 20), rel=0.08)


def test_openings_are_lips_and_both_eyes(face: Face) -> None:
    photo, landmarks = face
    mask = openings_mask(landmarks, photo.shape[:2])
    for eye in EYES:
        x, y = landmarks[eye.iris[0], :2].round().astype(int)
        assert mask[y, x] == 255
    x, y = landmarks[[13, 14], :2].mean(0).round().astype(int)
    assert mask[y, x] == 255
    x, y = landmarks[1, :2].round().astype(int)  # the nose
    assert mask[y, x] == 0


def test_iris_is_drawn_only_between_the_lids(face: Face) -> None:
    _photo, landmarks = face
    patch = EYE_LEFT.patch
    drawn = transform(landmarks, patch_affine(landmarks, EYE_LEFT))
    warped, mask = np.zeros((patch, patch, 3), np.uint8), np.zeros((patch, patch), np.uint8)
    channels = driving_channels(EYE_LEFT, warped, mask, drawn, 0.0)
    opening, iris = channels[..., 3], channels[..., 4]
    assert (iris <= opening).all()
    assert 0 < iris.sum() < opening.sum()
    y, x = np.nonzero(iris > 127)
    assert [x.mean(), y.mean()] == pytest.approx(drawn[468, :2], abs=2)
    closed = drawn.copy()
    closed[list(EYES[0].upper)] = closed[list(EYES[0].lower)]
    assert driving_channels(EYE_LEFT, warped, mask, closed, 0.0)[..., 4].astype(float).sum() < 0.3 * iris.sum()


def test_ramps_start_at_the_bones(face: Face) -> None:
    _, landmarks = face
    patch = MOUTH.patch
    drawn = transform(landmarks, patch_affine(landmarks, MOUTH))
    blank = np.zeros((patch, patch, 3), np.uint8)
    channels = driving_channels(MOUTH, blank, blank[..., 0], drawn, 0.05)
    nose, chin = np.clip(drawn[[2, 152], :2].round().astype(int), 0, patch - 1)
    assert abs(int(channels[0, nose[0], 6]) - 127.5) <= 1.5
    assert abs(int(channels[nose[1], 0, 7]) - 127.5) <= 1.5
    assert abs(int(channels[chin[1], 0, 8]) - 127.5) <= 1.5
    assert int(channels[127, 0, 7]) - int(channels[0, 0, 7]) == pytest.approx(127.5, abs=1.5)


def test_source_is_the_photo_where_the_patch_lies(face: Face) -> None:
    photo, landmarks = face
    grey = np.full_like(photo, 90)
    view = source_channels(MOUTH, grey, landmarks)
    assert (view[..., :3] == 90).all()
    assert view.shape == (128, 128, 4)
    inner = transform(landmarks, patch_affine(landmarks, MOUTH))[[13, 14], :2].mean(0).round().astype(int)
    assert view[inner[1], inner[0], 3] == 255


@pytest.mark.parametrize(("photo_gap", "kept"), [(0.08, 1.0), (0.002, 0.0)])
def test_a_closed_mouth_drawn_out_is_blanked_and_an_open_one_is_kept(face: Face, photo_gap: float, kept: float) -> None:
    _, landmarks = face
    drawn = transform(landmarks, patch_affine(landmarks, MOUTH))
    drawn[list(MOUTH.opening[11:]), 1] += 12.0
    warped, mask = np.full((128, 128, 3), 200, np.uint8), np.full((128, 128), 255, np.uint8)
    channels = driving_channels(MOUTH, warped, mask, drawn, photo_gap)
    middle = drawn[[13, 14], :2].mean(0).round().astype(int)
    assert channels[middle[1], middle[0], 5] == pytest.approx(255 * kept)
    assert (channels[middle[1], middle[0], :3] == (200 if kept else BLANK)).all()
    assert (channels[channels[..., 3] == 0][:, :3] == 200).all()


@pytest.mark.parametrize("region", [MOUTH, EYE_RIGHT])
def test_channels_are_what_plain_arithmetic_gives(face: Face, region: Region) -> None:
    _, landmarks = face
    drawn = transform(landmarks, patch_affine(landmarks, region))
    drawn[list(LOWER_LIP), 1] += 9  # an open mouth
    rng, patch = np.random.default_rng(2), region.patch
    warped, seen = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((patch, patch, 3), (patch, patch)))
    photo_gap = float(lip_gap_of_width(drawn)) / 3  # stretched three times
    channels = driving_channels(region, warped, seen, drawn, photo_gap)
    usable = (STRETCH[1] - 3) / (STRETCH[1] - STRETCH[0]) if region is MOUTH else 1.0
    blank = well_inside(channels[..., 3]) if region is MOUTH else np.zeros((patch, patch))
    blank = (blank * (1 - usable * seen / 255))[..., None]
    assert (blank > 0.5).any() == (region is MOUTH)
    assert np.abs(channels[..., :3] - (warped + blank * (BLANK - warped.astype(float)))).max() <= 0.501
    assert np.abs(channels[..., 5] - usable * seen).max() <= 1
    places = np.arange(patch)
    for channel, axis, anchor in ((6, 0, 0), (7, 1, 0), (8, 1, 1)):
        ramp = np.clip(127.5 + 127.5 * (places - drawn[region.anchors[anchor], axis]) / patch, 0, 255)
        shown = np.broadcast_to(ramp[None] if channel == 6 else ramp[:, None], (patch, patch))
        assert np.abs(channels[..., channel] - shown).max() <= 0.501
