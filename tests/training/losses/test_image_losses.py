"""Losses on images: known answers, and a gradient to exactly the images that are to change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.face.inpaint.regions import MOUTH
from vasa_core.face.topology import canonical_mesh
from vasa_core.training.losses.perceptual import DownsampledPerceptual, Perceptual
from vasa_core.training.losses.picture import (
    GAZE,
    SPEECH,
    alpha_loss,
    box_weight,
    over_grey,
    region_loss,
    transfer_loss,
    weighted_l1,
)

SIDE = 64
WIDTH = 40.0  # of the face below, px


@pytest.fixture(scope="module")
def vgg() -> Perceptual:
    return Perceptual(resolve("perceptual"))


@pytest.fixture(scope="module")
def landmarks() -> Tensor:
    """The canonical face from the front, 40 px wide, in an image of 64 px; iris points at the eyes' middle."""
    mesh = canonical_mesh(resolve("face_landmarker"))[0][:, :2]
    irises = [np.repeat(mesh[list(region.centre)].mean(0)[None], 5, 0) for region in GAZE]
    points = np.concatenate([mesh, *irises]) * WIDTH + (SIDE / 2, SIDE / 2 - 8)
    return torch.tensor(points[None], dtype=torch.float32)


def images(channels: int = 3, seed: int = 0, side: int = SIDE, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, side, side, generator=generator).requires_grad_()


def reached(loss: Tensor, **inputs: Tensor) -> set[str]:
    """Names of the inputs to which a loss gives a gradient."""
    loss.backward()
    return {name for name, x in inputs.items() if x.grad is not None and bool(x.grad.abs().sum() > 0)}


def test_a_render_lies_over_grey() -> None:
    render = torch.tensor([0.8, -0.4, 1.0, 0.25]).reshape(1, 4, 1, 1)
    assert torch.allclose(over_grey(render).flatten(), torch.tensor([0.2, -0.1, 0.25]))


def test_pixel_loss_counts_the_person_only() -> None:
    painted, target = torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4)
    painted[0, :, 0] = torch.tensor([0.6, 0.2, 0.9, -1.0])
    matte = torch.tensor([1.0, 0.5, 0.0, 0.0]).reshape(1, 1, 1, 4)
    assert float(weighted_l1(painted, target, matte)) == pytest.approx((0.6 * 1 + 0.2 * 0.5) / 1.5)
    assert weighted_l1(painted, target, torch.zeros_like(matte)) == 0


def test_alpha_loss_known_answer() -> None:
    alpha, matte = torch.tensor([0.75, 0.5]).reshape(1, 1, 1, 2), torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    assert float(alpha_loss(alpha, matte)) == pytest.approx(0.375)


def test_pixel_and_alpha_losses_train_the_render_only() -> None:
    painted, target, matte, alpha = images(), images(seed=1), images(1, 2), images(1, 3)
    inputs = {"painted": painted, "target": target, "matte": matte, "alpha": alpha}
    assert reached(weighted_l1(painted, target, matte), **inputs) == {"painted"}
    painted.grad = None
    assert reached(alpha_loss(alpha, matte), **inputs) == {"alpha"}


def test_perceptual_loss_at_half_scale_is_that_of_halved_images(vgg: Perceptual) -> None:
    small = images(side=32), images(seed=1, side=32)
    large = [x.detach().repeat_interleave(2, 2).repeat_interleave(2, 3) for x in small]
    expected = vgg(*small).detach()
    assert DownsampledPerceptual(vgg)(*small).item() == pytest.approx(expected.item())
    assert float(DownsampledPerceptual(vgg, 1)(*large)) == pytest.approx(float(expected), rel=1e-5)
    assert float(DownsampledPerceptual(vgg)(*large)) != pytest.approx(float(expected), rel=1e-2)


def test_perceptual_loss_trains_the_prediction_towards_the_target(vgg: Perceptual) -> None:
    loss, painted, target = DownsampledPerceptual(vgg, 1), images(), images(seed=1)
    weights = dict(vgg.named_parameters())
    assert reached(loss(painted, target), painted=painted, target=target, **weights) == {"painted"}
    assert loss(target, target) == 0
    near = target + 0.1 * (painted - target)
    assert loss(near, target) < loss(painted, target)


def test_perceptual_loss_refuses_what_its_features_cannot_be_taken_of(vgg: Perceptual) -> None:
    with pytest.raises(InputError, match="downsampling is -1"):
        DownsampledPerceptual(vgg, -1)
    with pytest.raises(InputError, match="32x32 px .* 64 px"):
        DownsampledPerceptual(vgg, 2)(images(side=32), images(side=32))


def test_boxes_lie_on_eyes_and_mouth(landmarks: Tensor) -> None:
    eyes, mouth = (box_weight(landmarks, (SIDE, SIDE), regions)[0, 0] for regions in (GAZE, SPEECH))

    def at(weight: Tensor, index: int) -> float:
        x, y = landmarks[0, index].round().int().tolist()
        return float(weight[y, x])

    for iris in (468, 473):
        assert at(eyes, iris) == 1
        assert at(mouth, iris) == 0
    for lip in (13, 14, 61, 291):
        assert at(mouth, lip) == 1
        assert at(eyes, lip) == 0
    for elsewhere in (6, 10, 152, 234, 454):  # nose bridge, forehead, chin, cheeks
        assert at(eyes, elsewhere) == 0
        assert at(mouth, elsewhere) == 0
    area = (0.6 * MOUTH.side * WIDTH) ** 2
    assert float(mouth.sum()) == pytest.approx(area, rel=0.05)


def test_boxes_turn_and_grow_with_the_head(landmarks: Tensor) -> None:
    upright = box_weight(landmarks, (SIDE, SIDE), SPEECH)
    centre = (SIDE - 1) / 2
    quarter = torch.stack([centre - (landmarks[..., 1] - centre), landmarks[..., 0]], -1)
    turned = box_weight(quarter, (SIDE, SIDE), SPEECH)
    assert torch.allclose(turned, torch.rot90(upright, -1, (2, 3)), atol=1e-4)
    cosine, sine = math.cos(0.5), math.sin(0.5)
    slanted = (landmarks - centre) @ torch.tensor([[cosine, sine], [-sine, cosine]]) + centre
    assert float(box_weight(slanted, (SIDE, SIDE), SPEECH).sum()) == pytest.approx(float(upright.sum()), rel=0.03)
    half = box_weight(landmarks / 2, (SIDE, SIDE), SPEECH)
    assert float(half.sum()) == pytest.approx(float(upright.sum()) / 4, rel=0.1)


def test_where_boxes_overlap_pixels_count_once(landmarks: Tensor) -> None:
    twice = box_weight(landmarks, (SIDE, SIDE), SPEECH + SPEECH)
    assert torch.equal(twice, box_weight(landmarks, (SIDE, SIDE), SPEECH))


def test_region_loss_knows_its_regions(landmarks: Tensor) -> None:
    target = torch.zeros(1, 3, SIDE, SIDE)
    painted = 0.4 * box_weight(landmarks, (SIDE, SIDE), GAZE).ceil().expand(1, 3, SIDE, SIDE)
    assert float(region_loss(painted, target, landmarks, GAZE)) == pytest.approx(0.4)
    assert region_loss(painted, target, landmarks, SPEECH) == 0


def test_region_loss_is_fair_to_far_faces_and_safe_without_any(landmarks: Tensor) -> None:
    painted, target = torch.full((2, 3, SIDE, SIDE), 0.3), torch.zeros(2, 3, SIDE, SIDE)
    both = torch.cat([landmarks, landmarks / 2])
    assert float(region_loss(painted, target, both, GAZE)) == pytest.approx(0.3)
    away = torch.cat([landmarks, landmarks + 1000])
    assert float(region_loss(painted, target, away, GAZE)) == pytest.approx(0.15)
    nowhere = torch.zeros(2, 478, 2)
    assert bool(region_loss(painted, target, nowhere, GAZE).isfinite())


def test_region_loss_trains_the_prediction_only(landmarks: Tensor) -> None:
    painted, target, points = images(), images(seed=1), landmarks.clone().requires_grad_()
    loss = region_loss(painted, target, points, GAZE)
    assert reached(loss, painted=painted, target=target, points=points) == {"painted"}
    assert painted.grad is not None
    inside = box_weight(landmarks, (SIDE, SIDE), GAZE) > 0
    assert torch.equal((painted.grad != 0).any(1, keepdim=True), inside)


def test_transfer_loss_known_answer() -> None:
    posed, animated = torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    posed[:, :3], posed[:, 3] = 0.8, 0.5  # 0.4 over grey
    animated[:, :3], animated[:, 3] = 0.1, 1.0
    assert float(transfer_loss(posed, animated)) == pytest.approx(0.3 + 0.5)


def test_transfer_loss_trains_both_renders_and_wants_them_alike() -> None:
    posed, animated = images(4, side=32), images(4, 1, side=32)
    loss = transfer_loss(posed, animated)
    assert reached(loss, posed=posed, animated=animated) == {"posed", "animated"}
    for render in (posed, animated):
        assert render.grad is not None
        assert bool((render.grad != 0).any(0).any(1).any(1).all())
    assert loss.item() == pytest.approx(transfer_loss(animated, posed).item(), rel=1e-5)
    assert transfer_loss(posed, posed) == 0
