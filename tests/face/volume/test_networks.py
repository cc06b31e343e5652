"""The latent space's networks: shapes, what depends on what, gradients, autocast and checkpoints."""

from __future__ import annotations

import dataclasses
import json
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import SMALL
from torch import Tensor

from vasa_core.errors import InputError
from vasa_core.face.pose import LOG_DISTANCE, SHIFT_X, SHIFT_Y
from vasa_core.face.volume.config import PRESETS, VolumeConfig, preset
from vasa_core.face.volume.networks import MotionCode, VolumeNetworks, load_volume, save_volume
from vasa_core.face.volume.rigid import FACE_CENTRE, FACE_REACH

TINY = preset("tiny-128")
PARTS = ["appearance", "identity", "head_pose", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"]


def images(count: int, side: int = SMALL.image, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def small(seed: int = 0) -> VolumeNetworks:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VolumeNetworks(SMALL)


def reenacted(networks: VolumeNetworks, source: Tensor, driver: Tensor) -> Tensor:
    own = networks.motion_code(source)
    identity = networks.identity_code(source, own.pose)
    canonical = networks.canonical(networks.appearance_volume(source), identity, own)
    return networks.render(canonical, identity, networks.motion_code(driver))


def test_shapes_and_ranges_of_tiny() -> None:
    networks = VolumeNetworks(TINY).eval()
    image = images(2, 128)
    volume, motion = networks.appearance_volume(image), networks.motion_code(image)
    identity = networks.identity_code(image, motion.pose)
    assert volume.shape == (2, 8, 4, 128, 128)
    assert identity.shape == (2, 128)
    assert motion.pose.shape == (2, 6)
    assert motion.dynamics.shape == (2, 128)
    canonical = networks.canonical(volume, identity, motion)
    assert canonical.shape == (2, 9, 4, 128, 128)  # and where the photo shows the inside of the mouth
    picture = networks.render(canonical, identity, motion)
    assert picture.shape == (2, 4, 128, 128)
    assert picture.dtype == torch.float32
    assert picture[:, :3].min() < 0 <= picture[:, 3].min()
    assert picture[:, 3].max() <= 1


def test_poses_begin_near_the_one_that_fills_the_cube() -> None:
    pose = small().motion_code(images(4)).pose
    torch.testing.assert_close(
        pose, torch.tensor([0, 0, 0, 0, 0, log(2 * SMALL.reach)]).expand(4, 6), atol=0.3, rtol=0.0
    )


@pytest.mark.parametrize("direction", ["to_canonical", "from_canonical"])
def test_learned_offsets_begin_small(direction: str) -> None:
    networks = small().eval()
    motion = networks.motion_code(images(2))
    identity = networks.identity_code(images(2), motion.pose)
    offsets = getattr(networks, direction)(motion.dynamics, identity)
    assert 0 < offsets.abs().max() < 0.1  # a twentieth of the cube's side


def test_gradient_reaches_every_parameter() -> None:
    networks = small()
    reenacted(networks, images(2), images(2, seed=1)).square().mean().backward()
    without = [n for n, p in networks.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []
    still = [
        name
        for name in PARTS
        if all(not p.grad.any() for p in getattr(networks, name).parameters() if p.grad is not None)
    ]
    assert still == []


def test_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        networks = small().eval()
        networks.checkpointing = checkpointing
        reenacted(networks, images(1), images(1, seed=1)).mean().backward()
        gradients.append([p.grad for p in networks.parameters()])
    torch.testing.assert_close(*gradients)


def test_motion_of_an_image_depends_on_that_image_only() -> None:
    networks = small().eval()
    batch = images(3)
    other = torch.cat([batch[:1], images(2, seed=5)])
    for ours, theirs in zip(networks.motion_code(batch), networks.motion_code(other), strict=True):
        torch.testing.assert_close(ours[0], theirs[0])
        assert not torch.allclose(ours[1], theirs[1])


def test_a_driver_gives_nothing_but_its_motion_code() -> None:
    networks = small().eval()
    source, driver = images(1), images(1, seed=1)
    own, motion = networks.motion_code(source), networks.motion_code(driver)
    identity = networks.identity_code(source, own.pose)
    canonical = networks.canonical(networks.appearance_volume(source), identity, own)
    picture = networks.render(canonical, identity, motion)
    copied = networks.render(canonical, identity, MotionCode(motion.pose.clone(), motion.dynamics.clone()))
    assert torch.equal(picture, copied)
    swapped = networks.render(canonical, identity, MotionCode(motion.pose, own.dynamics))
    assert not torch.allclose(picture, swapped)


def test_identity_is_read_off_the_face_wherever_it_is() -> None:
    networks = VolumeNetworks(dataclasses.replace(SMALL, upright_identity=True)).eval()
    image = torch.zeros(1, 3, SMALL.image, SMALL.image)
    quarter = SMALL.image // 4
    image[..., quarter : 2 * quarter, quarter : 2 * quarter] = images(1, quarter)
    width = quarter / (2 * FACE_REACH)  # px: the square around the face is just the patch
    pose = torch.zeros(1, 6)
    pose[:, LOG_DISTANCE] = log(SMALL.image / width)
    middle = (1.5 * quarter - SMALL.image / 2) / width  # face widths from the picture's middle, right and down
    pose[:, [SHIFT_X, SHIFT_Y]] = torch.tensor([middle - FACE_CENTRE[0], middle - FACE_CENTRE[1]])
    code = networks.identity_code(image, pose)
    moved = pose.clone()
    moved[:, SHIFT_X] += quarter / width
    torch.testing.assert_close(networks.identity_code(image.roll(quarter, 3), moved), code, atol=1e-4, rtol=1e-4)
    assert (networks.identity_code(image.roll(quarter, 3), pose) - code).abs().max() > 1e-3
    image[..., 3 * quarter :] = 1  # beside the face
    torch.testing.assert_close(networks.identity_code(image, pose), code, atol=1e-4, rtol=1e-4)


def test_identity_is_read_off_the_whole_picture_where_the_config_says_so() -> None:
    networks = VolumeNetworks(dataclasses.replace(SMALL, upright_identity=False)).eval()
    image, pose = images(1), torch.tensor([[0, 0, 0, 0.1, 0.2, 2.0]])
    code = networks.identity_code(image, pose)
    assert torch.equal(networks.identity_code(image, pose + 0.3), code)
    image[..., -4:] = 1
    assert (networks.identity_code(image, pose) - code).abs().max() > 1e-3


def test_pose_acts_only_by_the_rigid_part() -> None:
    """Half a turn of roll turns the picture's volume and nothing else: the learned offsets know no pose."""
    networks = VolumeNetworks(dataclasses.replace(SMALL, body_stays=False)).eval()
    motion = networks.motion_code(images(1))
    identity = networks.identity_code(images(1), motion.pose)
    canonical = networks.appearance_volume(images(1))
    upright = torch.tensor([[0, 0, 0, 0, 0, log(2 * SMALL.reach)]])
    turned = upright + torch.tensor([[0, 0, torch.pi, 0, 0, 0]])
    seen = []
    handle = networks.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for pose in (upright, turned):
        networks.render(canonical, identity, MotionCode(pose, motion.dynamics))
    handle.remove()
    assert seen[0].std() > 0.1
    torch.testing.assert_close(seen[1], seen[0].flip(3, 4), atol=1e-4, rtol=0.0)


def test_eval_is_deterministic_and_training_drops() -> None:
    networks = small()
    image = images(2)
    training = networks.motion_code(image), networks.motion_code(image)
    assert not torch.equal(training[0].dynamics, training[1].dynamics)
    assert torch.equal(training[0].pose, training[1].pose)
    dropped = (training[0].dynamics == 0).float().mean()
    assert 0 < dropped < 0.3
    networks.eval()
    assert torch.equal(reenacted(networks, image, image), reenacted(networks, image, image))
    assert not (networks.motion_code(image).dynamics == 0).any()


def test_an_image_gives_the_same_alone_and_in_a_batch() -> None:
    networks = small().eval()
    source, driver = images(3), images(3, seed=1)
    torch.testing.assert_close(
        reenacted(networks, source, driver)[1:2],
        reenacted(networks, source[1:2], driver[1:2]),
        atol=1e-4,
        rtol=1e-4,
    )


def test_bf16_autocast_gives_finite_float32() -> None:
    networks = small().eval()
    exact = reenacted(networks, images(2), images(2, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        picture = reenacted(networks, images(2), images(2, seed=1))
        motion = networks.motion_code(images(2))
    assert picture.dtype == motion.pose.dtype == motion.dynamics.dtype == torch.float32
    assert picture.isfinite().all()
    assert (picture - exact).abs().mean() < 0.05


def test_bf16_gradients_are_about_those_of_float32() -> None:
    networks, target = small().eval(), images(2, seed=2)
    sizes: dict[bool, dict[str, float]] = {}
    for half in (False, True):
        networks.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            picture = reenacted(networks, images(2), images(2, seed=1))
        (picture[:, :3] - target).square().mean().backward()
        sizes[half] = {n: float(p.grad.norm()) for n, p in networks.named_parameters() if p.grad is not None}
        assert [n for n, size in sizes[half].items() if not size < float("inf")] == []
    large = [n for n, p in networks.named_parameters() if p[0].numel() > 64 and sizes[False][n] > 1e-3]
    assert len(large) > 20
    assert [n for n in large if not 0.5 < sizes[True][n] / sizes[False][n] < 2] == []


@pytest.mark.parametrize("name", PRESETS)
def test_no_3d_kernel_works_at_depth_two(name: str) -> None:
    """On a CPU, oneDNN's bf16 weight gradient is unset memory there: finite or not, never right."""
    with torch.device("meta"):
        networks, image = (
            VolumeNetworks(PRESETS[name]).eval(),
            torch.empty(1, 3, PRESETS[name].image, PRESETS[name].image),
        )
    depths = set()
    for layer in networks.modules():
        if isinstance(layer, torch.nn.Conv3d) and layer.kernel_size[0] == 3:
            layer.register_forward_pre_hook(lambda _, inputs: depths.add(inputs[0].shape[2]))
    reenacted(networks, image, image)
    assert 4 in depths
    assert min(depths) == 4


def test_saved_networks_come_back(tmp_path: Path) -> None:
    networks = small().eval()
    save_volume(tmp_path, networks)
    loaded = load_volume(tmp_path)
    assert loaded.config == SMALL
    assert not loaded.training
    for name, value in networks.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name
    again = reenacted(loaded, images(1), images(1, seed=1))
    assert (again - reenacted(networks, images(1), images(1, seed=1))).abs().mean() < 0.01


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_volume(tmp_path, small())
    stored = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**stored, "decoder_blocks": 2}))
    with pytest.raises(InputError, match="does not fit its own config"):
        load_volume(tmp_path)


def test_unknown_presets_are_named() -> None:
    with pytest.raises(InputError, match="'huge'.*paper-512, paper-256, tiny-128"):
        preset("huge")


@pytest.mark.parametrize(
    "wrong", [{"carries_colours": False, "side": 16, "decoder_widths": (8, 8)}, {"side": 16}, {"depth": 2}]
)
def test_sides_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=list(wrong)[-1]):
        dataclasses.replace(SMALL, **wrong)


def parameters(config: VolumeConfig) -> dict[str, int]:
    with torch.device("meta"):
        parts = VolumeNetworks(config).named_children()
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts}


def test_paper_size_is_about_the_published_one() -> None:
    """VASA-1 states about 200 M parameters; MegaPortraits states the volume and the kinds of its parts."""
    counts = parameters(PRESETS["paper-512"])
    assert list(counts) == PARTS
    assert 170e6 < sum(counts.values()) < 230e6
    assert 23e6 < counts["identity"] < 26e6  # ResNet-50
    assert 10.5e6 < counts["head_pose"] < 12e6  # ResNet-18


def test_paper_256_is_paper_512_for_smaller_images() -> None:
    with torch.device("meta"):
        shapes = [
            {name: value.shape for name, value in VolumeNetworks(PRESETS[key]).state_dict().items()}
            for key in ("paper-256", "paper-512")
        ]
    assert shapes[0] == shapes[1]


def test_tiny_is_within_its_budget() -> None:
    assert 3e6 < sum(parameters(TINY).values()) < 6e6
