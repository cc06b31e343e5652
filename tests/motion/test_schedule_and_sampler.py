"""Schedule and sampler: known answers."""

from __future__ import annotations

import pytest
import torch

from vasa_core.motion.sampler import sample
from vasa_core.motion.schedule import CosineSchedule

SCHEDULE = CosineSchedule(1000)


def test_signal_falls_from_one_to_nothing() -> None:
    kept = SCHEDULE.alpha_bar(torch.arange(1001))
    assert kept[0] == 1
    assert kept[-1] < 1e-6
    assert (kept.diff() < 0).all()


def test_halfway_is_as_in_the_paper() -> None:
    # f(t) = cos^2((t/T + s) / (1 + s) pi/2), alpha_bar = f(t) / f(0), s = 0.008
    assert SCHEDULE.alpha_bar(torch.tensor([500])).item() == pytest.approx(0.4938, abs=1e-3)


def test_noised_keeps_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 500, 20, generator=generator) for _ in range(2))
    noisy = SCHEDULE.noised(x0, noise, torch.tensor([1, 300, 700, 1000]))
    assert noisy.std(dim=(1, 2)).sub(1).abs().max() < 0.02
    assert torch.allclose(noisy[3], noise[3], atol=1e-3)


@pytest.mark.parametrize("count", [1, 7, 10, 50, 1000])
def test_steps_run_from_the_last_down(count: int) -> None:
    steps = SCHEDULE.spaced(count)
    assert len(steps) == count and steps[0] == 1000 and steps[-1] >= 1
    assert all(a > b for a, b in zip(steps, steps[1:], strict=False))


def test_more_steps_than_the_schedule_has_are_refused() -> None:
    with pytest.raises(ValueError, match="1001"):
        SCHEDULE.spaced(1001)


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_oracle_denoiser_is_recovered(steps: int, eta: float) -> None:
    truth = torch.randn(2, 50, 5, generator=torch.Generator().manual_seed(1))
    found = sample(lambda x, t: truth, (2, 50, 5), SCHEDULE, steps, torch.Generator().manual_seed(0), eta)
    assert torch.allclose(found, truth, atol=1e-5)


def test_gaussian_data_comes_out_with_its_variance() -> None:
    """The best denoiser of N(0, s^2) data is linear; DDIM with many steps must give back s."""
    s = 0.5

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        kept = SCHEDULE.alpha_bar(t)[:, None, None]
        return kept.sqrt() * s**2 / (kept * s**2 + 1 - kept) * x

    found = sample(denoise, (4, 100, 50), SCHEDULE, 100, torch.Generator().manual_seed(0))
    assert found.std().item() == pytest.approx(s, rel=0.05)


def test_same_generator_same_sample() -> None:
    draws = [
        sample(lambda x, t: 0.5 * x, (1, 4, 3), SCHEDULE, 5, torch.Generator().manual_seed(seed), eta=0.5)
        for seed in (3, 3, 4)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
