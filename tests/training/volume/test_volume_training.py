"""Training of the volume face model: batches, what each loss reaches, resuming, and dividing a step."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from face_clips import CONFIG, FRAMES, MICRO, NO_IDENTITY, SIZE, make_frames
from torch import nn

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.data.frames import REST_GAP, FaceFrames, canonical_rest
from vasa_core.errors import InputError
from vasa_core.face.measure import lip_gaps
from vasa_core.face.mesh.model import load_basis
from vasa_core.face.topology import LIPS_INNER
from vasa_core.face.volume.config import PRESETS
from vasa_core.face.volume.warp import Fields
from vasa_core.training.engine.ema import Average, cosine_rate
from vasa_core.training.engine.loop import run_training
from vasa_core.training.engine.run_folder import RunFolder
from vasa_core.training.losses.perceptual import Perceptual
from vasa_core.training.losses.weights import LossWeights
from vasa_core.training.volume.batches import FaceBatch, FaceBatches, draw_pair, view
from vasa_core.training.volume.train import VolumeTrainer
from vasa_core.training.volume.warp_pretraining import pretrain_warps
from vasa_core.types import Motion


@pytest.fixture(autouse=True)
def micro(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks small enough for a test, in place of the tiny ones."""
    monkeypatch.setitem(PRESETS, "tiny-128", MICRO)


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual(resolve("perceptual"))


@pytest.fixture(scope="module")
def clips() -> list[FaceFrames]:
    return [make_frames(seed) for seed in range(3)]


def steps(trainer: VolumeTrainer, count: int) -> list[dict[str, float]]:
    return [trainer.train_step() for _ in range(count)]


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
    assert same(next(resumed), batches.batch(5))
    assert same(next(resumed), batches.batch(6))


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
    assert np.array_equal(plain["image"], shaken["image"])
    assert np.array_equal(plain["seen"], plain["image"])
    assert not np.array_equal(shaken["seen"], shaken["image"])
    off = np.abs(shaken["aim"] - shaken["pose"])
    assert (off[2:] > 0).all()
    assert (off[:2] == 0).all()
    assert off.max() < 0.3
    assert np.array_equal(plain["aim"], plain["pose"])
    assert 0 < shaken["chance"] < 1
    assert (shaken["seen"][clips[0].mattes[2] == 0] == 128).all()


RENDERING = {"appearance", "identity", "dynamics", "to_canonical", "from_canonical", "unseen", "volume_unet", "decoder"}


def reached(trainer: VolumeTrainer) -> set[str]:
    return {
        name
        for name, part in trainer.networks.named_children()
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("head_pose", {"head_pose"}),
        ("teacher", {"dynamics"}),
        ("guided", {"identity", "dynamics", "to_canonical", "from_canonical"}),
        ("unseen", {"identity", "dynamics", "unseen"}),
        ("pixel", RENDERING),
        ("canonical", {"appearance", "identity", "dynamics", "to_canonical", "volume_unet"}),
        ("close_up", RENDERING),
        ("transfer", RENDERING),
        ("cosine", RENDERING),
    ],
)
def test_each_loss_trains_exactly_its_parts(
    name: str, parts: set[str], clips: list[FaceFrames], perceptual: Perceptual
) -> None:
    off = dict.fromkeys(LossWeights().named(), 0.0)
    trainer = VolumeTrainer(
        clips, replace(CONFIG, batch=2, weights=LossWeights(**{**off, name: 1.0})), perceptual, None
    )
    networks = trainer.networks
    assert networks.unseen is not None
    with torch.no_grad():  # fields start at nothing, which gives what is before them no gradient
        for part in (networks.to_canonical, networks.from_canonical, networks.unseen):
            for value in part.parameters():
                value.add_(0.1 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    batch = next(trainer.batches())
    losses = trainer.criteria.losses(trainer.graph(batch, 0.0), batch)
    losses[name].backward()
    assert reached(trainer) == parts
    assert all(p.grad is None or not p.grad.any() for p in trainer.plain_graph.adapter.parameters())


def test_the_teacher_drives_the_share_that_it_is_given(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    trainer = VolumeTrainer(clips, replace(CONFIG, teacher_forcing=0.25), perceptual, None)
    graph, batch = trainer.plain_graph, FaceBatches(clips, 4, 0).batch(0)
    other = batch.driving.dynamics + 1
    for networks in (graph.networks.from_canonical, graph.networks.to_canonical):
        assert isinstance(networks, Fields)
        torch.nn.init.normal_(networks.fields.weight, 0, 0.1)
    with torch.no_grad():
        for share in (0.0, 0.5, 1.0):
            moved = batch._replace(driving=batch.driving._replace(dynamics=other))
            changed = (graph(batch, share).driven != graph(moved, share).driven).flatten(1).any(1)
            assert torch.equal(changed, batch.driving.chance < share)
    assert trainer.forced_share == 1.0
    trainer.step = 9
    assert 0.25 < trainer.forced_share < 1.0
    trainer.step = 19
    assert trainer.forced_share == 0.25


def test_lips_are_taught_by_frames_that_differ_in_them(clips: list[FaceFrames]) -> None:
    landmarks = np.zeros((FRAMES, 478, 3), np.float32)
    landmarks[:, :, 0] = np.arange(478)
    landmarks[0, 14, 1] = 40  # one frame has open lips
    clip = replace(clips[0], landmarks=landmarks)
    pairs = [draw_pair(clip, np.random.default_rng(seed)) for seed in range(400)]
    opened = np.mean([driving == 0 for source, driving in pairs if source > 0])
    assert 0.35 < opened < 0.55  # 0.2 if left to chance
    closed = np.mean([source == 0 for source, _ in pairs])
    assert 0.25 < closed < 0.45  # closing is drawn more often than it would be


def test_frozen_networks_keep_their_weights(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    trainer = VolumeTrainer(clips, replace(CONFIG, frozen=("identity", "head_pose")), perceptual, None)
    before = {name: weights_of(part) for name, part in trainer.networks.named_children()}
    steps(trainer, 1)
    kept = {name for name, part in trainer.networks.named_children() if torch.equal(before[name], weights_of(part))}
    assert kept == {"identity", "head_pose"}
    with pytest.raises(InputError, match="frozen names nose; expected some of appearance"):
        replace(CONFIG, frozen=("nose",)).validate()


def test_what_is_frozen_keeps_what_pretraining_taught(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    trainer = VolumeTrainer(clips, replace(CONFIG, frozen=("identity", "adapter")), perceptual, None)
    parts = {"identity": trainer.networks.identity, "adapter": trainer.plain_graph.adapter}
    before = {name: weights_of(part) for name, part in parts.items()}
    pretrain_warps(trainer, 3)
    learned = {name: weights_of(part) for name, part in parts.items()}
    assert not any(torch.equal(before[name], learned[name]) for name in parts)
    steps(trainer, 2)
    assert all(torch.equal(learned[name], weights_of(part)) for name, part in parts.items())


def test_the_canonical_face_has_its_own_nose_and_everybodys_lips() -> None:
    basis, _ = load_basis(CHECKPOINTS / "mesh")
    own = basis.mean + np.tensordot([2.0, -2.0], basis.identity[:2], 1)
    found, common = canonical_rest(basis, own), canonical_rest(basis, basis.mean)
    lips, cheeks = list(LIPS_INNER), [127, 356, 10]
    assert np.abs(own - basis.mean)[lips].max() > 0.01
    np.testing.assert_allclose(found[lips], common[lips], atol=1e-6)
    np.testing.assert_allclose(found[cheeks], basis.parted(own, REST_GAP)[cheeks], atol=1e-3)
    np.testing.assert_allclose(lip_gaps(found) - lip_gaps(basis.mean), REST_GAP, atol=5e-3)


def test_both_warps_are_followed_one_after_the_other(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    graph = VolumeTrainer(clips, CONFIG, perceptual, None).plain_graph
    source, driver, _ = FaceBatches(clips, 4, 0).batch(0)
    reach, shape = graph.networks.config.reach, (4, 3, 8, 8, 8)
    near = [i for i in range(478) if (torch.stack([source.rest, driver.shape])[:, :, i].abs() < 0.3).all()]
    right, down = (torch.tensor(step).view(1, 3, 1, 1, 1).expand(shape) for step in ([0.02, 0, 0], [0, 0.01, 0]))
    inward, outward, through = graph.residual(right, source, down, driver).chunk(3)
    x, y = reach * torch.tensor([[0.02, 0, 0], [0, 0.01, 0]])
    torch.testing.assert_close(inward[:, near], (source.rest + x - source.shape)[:, near])
    torch.testing.assert_close(outward[:, near], (driver.shape + y - driver.rest)[:, near])
    torch.testing.assert_close(through[:, near], (driver.shape + x + y - source.shape)[:, near])


def test_losses_that_are_off_draw_nothing(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    weights = replace(NO_IDENTITY, transfer=0.0, canonical=0.0, cosine=0.0)
    trainer = VolumeTrainer(clips, replace(CONFIG, weights=weights), perceptual, None)
    renders = trainer.graph(next(trainer.batches()), 0.0)
    assert renders.posed is renders.animated is renders.crossed is renders.canonical is renders.reread is None


def test_a_loss_that_needs_a_descriptor_is_not_left_out_silently(
    clips: list[FaceFrames], perceptual: Perceptual
) -> None:
    with pytest.raises(InputError, match="need an identity descriptor"):
        VolumeTrainer(clips, replace(CONFIG, weights=LossWeights()), perceptual, None)


def test_a_batch_that_cannot_be_divided_is_refused(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    with pytest.raises(InputError, match="batch is 4; expected a multiple of 1 processes x 3 parts"):
        VolumeTrainer(clips, replace(CONFIG, accumulate=3), perceptual, None)
    with pytest.raises(InputError, match="preset is 'huge'"):
        replace(CONFIG, preset="huge").validate()


def test_training_learns_what_it_sees(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    weights = LossWeights(
        **{**dict.fromkeys(LossWeights().named(), 0.0), "pixel": 10.0, "alpha": 5.0, "head_pose": 5.0}
    )
    config = replace(CONFIG, batch=2, learning_rate=2e-3, steps=36, weights=weights)
    found = steps(VolumeTrainer(clips, config, perceptual, None), 30)
    first, last = (np.mean([entry["total"] for entry in part]) for part in (found[:3], found[-10:]))
    assert last < 0.75 * first


def test_a_resumed_run_goes_on_as_if_nothing_had_been(
    clips: list[FaceFrames], perceptual: Perceptual, tmp_path: Path
) -> None:
    PRESETS["tiny-128"] = replace(MICRO, dropout=0.1)
    whole = VolumeTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    expected = steps(whole, 4)
    begun = VolumeTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    steps(begun, 2)
    begun.save_state(tmp_path / "state.safetensors")
    resumed = VolumeTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    resumed.load_state(tmp_path / "state.safetensors")
    assert steps(resumed, 2) == expected[2:]
    assert torch.equal(weights_of(resumed.networks), weights_of(whole.networks))
    assert torch.equal(weights_of(resumed.averaged()), weights_of(whole.averaged()))
    assert not torch.equal(weights_of(whole.averaged().adapter), weights_of(whole.plain_graph.adapter))
    assert torch.equal(weights_of(resumed.plain_discriminator), weights_of(whole.plain_discriminator))
    folder = RunFolder(tmp_path)
    folder.begin(asdict(begun.config), 2)
    folder.close()
    with pytest.raises(InputError, match="another seed, steps"):
        run_training(VolumeTrainer(clips, replace(CONFIG, batch=2, seed=1, steps=3), perceptual, None), tmp_path)


@pytest.mark.slow
def test_micro_batches_make_up_the_batch(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    config = replace(CONFIG, learning_rate=2e-5)  # at more, the first steps overshoot and magnify what rounding does
    whole, divided = (VolumeTrainer(clips, replace(config, accumulate=parts), perceptual, None) for parts in (1, 4))
    (first, second), (parts_first, parts_second) = steps(whole, 2), steps(divided, 2)
    judged = {"adversarial", "feature_matching", "discriminator", "total"}  # spectral norms move with each pass
    # What is read again off drawn pictures magnifies what rounding does to them.
    assert {n: v for n, v in first.items() if n not in judged} == pytest.approx(
        {n: v for n, v in parts_first.items() if n not in judged}, rel=2e-4
    )
    for whole_step, parts_step in ((first, parts_first), (second, parts_second)):
        assert whole_step == pytest.approx(parts_step, rel=5e-3, abs=1e-3)
    moved = weights_of(whole.networks) - weights_of(VolumeTrainer(clips, config, perceptual, None).networks)
    apart = (weights_of(whole.networks) - weights_of(divided.networks)).abs().mean()
    assert apart < 0.25 * moved.abs().mean()  # Adam makes as much of gradients that are hardly more than rounding


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


@pytest.mark.slow
def test_pretraining_teaches_warps_and_what_drives_them(clips: list[FaceFrames], perceptual: Perceptual) -> None:
    trainer = VolumeTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    before = {name: weights_of(part) for name, part in trainer.networks.named_children()}
    still = [clip.shapes - clip.rest for clip in clips]
    errors = pretrain_warps(trainer, 40)
    changed = {n for n, part in trainer.networks.named_children() if not torch.equal(before[n], weights_of(part))}
    assert changed == {"to_canonical", "from_canonical", "unseen", "identity", "dynamics", "head_pose"}
    assert np.mean(errors[-5:]) < 0.9 * np.sqrt(np.square(still).mean())  # no motion at all would leave that
    again = VolumeTrainer(clips, replace(CONFIG, batch=2), perceptual, None)
    assert pretrain_warps(again, 40) == errors
    assert torch.equal(weights_of(again.averaged()), weights_of(trainer.averaged()))
