"""Schedule and sampler: known answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from vasa_core.motion.sampler import sample
from vasa_core.motion.schedule import CosineSchedule, LinearSchedule, Schedule

SCHEDULE = CosineSchedule(1000)
LINEAR = LinearSchedule(1000)
BOTH = pytest.mark.parametrize("schedule", [SCHEDULE, LINEAR], ids=["cosine", "linear"])


@BOTH
def test_signal_falls_from_one_to_nothing_and_noise_rises(schedule: Schedule) -> None:
    signal, noise = schedule.signal(torch.arange(1001)), schedule.noise(torch.arange(1001))
    assert signal[0] == 1
    assert noise[0] == 0
    assert signal[-1] < 1e-3
    assert noise[-1] == pytest.approx(1, abs=1e-6)
    assert (signal.diff() < 0).all()
    assert (noise.diff() > 0).all()


def test_halfway_is_as_in_the_paper() -> None:
    # f(t) = cos^2((t/T + s) / (1 + s) pi/2), alpha_bar = f(t) / f(0), s = 0.008
    assert SCHEDULE.alpha_bar(torch.tensor([500])).item() == pytest.approx(0.4938, abs=1e-3)


def test_the_linear_path_by_hand() -> None:
    t = torch.tensor([250, 1000])
    x0, noise = torch.full((2, 1, 1), 4.0), torch.full((2, 1, 1), -8.0)
    assert LINEAR.noised(x0, noise, t).flatten().tolist() == [0.75 * 4 - 0.25 * 8, -8.0]
    assert LINEAR.weight(t).tolist() == [16.0, 1.0]


def test_the_cosine_weight_of_fine_noise_is_bounded() -> None:
    assert SCHEDULE.weight(torch.tensor([1, 500, 1000])).tolist() == pytest.approx([5, 1 / (1 - 0.4938), 1], abs=1e-2)


@BOTH
def test_the_velocity_of_the_path_gives_x0(schedule: Schedule) -> None:
    """Straight, x_0 - noise; on the circle of the cosine schedule noise_t x_0 - signal_t noise (v-prediction)."""
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 5, 3, generator=generator) for _ in range(2))
    t = torch.tensor([1, 300, 700, 999])
    share = schedule.signal(t).float()[:, None, None], schedule.noise(t).float()[:, None, None]
    velocity = x0 - noise if schedule is LINEAR else share[1] * x0 - share[0] * noise
    assert torch.allclose(schedule.estimate(schedule.noised(x0, noise, t), velocity, t), x0, atol=1e-5)


def test_noised_keeps_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 500, 20, generator=generator) for _ in range(2))
    noisy = SCHEDULE.noised(x0, noise, torch.tensor([1, 300, 700, 1000]))
    assert noisy.std(dim=(1, 2)).sub(1).abs().max() < 0.02
    assert torch.allclose(noisy[3], noise[3], atol=1e-3)


@BOTH
@pytest.mark.parametrize("count", [1, 7, 10, 50, 100, 200])
def test_steps_run_from_the_last_down(count: int, schedule: Schedule) -> None:
    steps = schedule.spaced(count)
    assert len(steps) == count
    assert steps[0] == 1000
    assert steps[-1] >= 1
    assert all(a > b for a, b in itertools.pairwise(steps))


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="201"):
        SCHEDULE.spaced(201)


@BOTH
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_oracle_denoiser_is_recovered(steps: int, schedule: Schedule) -> None:
    truth = torch.randn(2, 50, 5, generator=torch.Generator().manual_seed(1))
    found = sample(lambda x, t: truth, (2, 50, 5), schedule, steps, torch.Generator().manual_seed(0))
    assert torch.equal(found, truth)


def gaussian(spread: float, schedule: Schedule) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The best denoiser of N(0, spread^2) data, which is linear."""

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        signal, noise = schedule.signal(t).float()[:, None, None], schedule.noise(t).float()[:, None, None]
        return signal * spread**2 / (signal**2 * spread**2 + noise**2) * x

    return denoise


@BOTH
@pytest.mark.parametrize(("spread", "steps", "tolerance"), [(0.5, 100, 0.02), (0.2, 10, 0.15), (1.0, 10, 0.03)])
def test_gaussian_data_keeps_its_spread(spread: float, steps: int, tolerance: float, schedule: Schedule) -> None:
    """Ten steps of DDIM on the cosine path would give 0.71 of a spread of 0.2, and 0.89 of one of 1."""
    denoise = gaussian(spread, schedule)
    found = sample(denoise, (4, 100, 50), schedule, steps, torch.Generator().manual_seed(0))
    assert found.std().item() == pytest.approx(spread, rel=tolerance)


def test_two_steps_by_hand() -> None:
    """One DDIM step from the first estimate, then the second estimate is the answer."""
    estimates = iter([torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), 3.0)])
    seen = []

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append((x.item(), t.item()))
        return next(estimates)

    assert sample(denoise, (1, 1, 1), SCHEDULE, 2, torch.Generator().manual_seed(0)).item() == 3.0
    (start, first), (middle, second) = seen
    assert (first, second) == (1000, 420)
    kept = SCHEDULE.alpha_bar(torch.tensor([420])).item()
    assert middle == pytest.approx(kept**0.5 * 2.0 + (1 - kept) ** 0.5 * start, abs=0.05)


def test_same_generator_same_sample() -> None:
    draws = [
        sample(lambda x, t: 0.5 * x, (1, 4, 3), SCHEDULE, 5, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
