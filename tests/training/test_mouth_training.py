"""Training of the mouth painter: each loss teaches what it should, batches are reproducible, a run resumes exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vasa_core.face.mouth import load_network
from vasa_core.face.mouth_network import MouthConfig, MouthNetwork, blended
from vasa_core.face.topology import LIPS_INNER, canonical_mesh
from vasa_core.io.image import read_image
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.registry import resolve
from vasa_core.training.mouth import MouthTrainingConfig, TrainingRun, focus, scores, validation_pairs
from vasa_core.training.mouth_data import MouthClip, PairBatches, draw_frames, kept_frames, lip_gaps, make_pair
from vasa_core.training.mouth_losses import (
    PatchJudge,
    feature_matching_loss,
    judge_loss,
    painting_cost,
    pixel_loss,
)
from vasa_core.training.perceptual import Perceptual

PORTRAIT = Path(__file__).parents[2] / "assets" / "portrait.jpg"
TINY = MouthConfig(patch=48, widths=(8, 8))


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual(resolve("perceptual"))


@pytest.fixture(scope="module")
def triangles() -> np.ndarray:
    return canonical_mesh(resolve("face_landmarker"))[1]


@pytest.fixture(scope="module")
def clip() -> MouthClip:
    """The example portrait as a clip of four frames whose lower inner lip drops."""
    image = read_image(PORTRAIT)
    with Landmarker(resolve("face_landmarker")) as landmarker:
        found = landmarker(image)
    assert found is not None
    landmarks = np.repeat(found[0][None], 4, 0).astype(np.float64)
    landmarks[:, list(LIPS_INNER[11:]), 1] += 2.0 * np.arange(4)[:, None]
    x, y = landmarks[0, 13, :2].astype(int)
    side = 300
    left, top = max(0, x - side // 2), max(0, y - side // 2)
    crop = image[top : top + side, left : left + side]
    landmarks[..., :2] -= (left, top)
    return MouthClip("portrait", np.repeat(crop[None], 4, 0), landmarks, lip_gaps(landmarks), 200.0)


def example(batch: int = 2, patch: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 9, patch, patch, generator=generator) * 2 - 1
    return x, torch.rand(batch, 3, patch, patch, generator=generator) * 2 - 1


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
    painter, judge = MouthNetwork(TINY), PatchJudge(8)
    x, truth = example()
    parts = {"painter": painter, "judge": judge, "perceptual": perceptual}

    def painted() -> torch.Tensor:
        return blended(x, *painter(x))

    assert trained_parts(pixel_loss(painted(), truth, x), **parts) == {"painter"}
    assert trained_parts(painting_cost(painter(x)[1], x), **parts) == {"painter"}
    assert trained_parts(perceptual(painted(), truth), **parts) == {"painter"}
    assert trained_parts(judge_loss(judge(truth, x)[0], judge(painted().detach(), x)[0]), **parts) == {"judge"}
    assert "painter" in trained_parts(-judge(painted(), x)[0].mean(), **parts)
    matching = feature_matching_loss(judge(painted(), x)[1], judge(truth, x)[1])
    assert "painter" in trained_parts(matching, **parts)


def test_every_parameter_of_the_painter_is_trained(perceptual: Perceptual) -> None:
    painter = MouthNetwork(TINY)
    x, truth = example()
    pixel_loss(blended(x, *painter(x)), truth, x).backward()
    assert [name for name, p in painter.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_training_step_leaves_the_other_networks_parameters_alone(perceptual: Perceptual, tmp_path: Path) -> None:
    run = TrainingRun(MouthTrainingConfig(network=TINY, judge_width=8, judge_from=0), perceptual, tmp_path)
    x, truth = example()
    before = [p.clone() for p in run.network.parameters()]
    run.judge_step(blended(x, *run.network(x)).detach(), truth, x)
    assert all(torch.equal(a, b) for a, b in zip(before, run.network.parameters(), strict=True))


def test_losses_of_a_perfect_result_are_zero(perceptual: Perceptual) -> None:
    x, truth = example()
    assert pixel_loss(truth, truth, x) == 0
    assert perceptual(truth, truth) == 0
    assert painting_cost(torch.zeros(2, 1, 48, 48), x) == 0
    assert judge_loss(torch.tensor([1.5]), torch.tensor([-1.5])) == 0


def test_pixel_loss_known_answer() -> None:
    x = torch.full((1, 9, 4, 4), -1.0)
    painted, truth = torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)
    assert pixel_loss(painted, truth, x) == pytest.approx(0.5)
    x[:, 3] = 1  # everything is inside the lips: five times as dear
    assert pixel_loss(painted, truth, x) == pytest.approx(2.5)


def test_perceptual_distance_grows_with_blur(perceptual: Perceptual, clip: MouthClip) -> None:
    image = torch.from_numpy(clip.frames[:1]).permute(0, 3, 1, 2).float() / 127.5 - 1
    distances = []
    for size in (3, 7):
        blurred = nn.functional.avg_pool2d(image, size, 1, size // 2, count_include_pad=False)
        distances.append(float(perceptual(blurred, image)))
    assert 0 < distances[0] < distances[1]


def test_kept_frames_are_valid_spread_and_include_the_widest_open() -> None:
    lips = np.zeros(100)
    lips[41:44] = 0.2
    valid = np.ones(100, bool)
    valid[::10] = False
    kept = kept_frames(valid, lips, 20)
    assert len(kept) == 20 and len(set(kept.tolist())) == 20
    assert valid[kept].all()
    assert {41, 42, 43} <= set(kept.tolist())
    assert kept.min() < 5 and kept.max() > 95
    assert kept_frames(valid, lips, 1000).tolist() == np.flatnonzero(valid).tolist()


def test_driving_frames_lean_to_open_mouths() -> None:
    rng, lips = np.random.default_rng(0), np.arange(90.0)
    pairs = np.array([draw_frames(lips, rng) for _ in range(2000)])
    assert pairs[:, 1].mean() > 1.2 * lips.mean()
    assert pairs[:, 0].mean() < 0.9 * lips.mean()


def test_a_frame_driven_to_itself_is_its_own_truth(clip: MouthClip, triangles: np.ndarray) -> None:
    pair = make_pair(clip, 0, 0, triangles, 96)
    assert pair.judged[:60].all()
    warped = pair.channels[..., :3].astype(int)
    assert np.abs(warped - pair.target)[pair.judged].mean() < 1.0
    assert np.abs(warped - pair.channels[..., 6:])[pair.judged].mean() < 1.0


def test_batches_depend_only_on_seed_and_number(clip: MouthClip, triangles: np.ndarray) -> None:
    def batches(seed: int, first: int) -> PairBatches:
        return PairBatches([clip], triangles, 48, 2, seed, first)

    begun, resumed = iter(batches(1, 0)), iter(batches(1, 1))
    next(begun)
    for a, b in zip(next(begun), next(resumed), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(batches(1, 0).make(0)[0], batches(2, 0).make(0)[0])


def test_resumed_training_equals_uninterrupted(
    clip: MouthClip, triangles: np.ndarray, perceptual: Perceptual, tmp_path: Path
) -> None:
    config = MouthTrainingConfig(network=TINY, judge_width=8, judge_from=1, batch=2, steps=4)
    batches = PairBatches([clip], triangles, 48, 2, 0)

    def steps(run: TrainingRun, first: int, last: int) -> None:
        for number in range(first, last):
            run.train_step(batches.make(number), number / config.steps)

    whole = TrainingRun(config, perceptual, tmp_path / "whole")
    steps(whole, 0, 4)
    begun = TrainingRun(config, perceptual, tmp_path / "parts")
    begun.resume()
    steps(begun, 0, 2)
    begun.save()
    resumed = TrainingRun(config, perceptual, tmp_path / "parts")
    resumed.resume()
    assert resumed.step == 2
    steps(resumed, 2, 4)
    for part in ("network", "average", "judge"):
        states = (getattr(run, part).state_dict() for run in (whole, resumed))
        a, b = states
        assert all(torch.equal(a[name], b[name]) for name in a), part


def test_painting_improves_on_the_warp_after_a_few_steps(
    clip: MouthClip, triangles: np.ndarray, perceptual: Perceptual, tmp_path: Path
) -> None:
    config = MouthTrainingConfig(network=TINY, judge_width=8, judge_from=1000, batch=4, warmup=1, learning_rate=3e-3)
    run = TrainingRun(config, perceptual, tmp_path)
    x, truth = example(4)
    truth[:] = 0.8
    losses = [run.train_step((x, truth, torch.ones(4, 1, 48, 48)), 0.0)["pixel"] for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    check = validation_pairs([clip], triangles, 48)
    assert set(scores(run.network, perceptual, check)) == {
        *("inner_l1_warp", "inner_l1_painted", "perceptual_warp", "perceptual_painted")
    }


def test_focus_is_the_middle_of_the_patch() -> None:
    assert focus(torch.zeros(1, 3, 96, 96)).shape == (1, 3, 64, 80)


def test_a_network_is_saved_and_loaded_strictly(tmp_path: Path) -> None:
    from vasa_core.face.mouth import save_network

    network = MouthNetwork(TINY)
    save_network(tmp_path, network)
    loaded = load_network(tmp_path)
    assert loaded.config == TINY
    for a, b in zip(network.parameters(), loaded.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
