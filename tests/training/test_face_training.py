"""Training of the volume face model: batches, what each loss reaches, resuming, and dividing a step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vasa_core.config import CHECKPOINTS, InputError
from vasa_core.face.mesh import load_basis
from vasa_core.face.volume.config import PRESETS
from vasa_core.registry import resolve
from vasa_core.training.averages import Average, cosine_rate
from vasa_core.training.face import FaceTrainer, FaceTrainingConfig
from vasa_core.training.face_batches import FaceBatch, FaceBatches, view
from vasa_core.training.face_frames import FaceFrames
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.perceptual import Perceptual
from vasa_core.types import Motion

SIZE, FRAMES = 32, 5
MICRO = replace(
    PRESETS["tiny-128"],
    image=SIZE,
    side=8,
    depth=8,
    warp_depth=8,
    warp_side=8,
    identity_widths=(8, 8, 16, 16),
    pose_widths=(8, 8, 16, 16),
    dynamics_widths=(8, 8, 16, 16),
    pooled=1,
    dropout=0.0,
)
NO_IDENTITY = LossWeights(face=0.0, cross_identity=0.0)
CONFIG = FaceTrainingConfig(
    steps=20, batch=4, warmup=1, judge_from=0, judge_width=4, half=False, workers=0, weights=NO_IDENTITY
)


@pytest.fixture(autouse=True)
def micro(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks small enough for a test, in place of the tiny ones."""
    monkeypatch.setitem(PRESETS, "tiny-128", MICRO)


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual(resolve("perceptual"))


def make_frames(seed: int) -> FaceFrames:
    """A coloured disc with a dark mouth that moves about: enough of a person to be drawn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    frames = rng.integers(0, 60, (FRAMES, SIZE, SIZE, 3), np.uint8)
    mattes = np.zeros((FRAMES, SIZE, SIZE), np.uint8)
    landmarks = np.zeros((FRAMES, 478, 3), np.float32)
    shift = rng.normal(0, 0.1, (FRAMES, 2))
    for i in range(FRAMES):
        centre = SIZE / 2 + shift[i] * SIZE / 3
        inside = np.hypot(x - centre[0], y - centre[1]) < 10
        mattes[i][inside] = 255
        frames[i][inside] = rng.integers(100, 255, 3)
        frames[i][np.hypot(x - centre[0], y - centre[1] - 5) < 1 + (i % 2)] = 20
        landmarks[i, :, :2] = centre + rng.normal(0, 3, (478, 2))
    pose = np.zeros((FRAMES, 6), np.float32)
    pose[:, 3:5], pose[:, 5] = shift, np.log(3.0)
    dynamics, mirrored = rng.normal(size=(2, FRAMES, 36)).astype(np.float32)
    return FaceFrames(f"person {seed}", "train", frames, mattes, landmarks, pose, dynamics, mirrored)


@pytest.fixture(scope="module")
def clips() -> list[FaceFrames]:
    return [make_frames(seed) for seed in range(3)]


def steps(trainer: FaceTrainer, count: int) -> list[dict[str, float]]:
    batches = trainer.batches()
    return [trainer.train_step(next(batches)) for _ in range(count)]


def weights_of(module: nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in module.parameters()])


def same(a: FaceBatch, b: FaceBatch) -> bool:
    pairs = [(x, y) for mine, theirs in zip(a, b, strict=True) for x, y in zip(mine, theirs, strict=True)]
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_batch_depends_on_seed_and_number_alone(clips: list[FaceFrames]) -> None:
    batches = FaceBatches(clips, 4, seed=3)
    assert same(batches.batch(7), FaceBatches(clips, 4, seed=3, first=5).batch(7))
    assert not same(batches.batch(7), batches.batch(8))
    assert not same(batches.batch(7), FaceBatches(clips, 4, seed=4).batch(7))
    resumed = iter(FaceBatches(clips, 4, seed=3, first=5))
    assert same(next(resumed), batches.batch(5)) and same(next(resumed), batches.batch(6))


def test_processes_share_one_batch(clips: list[FaceFrames]) -> None:
    whole = FaceBatches(clips, 4, seed=1).batch(2)
    second = FaceBatches(clips, 4, seed=1, part=slice(2, 4)).batch(2)
    assert same(whole.part(slice(2, 4)), second)


def test_source_and_driving_are_one_person_and_other_is_not(clips: list[FaceFrames]) -> None:
    plain = [replace(clip, frames=np.full_like(clip.frames, 40 * (i + 1))) for i, clip in enumerate(clips)]
    full = [replace(clip, mattes=np.full_like(clip.mattes, 255)) for clip in plain]
    batch = FaceBatches(full, 16, seed=0).batch(0)
    source, driving, other = (views.image.mean((1, 2, 3)) for views in batch)
    assert torch.equal(source, driving)
    assert ((source - other).abs() > 0.05).all()


def test_one_person_is_not_enough(clips: list[FaceFrames]) -> None:
    with pytest.raises(InputError, match="1 person; expected at least two"):
        FaceBatches([clips[0], clips[0]], 2, 0)


def test_a_mirrored_view_is_what_a_mirror_shows(clips: list[FaceFrames]) -> None:
    clip = clips[0]
    pose = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    clip = replace(clip, pose=np.repeat(pose, FRAMES, 0).astype(np.float32))
    plain, mirrored = view(clip, 1), view(clip, 1, mirrored=True)
    assert np.array_equal(plain["image"][:, ::-1], mirrored["image"])
    basis = load_basis(CHECKPOINTS / "mesh")[0]
    expected = basis.mirror(Motion(pose, np.zeros((1, basis.dynamics.shape[0] + 4)))).pose[0]
    assert np.allclose(mirrored["pose"], expected)
    x, y = np.rint(plain["landmarks"][7]).astype(int).clip(0, SIZE - 1)
    u, v = np.rint(mirrored["landmarks"][7]).astype(int).clip(0, SIZE - 1)
    assert np.array_equal(plain["image"][y, x], mirrored["image"][v, u])


def test_only_the_encoders_pictures_are_augmented(clips: list[FaceFrames]) -> None:
    plain, shaken = view(clips[0], 2), view(clips[0], 2, np.random.default_rng(0))
    assert np.array_equal(plain["image"], shaken["image"]) and np.array_equal(plain["seen"], plain["image"])
    assert not np.array_equal(shaken["seen"], shaken["image"])
    assert not np.array_equal(shaken["moved"], shaken["seen"])
    assert (shaken["seen"][clips[0].mattes[2] == 0] == 128).all()


def reached(trainer: FaceTrainer) -> set[str]:
    return {
        name
        for name, part in trainer.networks.named_children()
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("head_pose", {"head_pose"}),
        ("probe", {"dynamics"}),
        (
            "pixel",
            {"appearance", "identity", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"},
        ),
        ("canonical", {"appearance", "identity", "dynamics", "to_canonical", "volume_unet"}),
        (
            "transfer",
            {"appearance", "identity", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"},
        ),
        (
            "cosine",
            {"appearance", "identity", "dynamics", "to_canonical", "from_canonical", "volume_unet", "decoder"},
        ),
    ],
)
def test_each_loss_trains_exactly_its_parts(
    name: str, parts: set[str], clips: list[FaceFrames], perceptual: Perceptual
) -> None:
    off = dict.fromkeys(LossWeights().named(), 0.0)
    trainer = FaceTrainer(clips, replace(CONFIG, batch=2, weights=LossWeights(**{**off, name: 1.0})), perceptual, None)
    with torch.no_grad():  # the warps start at no offset, which gives what is before them no gradient
        for part in (trainer.networks.to_canonical, trainer.networks.from_canonical):
            for value in part.parameters():
                value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    batch = next(trainer.batches())
    losses = trainer.criteria.losses(trainer.graph(batch), batch)
    losses[name].backward()
    assert reached(trainer) == parts


def test_losses_that_are_off_draw_nothing(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    weights = replace(NO_IDENTITY, transfer=0.0, canonical=0.0, cosine=0.0)
    trainer = FaceTrainer(clips, replace(CONFIG, weights=weights), perceptual, None)
    renders = trainer.graph(next(trainer.batches()))
    assert renders.posed is renders.animated is renders.crossed is renders.canonical is renders.reread is None


def test_a_loss_that_needs_a_descriptor_is_not_left_out_silently(
    clips: list[FaceFrames], perceptual: Perceptual
) -> None:
    with pytest.raises(InputError, match="need an identity descriptor"):
        FaceTrainer(clips, replace(CONFIG, weights=LossWeights()), perceptual, None)


def test_a_batch_that_cannot_be_divided_is_refused(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    with pytest.raises(InputError, match="batch is 4; expected a multiple of 1 processes x 3 parts"):
        FaceTrainer(clips, replace(CONFIG, accumulate=3), perceptual, None)
    with pytest.raises(InputError, match="preset is 'huge'"):
        replace(CONFIG, preset="huge").validate()


def test_training_learns_what_it_sees(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    weights = LossWeights(
        **{**dict.fromkeys(LossWeights().named(), 0.0), "pixel": 10.0, "alpha": 5.0, "head_pose": 5.0}
    )
    config = replace(CONFIG, batch=2, learning_rate=2e-3, steps=40, weights=weights)
    found = steps(FaceTrainer(clips, config, perceptual, None), 25)
    first, last = (np.mean([entry["total"] for entry in part]) for part in (found[:3], found[-3:]))
    assert last < 0.6 * first


def test_a_resumed_run_goes_on_as_if_nothing_had_been(
    clips: list[FaceFrames], perceptual: Perceptual, tmp_path: Path
) -> None:
    PRESETS["tiny-128"] = replace(MICRO, dropout=0.1)
    whole = FaceTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    expected = steps(whole, 4)
    begun = FaceTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    steps(begun, 2)
    begun.save_state(tmp_path / "state.safetensors")
    resumed = FaceTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    resumed.load_state(tmp_path / "state.safetensors")
    assert steps(resumed, 2) == expected[2:]
    assert torch.equal(weights_of(resumed.networks), weights_of(whole.networks))
    assert torch.equal(weights_of(resumed.averaged()), weights_of(whole.averaged()))
    assert torch.equal(weights_of(resumed.plain_judge), weights_of(whole.plain_judge))
    other = FaceTrainer(clips, replace(CONFIG, batch=2, seed=1), perceptual, None)
    with pytest.raises(InputError, match="another seed"):
        other.load_state(tmp_path / "state.safetensors")


def test_micro_batches_make_up_the_batch(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    whole, divided = (FaceTrainer(clips, replace(CONFIG, accumulate=parts), perceptual, None) for parts in (1, 4))
    (first, second), (parts_first, parts_second) = steps(whole, 2), steps(divided, 2)
    judged = {"adversarial", "feature_matching", "judge", "total"}  # spectral norms move with each pass
    assert {n: v for n, v in first.items() if n not in judged} == pytest.approx(
        {n: v for n, v in parts_first.items() if n not in judged}, rel=1e-5
    )
    assert first == pytest.approx(parts_first, rel=5e-3) and second == pytest.approx(parts_second, rel=5e-3)
    moved = weights_of(whole.networks) - weights_of(FaceTrainer(clips, CONFIG, perceptual, None).networks)
    apart = (weights_of(whole.networks) - weights_of(divided.networks)).abs().mean()
    assert apart < 0.05 * moved.abs().mean()


def test_the_average_follows_and_the_rate_falls() -> None:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average.update(module, 0)
    assert average.values["weight"].item() == pytest.approx(0.9)  # young: nine tenths of the way
    average.update(module, 10_000)
    assert average.values["weight"].item() == pytest.approx(0.91)
    assert cosine_rate(0, 100, 10, 0.005) == pytest.approx(0.1)
    assert cosine_rate(50, 100, 10, 0.005) == pytest.approx(0.5)
    assert cosine_rate(100, 100, 10, 0.005) == pytest.approx(0.005)
