"""Training of the renderer: each loss teaches what it should, batches are reproducible, a run resumes exactly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vasa_core.assets import ASSETS, resolve
from vasa_core.data.crops import FaceClip, face_clip, kept_frames
from vasa_core.data.descriptors import open_descriptor
from vasa_core.errors import InputError
from vasa_core.face.inpaint.channels import PatchConfig
from vasa_core.face.inpaint.network import PatchNetwork, blended, load_network, save_network
from vasa_core.face.inpaint.regions import EYE_LEFT, EYE_RIGHT, MOUTH, Region
from vasa_core.face.topology import CHEEK_RIGHT, CHIN, EYES, LIPS_INNER, canonical_mesh
from vasa_core.io.image import read_image
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.training.engine.loop import run_training
from vasa_core.training.losses.adversarial import Verdict, discriminator_loss, feature_matching_loss
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.renderer.data import Batch, PairBatches, draw_frames, make_pairs, mirrored_pair, stacked
from vasa_core.training.renderer.held_out import contact_sheet, focus, scores, validation_pairs
from vasa_core.training.renderer.imitate import ImitationTrainer
from vasa_core.training.renderer.losses import (
    OpeningDiscriminator,
    about_opening,
    change_loss,
    composed,
    composed_identity_loss,
    gradient_penalty,
    imitation_loss,
    inside_share,
    painting_cost,
    pixel_loss,
    told_apart,
)
from vasa_core.training.renderer.train import BestNetwork, RendererTrainer, RendererTrainingConfig

PORTRAIT = ASSETS / "portrait.jpg"
PATCH = 48
TINY = PatchConfig(patch=PATCH, widths=(8, 8))


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual(resolve("perceptual"))


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    return canonical_mesh(resolve("face_landmarker"))[1]


@pytest.fixture(scope="module")
def clip() -> FaceClip:
    """The example portrait as a clip of four frames, whose lower inner lip drops while its upper lids come down."""
    image = read_image(PORTRAIT)
    with Landmarker(resolve("face_landmarker")) as landmarker:
        found = landmarker(image)
    assert found is not None
    landmarks = np.repeat(found[0][None], 4, 0).astype(np.float64)
    landmarks[:, list(LIPS_INNER[11:]), 1] += 2.0 * np.arange(4)[:, None]
    for eye in EYES:
        landmarks[:, list(eye.upper), 1] += 1.0 * np.arange(4)[:, None]
    x, y = landmarks[0, 1, :2].astype(int)
    side = 360
    left, top = max(0, x - side // 2), max(0, y - side // 2)
    crop = image[top : top + side, left : left + side]
    landmarks[..., :2] -= (left, top)
    return face_clip("portrait", np.repeat(crop[None], 4, 0), landmarks, np.array([3, 4, 9, 10]))


def example(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Driving input, view of the photo, truth."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(batch, c, PATCH, PATCH, generator=generator) * 2 - 1 for c in (9, 4, 3))  # pyright: ignore


def trained_parts(loss: torch.Tensor, **parts: nn.Module) -> set[str]:
    """Names of the parts to which a loss gives a gradient."""
    for part in parts.values():
        part.zero_grad()
    loss.backward()
    return {
        name
        for name, part in parts.items()
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())
    }


def test_each_loss_alone_trains_exactly_its_part(perceptual: Perceptual) -> None:
    network, discriminator = PatchNetwork(TINY), OpeningDiscriminator(8)
    x, photo, truth = example()
    parts = {"network": network, "discriminator": discriminator, "perceptual": perceptual}

    def painted() -> torch.Tensor:
        return blended(x, *network(x, network.source(photo)))

    assert trained_parts(pixel_loss(painted(), truth, x), **parts) == {"network"}
    assert trained_parts(change_loss(painted(), truth, x), **parts) == {"network"}
    assert trained_parts(painting_cost(network(x, network.source(photo))[1], x), **parts) == {"network"}
    assert trained_parts(perceptual(painted(), truth), **parts) == {"network"}
    real, fake = discriminator(truth, x), discriminator(painted().detach(), x)
    loss = discriminator_loss([real], [fake], inside_share(x, real.score))
    assert trained_parts(loss, **parts) == {"discriminator"}
    assert trained_parts(gradient_penalty(discriminator, truth, x), **parts) == {"discriminator"}
    assert "network" in trained_parts(-discriminator(painted(), x).score.mean(), **parts)
    matching = feature_matching_loss([discriminator(painted(), x)], [discriminator(truth, x)])
    assert "network" in trained_parts(matching, **parts)


def test_every_parameter_of_the_network_is_trained() -> None:
    network = PatchNetwork(PatchConfig(PATCH, (8, 8, 8)))
    x, photo, truth = example()
    pixel_loss(blended(x, *network(x, network.source(photo))), truth, x).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def trainer_of(config: RendererTrainingConfig, perceptual: Perceptual, *batches: Batch) -> RendererTrainer:
    """A trainer that is given the same batches over and over, from the step's on."""

    def from_step(step: int) -> Iterator[Batch]:
        return itertools.islice(itertools.cycle(batches), step, None)

    return RendererTrainer(config, from_step, perceptual)


def test_a_discriminators_step_leaves_the_network_alone(perceptual: Perceptual) -> None:
    run = trainer_of(RendererTrainingConfig(network=TINY, discriminator_width=8), perceptual)
    x, photo, truth = example()
    before = [p.clone() for p in run.network.parameters()]
    run.discriminator_step(blended(x, *run.network(x, run.network.source(photo))).detach(), truth, x)
    assert all(torch.equal(a, b) for a, b in zip(before, run.network.parameters(), strict=True))


def test_losses_of_a_perfect_result_are_zero(perceptual: Perceptual) -> None:
    x, _, truth = example()
    assert pixel_loss(truth, truth, x) == 0
    assert change_loss(truth, truth, x) == 0
    assert perceptual(truth, truth) == 0
    assert painting_cost(torch.zeros(2, 1, PATCH, PATCH), x) == 0
    sure = torch.full((1, 1, 2, 2), 1.5)
    assert discriminator_loss([Verdict(sure, [])], [Verdict(-sure, [])], torch.ones(1, 1, 2, 2)) == 0


@pytest.mark.parametrize("region", [MOUTH, EYE_LEFT, EYE_RIGHT])
def test_a_face_with_its_true_patch_in_place_is_the_face(clip: FaceClip, triangles: np.ndarray, region: Region) -> None:
    (pair,) = make_pairs(clip, 0, [3], region, triangles)
    for example in (pair, mirrored_pair(pair)):
        batch = stacked([example])
        whole = composed(batch.truth, batch.face, batch.place)
        assert (whole - batch.face).abs().mean() < 0.01  # sampled twice
        red = batch.truth.new_tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand_as(batch.truth)
        covered = (composed(red, batch.face, batch.place) - red[..., :1, :1]).abs().amax(1)[0] < 1e-4
        centre = batch.points[0, list(region.centre)].mean(0)
        rows, columns = torch.nonzero(covered).float().mean(0)
        assert abs(float(columns) - float(centre[0])) < 1
        assert abs(float(rows) - float(centre[1])) < 1


def test_the_identity_loss_sees_another_mouth_and_trains_the_network_alone(
    clip: FaceClip, triangles: np.ndarray
) -> None:
    descriptor = open_descriptor("dlib")
    assert descriptor is not None
    batch = stacked(make_pairs(clip, 0, [0], MOUTH, triangles))
    faces = batch.face, batch.points, batch.place
    assert float(composed_identity_loss(descriptor, batch.truth, batch.truth, *faces)) == pytest.approx(0, abs=1e-6)
    grey, dark = torch.zeros_like(batch.truth), batch.truth * 0.9 - 0.1
    strange, alike = (float(composed_identity_loss(descriptor, mouth, batch.truth, *faces)) for mouth in (grey, dark))
    assert strange > 3 * alike > 0
    network = PatchNetwork(PatchConfig(MOUTH.patch, (8, 8)))
    painted = blended(batch.x, *network(batch.x, network.source(batch.source)))
    loss = composed_identity_loss(descriptor, painted, batch.truth, *faces)
    assert trained_parts(loss, network=network, descriptor=descriptor.network) == {"network"}


def test_pixel_loss_known_answer() -> None:
    x = torch.full((1, 9, 4, 4), -1.0)
    painted, truth = torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)
    assert pixel_loss(painted, truth, x) == pytest.approx(0.5)
    x[:, 3] = 1  # everything is inside the lips, and the photo does not show it
    assert pixel_loss(painted, truth, x) == pytest.approx(0.5 * (1 + 4 * 0.25))
    x[:, 5] = 1  # it does: five times as dear
    assert pixel_loss(painted, truth, x) == pytest.approx(2.5)


def open_mouths(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Driving input, truth and painting of faces in any light: the same but for teeth inside the lips that are told
    from each other in the truth, and one blurred slab in the painting."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:64, :64]
    x, truth, painted = np.full((count, 9, 64, 64), -1.0), np.zeros((count, 3, 64, 64)), np.zeros((count, 3, 64, 64))
    for k in range(count):
        middle = 32 + rng.integers(-5, 6, 2)
        inside = ((rows - middle[0]) / 5) ** 2 + ((columns - middle[1]) / 11) ** 2 < 1
        folds = np.sin(rows / rng.uniform(3, 9) + columns / rng.uniform(3, 9))
        skin = rng.uniform(-0.6, 0.6) + 0.3 * folds + 0.1 * rng.normal(size=(64, 64))
        teeth = rng.uniform(-0.3, 0.6) + rng.uniform(0.03, 0.1) * np.sign(np.sin(columns * 1.3 + rng.uniform(0, 6)))
        slab = np.full_like(teeth, teeth.mean())
        x[k, :3], x[k, 3] = np.where(inside, -0.5, skin), np.where(inside, 1, -1)
        truth[k], painted[k] = np.where(inside, teeth, skin), np.where(inside, slab, skin)
    return tuple(torch.from_numpy(values).float() for values in (x, truth, painted))  # pyright: ignore


def test_the_discriminator_tells_painted_from_true_mouths(perceptual: Perceptual) -> None:
    config = RendererTrainingConfig(network=PatchConfig(64, (8, 8)), discriminator_width=8)
    run = trainer_of(config, perceptual)
    last = []
    for run.step in range(90):
        x, truth, painted = open_mouths(8, run.step)
        last = [*last[-9:], run.discriminator_step(painted, truth, x)]
    assert np.mean([values["discriminator"] for values in last]) < 1.0  # 2 at chance
    assert np.mean([values["discriminator_right"] for values in last]) > 0.8


def test_the_discriminator_sees_nothing_but_the_opening() -> None:
    discriminator = OpeningDiscriminator(8)
    x, truth, _ = open_mouths(2, 0)
    x, truth = about_opening(x, x, truth)
    elsewhere = torch.where(nn.functional.max_pool2d(x[:, 3:4], 9, 1, 4) > 0, truth, torch.rand_like(truth))
    inside = torch.where(x[:, 3:4] > 0, torch.rand_like(truth), truth)
    assert torch.equal(discriminator(truth, x).score, discriminator(elsewhere, x).score)
    assert not torch.allclose(discriminator(truth, x).score, discriminator(inside, x).score)


def test_a_mouth_is_cut_out_about_its_opening() -> None:
    x = torch.full((2, 9, 64, 64), -1.0)
    x[0, 3, 20:28, 30:40] = 1
    x[1, 3, 60:64, 0:6] = 1  # at the edge: the square stays in the patch
    (cut,) = about_opening(x, x)
    assert cut.shape == (2, 9, 32, 32)
    rows, columns = torch.nonzero(cut[0, 3] > 0).float().mean(0)
    assert abs(float(rows) - 15.5) <= 1
    assert abs(float(columns) - 15.5) <= 1
    assert torch.nonzero(cut[1, 3] > 0).amax(0).tolist() == [31, 5]


def test_verdicts_count_as_far_as_they_see_the_opening() -> None:
    x = torch.full((2, 9, 64, 64), -1.0)
    nothing = torch.zeros(2, 1, 8, 8)
    assert torch.equal(inside_share(x, nothing), nothing)
    x[0, 3, 24:40, 24:36] = 1
    weight = inside_share(x, nothing)
    assert float(weight.mean()) == pytest.approx(1)
    assert weight[0, 0, 0, 0] == 0
    assert weight[0, 0, 3, 4] == weight[0, 0, 3, 3] / 2
    assert float(discriminator_loss([Verdict(nothing, [])], [Verdict(nothing, [])], weight)) == pytest.approx(2)
    sure = torch.ones(2, 1, 8, 8)
    assert told_apart(sure, -sure, weight) == 1
    assert told_apart(sure, sure, weight) == 0.5
    assert told_apart(sure, sure, nothing) == 0.5  # nothing to judge


def test_change_loss_sees_flicker_and_not_a_steady_error() -> None:
    x = torch.full((2, 9, 4, 4), -1.0)
    truth = torch.zeros(2, 3, 4, 4)
    assert change_loss(truth + 0.3, truth, x) == pytest.approx(0)
    flicker = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 0.2)])
    assert change_loss(flicker, truth, x) == pytest.approx(0.2)
    x[0, 3] = 1  # inside the lips of one of the two frames
    assert change_loss(flicker, truth, x) == pytest.approx(1.0)


def test_perceptual_distance_grows_with_blur(perceptual: Perceptual, clip: FaceClip) -> None:
    image = torch.from_numpy(clip.frames[:1]).permute(0, 3, 1, 2).float() / 127.5 - 1
    distances = []
    for size in (3, 7):
        blurred = nn.functional.avg_pool2d(image, size, 1, size // 2, count_include_pad=False)
        distances.append(float(perceptual(blurred, image)))
    assert 0 < distances[0] < distances[1]


def test_kept_frames_are_valid_spread_and_include_open_mouths_and_blinks() -> None:
    lips, lids = np.zeros(400), np.full(400, 0.3)
    lips[141:144] = 0.2
    lids[300] = 0.05
    valid = np.ones(400, bool)
    valid[::10] = False
    valid[300] = True
    kept = kept_frames(valid, lips, lids, 40)
    assert len(kept) <= 40
    assert len(set(kept.tolist())) == len(kept)
    assert valid[kept].all()
    assert {141, 142, 143, 300, 301} <= set(kept.tolist())
    assert kept.min() < 5
    assert kept.max() > 390
    assert kept_frames(valid, lips, lids, 1000).tolist() == np.flatnonzero(valid).tolist()


def test_followers_are_the_next_frames(clip: FaceClip) -> None:
    assert clip.follower.tolist() == [1, 1, 3, 3]


@pytest.mark.parametrize("region", [MOUTH, EYE_LEFT])
def test_driving_frames_lean_to_what_is_to_be_learned(region: Region) -> None:
    rng = np.random.default_rng(0)
    levels = np.arange(90.0)
    frames, landmarks = np.zeros((90, 2, 2, 3), np.uint8), np.zeros((90, 478, 3))
    long = FaceClip("a", frames, landmarks, np.arange(90), levels, levels, np.zeros((90, 2)), 200.0)
    pairs = np.array([draw_frames(long, region, rng) for _ in range(2000)])
    photos, driving = pairs.mean(0)
    if region.iris:
        assert photos > 1.2 * levels.mean()
        assert driving < 0.8 * levels.mean()
    else:
        assert photos < 0.9 * levels.mean()
        assert driving > 1.2 * levels.mean()


def mouths(speaker: str, gaps: list[float], widths: list[float]) -> FaceClip:
    """A clip of blank frames. gaps: between the lips, in face heights. widths: of the mouth, in face widths."""
    landmarks = np.zeros((len(gaps), 478, 3), np.float32)
    landmarks[:, CHEEK_RIGHT, 0], landmarks[:, CHIN, 1] = 150, 200
    landmarks[:, 14, 1], landmarks[:, 308, 0] = 200 * np.array(gaps), 150 * np.array(widths)
    for eye in EYES:
        landmarks[:, eye.corners[1], 0] = 30
    return face_clip(speaker, np.zeros((len(gaps), 4, 4, 3), np.uint8), landmarks, np.arange(len(gaps)))


def test_wide_mouths_are_wide_for_the_face_and_for_the_clip() -> None:
    assert mouths("shouts", [0.01, 0.02, 0.08, 0.1, 0.12], [0.3] * 5).wide.tolist() == [3, 4]
    assert mouths("mumbles", [0.01, 0.02, 0.03, 0.04, 0.05], [0.3] * 5).wide.tolist() == []
    assert mouths("smiles", [0.0, 0.03, 0.03, 0.03, 0.0], [0.3, 0.3, 0.36, 0.42, 0.42]).wide.tolist() == [3]


def test_most_mouths_are_driven_to_wide_ones_of_those_who_have_them(triangles: np.ndarray) -> None:
    lively = [mouths(name, [0.0] * 24 + [0.1] * 12, [0.3] * 36) for name in ("a", "b", "b", "b", "b")]
    still = [mouths("c", [0.0] * 24 + [0.04] * 12, [0.3] * 36) for _ in range(10)]
    batches, rng = PairBatches([*lively, *still], triangles, "mouth", 12, 0, 0), np.random.default_rng(0)
    drawn = [
        (clip.speaker, bool(np.isin(driving, clip.wide)))
        for clip, _, _, driving in (batches.draw(rng) for _ in range(2000))
    ]
    wide = [name for name, is_wide in drawn if is_wide]
    assert len(wide) > 0.55 * len(drawn)
    assert "c" not in wide
    assert wide.count("a") == pytest.approx(wide.count("b"), rel=0.2)  # one clip counts as much as four
    others = [name for name, is_wide in drawn if not is_wide]
    assert others.count("c") < 0.5 * len(others)


@pytest.mark.parametrize("region", [MOUTH, EYE_LEFT, EYE_RIGHT])
def test_a_frame_driven_to_itself_is_its_own_truth(clip: FaceClip, triangles: np.ndarray, region: Region) -> None:
    (pair,) = make_pairs(clip, 0, [0], region, triangles)
    middle = pair.judged & (np.hypot(*(np.mgrid[: region.patch, : region.patch] - region.patch / 2)) < region.patch / 3)
    warped = pair.channels[..., :3].astype(int)
    assert np.abs(warped - pair.target)[middle].mean() < 1.5
    assert np.abs(warped - pair.source[..., :3])[middle].mean() < 1.5
    assert np.abs(pair.channels[..., 3].astype(int) - pair.channels[..., 5])[middle].mean() < 12


def test_an_iris_that_moves_is_drawn_where_it_went(clip: FaceClip, triangles: np.ndarray) -> None:
    """For either eye: the dark of the warped patch goes where the driving iris is, also in the mirrored one."""
    landmarks = clip.landmarks.copy()
    for eye in EYES:
        landmarks[1, list(eye.iris), 0] += 0.25 * np.linalg.norm(
            landmarks[0, eye.corners[0]] - landmarks[0, eye.corners[1]]
        )
    turned = face_clip("portrait", clip.frames, landmarks, np.arange(4))
    for region, direction in ((EYE_LEFT, 1), (EYE_RIGHT, -1)):
        still, moved = (make_pairs(turned, 0, [frame], region, triangles)[0] for frame in (0, 1))
        places = []
        for pair in (still, moved):
            dark = (255.0 - pair.channels[..., :3].mean(-1)) ** 4 * (pair.channels[..., 3] > 200)
            places.append((dark * np.arange(region.patch)).sum() / dark.sum())
        assert direction * (places[1] - places[0]) > 2, region


def test_a_mirrored_pair_is_what_a_mirrored_clip_gives(clip: FaceClip, triangles: np.ndarray) -> None:
    (pair,) = make_pairs(clip, 0, [3], MOUTH, triangles)
    twice = mirrored_pair(mirrored_pair(pair))
    assert (twice.channels == pair.channels).all()
    assert (twice.target == pair.target).all()
    ramp = mirrored_pair(pair).channels[0, :, 6].astype(int)
    assert np.diff(ramp).min() >= 0
    assert ramp[-1] > ramp[0]


@pytest.mark.parametrize("network", ["mouth", "eyes"])
def test_batches_depend_only_on_seed_and_number(clip: FaceClip, triangles: np.ndarray, network: str) -> None:
    def batches(seed: int, first: int) -> PairBatches:
        return PairBatches([clip], triangles, network, 4, 1, seed, first)

    begun, resumed = iter(batches(1, 0)), iter(batches(1, 1))
    next(begun)
    for a, b in zip(next(begun), next(resumed), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(batches(1, 0).make(0)[0], batches(2, 0).make(0)[0])


def test_resumed_training_equals_uninterrupted(
    clip: FaceClip, triangles: np.ndarray, perceptual: Perceptual, tmp_path: Path
) -> None:
    config = RendererTrainingConfig(
        network=PatchConfig(EYE_LEFT.patch, (8, 8)),
        discriminator_width=8,
        discriminator_from=1,
        batch=2,
        consecutive=1,
        steps=4,
    )

    def trainer(config: RendererTrainingConfig = config) -> RendererTrainer:
        return RendererTrainer(config, lambda first: PairBatches([clip], triangles, "eyes", 2, 1, 0, first), perceptual)

    whole, begun, resumed = trainer(), trainer(), trainer()
    run_training(whole, tmp_path / "whole")
    run_training(begun, tmp_path / "parts", pause=1e-9)
    assert begun.step == 1
    run_training(resumed, tmp_path / "parts")
    assert resumed.step == 4
    for part, module in whole.modules.items():
        other = resumed.modules[part].state_dict()
        assert all(torch.equal(value, other[name]) for name, value in module.state_dict().items()), part
    assert all(torch.equal(value, resumed.average.values[name]) for name, value in whole.average.values.items())
    with pytest.raises(InputError, match="another seed"):
        run_training(trainer(replace(config, seed=1)), tmp_path / "parts")
    with pytest.raises(InputError, match="takes its batches whole"):
        trainer(replace(config, accumulate=2))


def test_painting_improves_on_the_warp_after_a_few_steps(perceptual: Perceptual) -> None:
    config = RendererTrainingConfig(
        network=TINY, discriminator_width=8, discriminator_from=1000, batch=4, warmup=1, learning_rate=3e-3
    )
    x, photo, truth = example(4)
    truth[:] = 0.8
    faces = torch.zeros(4, 3, 8, 8), torch.zeros(4, 478, 2), torch.zeros(4, 2, 3)
    batch = Batch(x, photo, truth, torch.ones(4, 1, PATCH, PATCH), *faces)
    run = trainer_of(config, perceptual, batch)
    losses = [run.train_step()["pixel"] for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_small_network_learns_to_paint_as_a_larger_one_does(perceptual: Perceptual) -> None:
    x, photo, truth = example()
    torch.manual_seed(1)
    teacher = PatchNetwork(PatchConfig(PATCH, (16, 16)))
    with torch.no_grad():
        teacher.head.bias.copy_(torch.linspace(-2, 2, len(teacher.head.bias)))  # pyright: ignore
        taught = blended(x, *teacher(x, teacher.source(photo)))
    ones = torch.ones(len(x), 1, PATCH, PATCH)
    rest = (torch.zeros(2, 3, 160, 160), torch.zeros(2, 478, 2), torch.zeros(2, 2, 3))
    config = RendererTrainingConfig(network=TINY, batch=2, consecutive=1, minutes=None, steps=40, bf16=False)
    trainer = ImitationTrainer(
        config, lambda _: itertools.repeat(Batch(x, photo, truth, ones, *rest)), perceptual, teacher
    )
    before = {name: value.clone() for name, value in teacher.state_dict().items()}

    def distance() -> float:
        with torch.no_grad():
            painted = blended(x, *trainer.network(x, trainer.network.source(photo)))
            return float(imitation_loss(painted, taught, x))

    at_first = distance()
    for _ in range(40):
        trainer.learn()
    assert distance() < 0.6 * at_first
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert float(imitation_loss(taught, taught, x)) == 0
    with pytest.raises(InputError, match="teacher paints 64 px; expected 48"):
        ImitationTrainer(config, lambda _: iter(()), perceptual, PatchNetwork(PatchConfig(64, (8, 8))))


def test_scores_and_sheet_of_held_out_pairs(clip: FaceClip, triangles: np.ndarray, perceptual: Perceptual) -> None:
    torch.manual_seed(0)
    network = PatchNetwork(PatchConfig(EYE_LEFT.patch, (8, 8)))
    check = validation_pairs([clip], triangles, "eyes")
    found = scores(network, perceptual, check)
    assert set(found) == {
        f"{name}_{image}"
        for name in ("inner_l1", "l1", "perceptual", "inner_perceptual")
        for image in ("warp", "painted")
    }
    assert found["l1_painted"] == pytest.approx(found["l1_warp"], rel=0.3)  # untrained: nearly the warp
    assert contact_sheet(network, check).shape[1] % (4 * EYE_LEFT.patch) == 0


def test_the_best_network_is_kept_and_the_last_one_beside_the_run(perceptual: Perceptual, tmp_path: Path) -> None:
    run = trainer_of(RendererTrainingConfig(network=TINY, discriminator_width=8), perceptual)
    keeper, network = BestNetwork(run, [], tmp_path / "best", tmp_path / "last"), PatchNetwork(TINY)
    for level, distance in enumerate((1.0, 0.5, 0.9)):
        nn.init.constant_(network.head.bias, level)  # pyright: ignore[reportArgumentType]
        keeper.keep(network, distance)
    for folder, level in ((tmp_path / "best", 1), (tmp_path / "last", 2)):
        assert load_network(folder).state_dict()["head.bias"][0] == level


def test_a_snapshot_scores_the_averaged_network(
    clip: FaceClip, triangles: np.ndarray, perceptual: Perceptual, tmp_path: Path
) -> None:
    config = RendererTrainingConfig(network=PatchConfig(EYE_LEFT.patch, (8, 8)), discriminator_width=8)
    run = trainer_of(config, perceptual)
    check = validation_pairs([clip], triangles, "eyes")
    figures, pictures = BestNetwork(run, check, tmp_path / "best", tmp_path / "last")()
    assert run.facts["best"] == figures["inner_perceptual_painted"]
    assert set(pictures) == {"pairs"}


def test_focus_is_the_middle_of_the_patch() -> None:
    assert focus(torch.zeros(1, 3, 96, 96)).shape == (1, 3, 72, 72)


def test_a_run_begins_from_a_checkpoint_of_the_same_sizes(perceptual: Perceptual, tmp_path: Path) -> None:
    torch.manual_seed(1)
    kept = PatchNetwork(TINY)
    save_network(tmp_path / "kept", kept)
    run = trainer_of(RendererTrainingConfig(network=TINY, discriminator_width=8), perceptual)
    run.start_from(load_network(tmp_path / "kept"))
    for part in (run.network, run.average.copy_of(run.network)):
        for a, b in zip(part.parameters(), kept.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-3)
    save_network(tmp_path / "other", PatchNetwork(PatchConfig(PATCH, (8, 16))))
    with pytest.raises(InputError, match=r"widths=\(8, 16\)"):
        run.start_from(load_network(tmp_path / "other"))


def test_a_network_is_saved_and_loaded_strictly(tmp_path: Path) -> None:
    network = PatchNetwork(TINY)
    save_network(tmp_path, network)
    loaded = load_network(tmp_path)
    assert loaded.config == TINY
    for a, b in zip(network.parameters(), loaded.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
