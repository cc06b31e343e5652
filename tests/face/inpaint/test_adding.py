"""What the compiled passes add to patches, frames and eyes is what plain arithmetic adds."""

import numpy as np

from vasa_core.face.inpaint.renderer import NO_GRAIN, OWN_GRAIN, blend, reached
from vasa_core.face.mesh.irises import lay_eye

SIDE = 24


def _levels(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def test_a_patch_adds_its_change_and_where_the_frame_gives_way_itself() -> None:
    rng = np.random.default_rng(1)
    change, reach = (rng.normal(0, 20, (SIDE, SIDE, 3)).astype(np.float32), rng.random((SIDE, SIDE, 1), np.float32))
    channels, warped = _levels(rng, SIDE, SIDE, 9), _levels(rng, SIDE, SIDE, 3)
    inside = rng.random((SIDE, SIDE), np.float32)
    layers = reached(change, reach, channels, warped, inside)
    added = change + (channels[..., :3] - warped.astype(float)) + inside[..., None] * warped
    np.testing.assert_allclose(layers[..., :3], added * reach, atol=1e-3)
    np.testing.assert_allclose(layers[..., 3:], inside[..., None] * reach, atol=1e-6)
    across = np.ascontiguousarray(change.transpose(2, 0, 1)).transpose(1, 2, 0)  # as a network gives it
    assert np.array_equal(layers, reached(across, reach, channels, warped, inside))


def test_a_frame_gives_way_takes_the_change_and_its_grain_and_keeps_what_is_not_changed() -> None:
    rng = np.random.default_rng(2)
    frame, added = _levels(rng, 40, 50, 3), rng.normal(0, 30, (40, 50, 4)).astype(np.float32)
    added[..., 3] = rng.random((40, 50))
    added[:, 25:] = 0
    grain = rng.normal(0, 5, (8, 8, 1)).astype(np.float32)
    for used in (NO_GRAIN, grain):
        blended = frame.copy()
        blend(blended, added, used)
        change = added[..., :3] - added[..., 3:] * frame
        tiled = np.tile(used, (50 // len(used) + 1, 50 // len(used) + 1, 1))[:40, :50]
        noise = np.minimum(np.abs(change).max(-1, keepdims=True) / OWN_GRAIN, 1) * tiled
        assert np.abs(blended - (frame + change + noise).clip(0, 255)).max() <= 0.501
        assert np.array_equal(blended[:, 25:], frame[:, 25:])


def test_an_eye_is_laid_over_its_opening_alone() -> None:
    rng = np.random.default_rng(3)
    window, blank, mask = _levels(rng, 20, 30, 3), _levels(rng, 20, 30, 3), _levels(rng, 20, 30)
    mask[:, :10] = 0
    iris = np.concatenate([_levels(rng, 20, 30, 3), rng.random((20, 30, 1))], -1).astype(np.float32)
    drawn, share = window.copy(), 0.6
    lay_eye(drawn, blank, iris, mask, np.float32(share / 255))
    eye = blank + (iris[..., :3] - blank) * iris[..., 3:]
    assert np.abs(drawn - (window + (eye - window) * share * mask[..., None] / 255)).max() <= 0.501
    assert np.array_equal(drawn[:, :10], window[:, :10])
