"""The volume face model behind the mesh model's interface: what a portrait's codes, its plate and a motion do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_networks import SMALL

from vasa_core.cpu import cpu_precision
from vasa_core.errors import InputError
from vasa_core.face.mesh.layers import still_scene
from vasa_core.face.mesh.model import MeshFaceModel, load_basis
from vasa_core.face.model import FaceModel
from vasa_core.face.pose import LOG_DISTANCE, SHIFT_X, project
from vasa_core.face.volume.adapter import AdapterConfig, DynamicsAdapter
from vasa_core.face.volume.engine import VolumeEngine
from vasa_core.face.volume.model import VolumeFaceModel, VolumePortrait, person_over_grey
from vasa_core.face.volume.networks import (
    MotionCode,
    VolumeNetworks,
    load_volume,
    load_volume_model,
    save_volume,
)
from vasa_core.types import Motion, TrackedImage

SIDE, MARGIN = 128, 40


@pytest.fixture(scope="module")
def networks() -> VolumeNetworks:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VolumeNetworks(SMALL).eval()


@pytest.fixture(scope="module")
def adapter() -> DynamicsAdapter:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = DynamicsAdapter(AdapterConfig())
        torch.nn.init.normal_(made.bend.weight)
        return made


def face_of(checkpoints: Path, networks: VolumeNetworks, adapter: DynamicsAdapter) -> VolumeFaceModel:
    return VolumeFaceModel(
        load_basis(checkpoints / "mesh")[0], VolumeEngine(networks, precision=torch.float32), adapter
    )


@pytest.fixture(scope="module")
def face(checkpoints: Path, networks: VolumeNetworks, adapter: DynamicsAdapter) -> VolumeFaceModel:
    return face_of(checkpoints, networks, adapter)


def photo_of(face: VolumeFaceModel) -> tuple[TrackedImage, np.ndarray, np.ndarray]:
    """A drawn person before stripes, with its surroundings and matte; landmarks of the mean face."""
    side = SIDE + 2 * MARGIN
    pose = np.array([[0.05, 0.1, 0.0, 0.0, 0.1, np.log(2.9)]])
    landmarks = project(face.basis.mean[None], pose, (SIDE, SIDE))[0]
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[:, :, 1] = 20 + np.arange(side) // 2
    matte = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    cv2.ellipse(matte, middle, (SIDE // 4, SIDE // 3), 0.0, 0.0, 360.0, 255.0, -1)
    canvas[matte > 0] = (200, 150, 120)
    inside = slice(MARGIN, MARGIN + SIDE)
    image = np.ascontiguousarray(canvas[inside, inside])
    return TrackedImage(image, landmarks.astype(np.float32), np.eye(4)), canvas, matte


@pytest.fixture(scope="module")
def portrait(face: VolumeFaceModel) -> VolumePortrait:
    return face.encode_portrait(*photo_of(face))


def moving(portrait: VolumePortrait, count: int) -> Motion:
    rng = np.random.default_rng(3)
    pose = portrait.motion.pose + rng.normal(0, 0.05, (count, 6))
    return Motion(pose, portrait.motion.dynamics + rng.normal(0, 0.3, (count, portrait.motion.dynamics.shape[1])))


def test_both_face_models_are_what_the_pipeline_asks_for(face: VolumeFaceModel, model: MeshFaceModel) -> None:
    assert isinstance(face, FaceModel)
    assert isinstance(model, FaceModel)


def test_the_portraits_own_motion_gives_the_photos_own_codes(
    face: VolumeFaceModel, portrait: VolumePortrait, networks: VolumeNetworks
) -> None:
    tracked, _canvas, matte = photo_of(face)
    inside = slice(MARGIN, MARGIN + SIDE)
    picture = person_over_grey(tracked.image, matte[inside, inside], SMALL.image)
    with torch.no_grad():
        pose = torch.from_numpy(portrait.motion.pose).float()
        own = MotionCode(pose, networks.dynamics(picture, pose))
        identity = networks.identity_code(picture, pose)
        render = networks.render(networks.canonical(networks.appearance_volume(picture), identity, own), identity, own)
    colour = cv2.resize(render[0].movedim(0, -1).numpy(), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    alpha = colour[..., 3:]
    plate = still_scene(portrait.layers, (SIDE, SIDE), (0.0, 0.0), 1.0).plate
    expected = 127.5 * (colour[..., :3] + 1) * alpha + (1 - alpha) * plate
    frame = next(face.decode(portrait, portrait.motion))
    assert frame.shape == tracked.image.shape
    assert np.abs(frame - expected).mean() < 2  # enlarged by another kernel
    other = next(face.decode(portrait, moving(portrait, 1)))
    assert np.abs(other - expected).mean() > 2 * np.abs(frame - expected).mean()


def test_dynamics_move_z_dyn_by_what_the_adapter_says(
    face: VolumeFaceModel, portrait: VolumePortrait, adapter: DynamicsAdapter
) -> None:
    own = face.motion_code(portrait, portrait.motion)
    torch.testing.assert_close(own.dynamics, portrait.dynamics)
    motion = moving(portrait, 3)
    with torch.no_grad():
        values = adapter(torch.from_numpy(np.concatenate([motion.dynamics, portrait.motion.dynamics])).float())
    found = face.motion_code(portrait, motion)
    torch.testing.assert_close(found.dynamics - own.dynamics, values[:3] - values[3:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.pose, torch.from_numpy(motion.pose).float())


def test_a_shift_of_the_pose_moves_what_is_drawn(face: VolumeFaceModel, portrait: VolumePortrait) -> None:
    """A ball in the canonical volume, drawn by networks that know nothing: it still lies where the pose puts it."""
    shape = (SMALL.depth, SMALL.side, SMALL.side)
    z, y, x = (np.abs((2 * np.arange(n) + 1) / n - 1) for n in shape)
    ball = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < 0.2).astype(np.float32)
    canonical = torch.from_numpy(ball)[None, None].expand(1, SMALL.channels, *shape).contiguous()
    own = portrait.motion
    shifted = Motion(own.pose + 0.3 * np.eye(6)[SHIFT_X], own.dynamics)
    columns = []
    for motion in (own, shifted):
        alpha = face.engine.render(canonical, portrait.code, face.motion_code(portrait, motion))[0, 3].numpy()
        away = np.abs(alpha - np.median(alpha))
        weight = away * (away > 0.5 * away.max())
        columns.append((weight.sum(0) * np.arange(SMALL.image)).sum() / weight.sum())
    expected = 0.3 * SMALL.image / np.exp(own.pose[0, LOG_DISTANCE])
    assert columns[1] - columns[0] == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("zoom", [1.0, 0.7])
def test_where_there_is_no_alpha_the_plate_is_shown(
    checkpoints: Path, networks: VolumeNetworks, adapter: DynamicsAdapter, zoom: float
) -> None:
    clear = VolumeNetworks(SMALL)
    clear.load_state_dict(networks.state_dict())
    with torch.no_grad():
        clear.decoder.head.bias[3] = -200.0  # pyright: ignore[reportOptionalSubscript]
    face = face_of(checkpoints, clear, adapter)
    portrait = face.encode_portrait(*photo_of(face))
    frame = next(face.decode(portrait, moving(portrait, 1), zoom))
    centre = (float(portrait.centre[0]), float(portrait.centre[1]))
    scene = still_scene(portrait.layers, (SIDE, SIDE), centre, zoom)
    inner = slice(SIDE // 4, 3 * SIDE // 4)
    assert np.array_equal(frame[inner, inner], scene.plate[inner, inner])
    assert np.abs(scene.plate[inner, inner].astype(int) - scene.frame[inner, inner]).max() > 50
    if zoom < 1:  # beyond the crop the photo is shown as it is
        assert np.array_equal(frame[:8], scene.frame[:8])
        assert np.array_equal(frame[:, :8], scene.frame[:, :8])
    else:
        assert np.array_equal(frame, scene.plate)


def test_frames_are_the_same_alone_and_in_a_batch(face: VolumeFaceModel, portrait: VolumePortrait) -> None:
    motion = moving(portrait, 5)
    face.engine.batch = 4
    together = list(face.decode(portrait, motion, 0.8))
    face.engine.batch = 1
    alone = [
        next(face.decode(portrait, Motion(motion.pose[i : i + 1], motion.dynamics[i : i + 1]), 0.8)) for i in range(5)
    ]
    assert len(together) == 5
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert np.abs(alone[0].astype(int) - alone[1]).max() > 5


def test_bfloat16_draws_nearly_the_same(
    face: VolumeFaceModel, portrait: VolumePortrait, networks: VolumeNetworks
) -> None:
    half = VolumeEngine(networks, precision=torch.bfloat16)
    motion = face.motion_code(portrait, moving(portrait, 1))
    exact = face.engine.render(portrait.canonical, portrait.code, motion)
    found = half.render(portrait.canonical, portrait.code, motion)
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().mean() < 0.02


def test_precision_is_that_of_the_cpu_s_kind_unless_told(networks: VolumeNetworks) -> None:
    assert VolumeEngine(networks).precision == getattr(torch, cpu_precision())
    assert VolumeEngine(networks, precision=torch.float32).precision == torch.float32


def test_the_adapter_is_kept_with_the_networks(
    networks: VolumeNetworks, adapter: DynamicsAdapter, tmp_path: Path, checkpoints: Path
) -> None:
    (tmp_path / "mesh").symlink_to(checkpoints / "mesh")
    save_volume(tmp_path / "volume", networks)
    with pytest.raises(InputError, match="has no adapter"):
        VolumeFaceModel.load(tmp_path)
    save_volume(tmp_path / "volume", networks, adapter)
    loaded, kept = load_volume_model(tmp_path / "volume")
    assert kept is not None
    assert loaded.config == load_volume(tmp_path / "volume").config == SMALL
    values = torch.randn(2, 36, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(kept(values), adapter(values), atol=0.02, rtol=0.01)
    assert VolumeFaceModel.load(tmp_path).engine.config == SMALL


@pytest.mark.gpu
def test_a_gpu_draws_the_same_in_float16(
    face: VolumeFaceModel, portrait: VolumePortrait, networks: VolumeNetworks, adapter: DynamicsAdapter
) -> None:
    fast = VolumeFaceModel(face.basis, VolumeEngine(networks, "cuda"), adapter)
    assert fast.engine.precision == torch.float16
    ready, motion = fast.encode_portrait(*photo_of(fast)), moving(portrait, 9)
    for one, other in zip(fast.decode(ready, motion), face.decode(portrait, motion), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2
