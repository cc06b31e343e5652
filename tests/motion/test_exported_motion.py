"""The motion model without torch: the export, its sampling and its noise give what torch gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.assets import CHECKPOINTS
from vasa_core.errors import InputError
from vasa_core.motion import seam
from vasa_core.motion.config import DenoiserConfig
from vasa_core.motion.exported import CONDITIONS_FILE, ONNX_FILE, ExportedMotion
from vasa_core.motion.model import MotionModel, Statistics
from vasa_core.motion.noise import torch_noise
from vasa_core.motion.sampler import sample
from vasa_core.motion.schedule import SCHEDULES
from vasa_core.motion.steps import sampling_steps
from vasa_core.motion.stream import LIVE_HOP, MotionStream
from vasa_core.motion.window import MotionSampler
from vasa_core.options import GenerationOptions
from vasa_core.types import Motion

FRAMES = 120  # two windows and a part
SAME = 1e-4  # of motion: rounding


@pytest.fixture(scope="module")
def bundled() -> tuple[MotionModel, ExportedMotion]:
    return MotionModel.load(CHECKPOINTS / "motion"), ExportedMotion(CHECKPOINTS / "motion")


def moved(model: MotionSampler, options: GenerationOptions, hop: int | None = None) -> Motion:
    numbers = model.numbers
    noise = np.random.default_rng(0).normal(size=(FRAMES, model.config.audio_channels))
    features = (numbers.audio_mean + numbers.audio_std * noise).astype(np.float32)
    stream = MotionStream(model, np.zeros(6), options, hop)
    return Motion.joined([stream.push(features), stream.finish()])


@pytest.mark.parametrize(
    "options",
    [
        GenerationOptions(),
        GenerationOptions(emotion="anger", guidance_previous=1.0, seed=99, steps=5, expressiveness=1.7, gaze_yaw=10.0),
        GenerationOptions(guidance_audio=0.0, guidance_liveliness=-1.0, guidance_gaze=0.5, distance=0.9),
    ],
)
def test_the_bundled_export_moves_as_torch_does(
    bundled: tuple[MotionModel, ExportedMotion], options: GenerationOptions
) -> None:
    expected, found = (moved(model, options) for model in bundled)
    assert np.ptp(expected.dynamics, 0).max() > 0.5
    assert np.abs(found.pose - expected.pose).max() < SAME
    assert np.abs(found.dynamics - expected.dynamics).max() < SAME
    other = moved(bundled[1], replace(options, seed=options.seed + 1))
    assert np.abs(other.dynamics - found.dynamics).max() > 0.1


def test_the_numbers_beside_the_network_are_the_same(bundled: tuple[MotionModel, ExportedMotion]) -> None:
    torch_s, ours = bundled
    assert ours.config == torch_s.config
    assert ours.audio_encoder == torch_s.audio_encoder
    for name, value in vars(torch_s.numbers).items():
        assert np.array_equal(getattr(ours.numbers, name), value)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**62 + 12345])
@pytest.mark.parametrize("count", [16, 17, 160, 2100])
def test_noise_is_torch_s(seed: int, count: int) -> None:
    expected = torch.randn(count, generator=torch.Generator().manual_seed(seed)).numpy()
    assert np.abs(torch_noise(seed, count) - expected).max() < 1e-5


def test_less_noise_than_torch_makes_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="16 or more"):
        torch_noise(0, 15)


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("count", [1, 2, 10])
def test_sampling_steps_are_the_sampler_s(name: str, count: int) -> None:
    """Of a made-up network whose X_0 is sin(x) + t / 1000."""
    noise = torch.randn((1, 5, 4), generator=torch.Generator().manual_seed(3))
    expected = sample(
        lambda x, t: torch.sin(x) + t[:, None, None] / 1000,
        (1, 5, 4),
        SCHEDULES[name](1000),
        count,
        torch.Generator().manual_seed(3),
    )
    x = before = noise[0].numpy()
    for time, ahead, kept, taken in sampling_steps(name, 1000, count):
        x0 = np.sin(x) + np.float32(time / 1000)
        x = kept * x + taken * (x0 + ahead * (x0 - before))
        before = x0
    assert before == pytest.approx(expected[0].numpy(), abs=1e-5)


def test_a_seam_closes_as_in_torch() -> None:
    from vasa_core.motion.continuity import continued

    rng = np.random.default_rng(0)
    x0, previous = (rng.normal(size=(n, 14)).astype(np.float32) for n in (50, 10))
    expected = continued(torch.from_numpy(x0[None]), torch.from_numpy(previous[None]))[0].numpy()
    assert seam.continued(x0, previous) == pytest.approx(expected, abs=1e-6)
    step = seam.continued(x0, previous)[0] - previous[-1]
    assert step == pytest.approx((previous[-1] - previous[-2] + x0[1] - x0[0]) / 2, abs=1e-5)


def test_an_export_is_of_the_weights_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from vasa_core.training.motion.export import export_denoiser

    config = DenoiserConfig("tiny", motion_channels=14, audio_channels=6, schedule="cosine")
    torch.manual_seed(0)
    statistics = Statistics(torch.zeros(14), torch.ones(14), torch.zeros(6), torch.ones(6))
    model = MotionModel(config, statistics, "moonshine")
    torch.nn.init.normal_(model.denoiser.out.weight, std=0.3)
    model.save(tmp_path)
    assert export_denoiser(tmp_path) == [tmp_path / CONDITIONS_FILE, tmp_path / ONNX_FILE]
    options = GenerationOptions(steps=3)
    for hop in (None, LIVE_HOP):  # the whole window, and a shorter one
        expected, found = (moved(m, options, hop) for m in (MotionModel.load(tmp_path), ExportedMotion(tmp_path)))
        assert found.dynamics == pytest.approx(expected.dynamics, abs=SAME)
    torch.nn.init.normal_(model.denoiser.out.weight, std=0.2)
    model.save(tmp_path)
    with pytest.raises(InputError, match="export-motion"):
        ExportedMotion(tmp_path)
