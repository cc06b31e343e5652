"""Training of the motion model: losses, resuming, and two steps through the command's own function."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from motion_clips import make_clip, make_clips

from vasa_core.assets import CHECKPOINTS
from vasa_core.errors import InputError
from vasa_core.motion.model import MotionModel, Statistics
from vasa_core.options import GenerationOptions
from vasa_core.training.engine.loop import Snapshot, estimate, run_training
from vasa_core.training.engine.run_folder import RunFolder
from vasa_core.training.motion.losses import channel_weights, lip_readings, motion_loss, totals
from vasa_core.training.motion.scores import LipReader, blinks, generate, sample_scores
from vasa_core.training.motion.sheet import LipSheet, draw_curves
from vasa_core.training.motion.train import MotionTrainer, MotionTrainingConfig
from vasa_core.training.motion.windows import WindowSampler

CONFIG = MotionTrainingConfig(size="tiny", minutes=None, steps=4, batch=2, warmup=1, bf16=False, seed=3)


def trainer(config: MotionTrainingConfig = CONFIG) -> MotionTrainer:
    return MotionTrainer([*make_clips(), make_clip(9, 120, "val")], config, "moonshine")


def state(of: MotionTrainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in of.denoiser.named_parameters()}


def test_loss_known_answer() -> None:
    batch = trainer().sampler.batch(0, 2)
    batch = replace(batch, weight=torch.ones_like(batch.x), conditions=batch.conditions.without("previous"))
    channels = torch.ones(batch.x.shape[2])
    terms = motion_loss(batch.x + 2.0, batch, torch.tensor([1.0, 2.0]), channels, velocity=1.0)
    assert terms["x0"].item() == pytest.approx((4 + 2 * 4) / 2, rel=1e-5)
    assert terms["velocity"].item() == pytest.approx(0, abs=1e-9)  # a constant error has no velocity


def test_jump_at_the_seam_costs_velocity() -> None:
    batch = trainer().sampler.batch(0, 2)
    batch = replace(batch, weight=torch.ones_like(batch.x))
    follows = replace(batch.conditions, has_previous=torch.tensor([True, True]))
    channels = torch.ones(batch.x.shape[2])
    terms = motion_loss(batch.x + 1.0, replace(batch, conditions=follows), torch.ones(2), channels, velocity=1.0)
    assert terms["velocity"].item() == pytest.approx(1 / batch.x.shape[1], rel=1e-5)


@pytest.mark.parametrize("name", ["x0", "velocity"])
def test_each_loss_alone_trains_the_network_where_something_was_measured(name: str) -> None:
    run = trainer()
    batch = run.sampler.batch(0, 2)
    weight = torch.ones_like(batch.x)
    weight[:, 30:, :] = 0
    weight[:, :, 3] = 0
    predicted = batch.x.clone().add_(torch.randn(batch.x.shape)).requires_grad_()
    motion_loss(predicted, replace(batch, weight=weight), torch.tensor([1.0, 2.5]), run.channels, 1.0)[name].backward()
    assert predicted.grad is not None
    assert (predicted.grad[:, :29, :3] != 0).all()
    assert (predicted.grad[:, :, 3] == 0).all()
    assert (predicted.grad[:, 31:] == 0).all()
    noisy = run.noisy(run.sampler.batch(0, 2), 0)
    run.losses(run.denoiser, noisy, totals(noisy.batch, run.channels), 0)[name].backward()
    assert run.denoiser.out.weight.grad is not None
    assert run.denoiser.out.weight.grad.abs().sum() > 0


def test_visible_expressions_count_more() -> None:
    weights = channel_weights(14, np.array([0.01, 0.005, 0.00001, 0.01]))
    assert weights[10:].tolist() == pytest.approx([1, 0.5, 0.2, 1])


@pytest.mark.slow
def test_training_reduces_the_loss() -> None:
    run = trainer(replace(CONFIG, steps=200, batch=8, learning_rate=3e-3))
    losses = [run.train_step()["total"] for _ in range(200)]
    assert np.mean(losses[-40:]) < 0.9 * np.mean(losses[:40])


class Interrupted(Exception):
    """What Ctrl-C is to a user."""


def test_resume_is_uninterrupted(tmp_path: Path) -> None:
    config = replace(CONFIG, snapshot_minutes=1e-9)
    whole, broken = trainer(config), trainer(config)
    run_training(whole, tmp_path / "run_a")

    def interrupt(done: float, line: str) -> None:
        if done > 0.5:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_training(broken, tmp_path / "run_b", progress=interrupt)
    torch.manual_seed(99)
    resumed = trainer(config)
    run_training(resumed, tmp_path / "run_b")
    assert resumed.step == 4
    assert all(torch.equal(value, state(resumed)[name]) for name, value in state(whole).items())
    assert all(torch.equal(value, resumed.average.values[name]) for name, value in whole.average.values.items())
    one, two = (run.averaged_model().state_dict() for run in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_config_does_not_resume(tmp_path: Path) -> None:
    run_training(trainer(), tmp_path / "run")
    with pytest.raises(InputError, match="another batch"):
        run_training(trainer(replace(CONFIG, batch=3)), tmp_path / "run")


def test_training_leaves_the_callers_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    trainer().train_step()
    assert torch.equal(torch.rand(1), expected)


def test_limits_are_needed() -> None:
    with pytest.raises(InputError, match="minutes and steps"):
        replace(CONFIG, minutes=None, steps=None).validate()
    with pytest.raises(InputError, match="huge"):
        replace(CONFIG, size="huge").validate()
    with pytest.raises(InputError, match="straight.*cosine, linear"):
        replace(CONFIG, schedule="straight").validate()
    with pytest.raises(InputError, match="stretch is -0.1"):
        replace(CONFIG, stretch=-0.1).validate()
    with pytest.raises(InputError, match="audio_drop is 1"):
        replace(CONFIG, audio_drop=1.0).validate()
    with pytest.raises(InputError, match="batch"):
        replace(CONFIG, batch=0).validate()
    with pytest.raises(InputError, match="accumulate"):
        replace(CONFIG, accumulate=0).validate()
    with pytest.raises(InputError, match="batch is 2; expected a multiple of 1 processes x 3 parts"):
        trainer(replace(CONFIG, accumulate=3))


def test_validation_does_not_change_the_model() -> None:
    run = trainer()
    run.train_step()
    before = state(run)
    assert np.isfinite(run.validation_loss())
    assert all(torch.equal(value, before[name]) for name, value in state(run).items())


def test_blinks() -> None:
    lids = np.ones((100, 2))
    lids[10:15] = [[0.6], [0.2], [0.0], [0.3], [0.65]]
    lids[40:43] = 0.5  # a squint, not a blink
    lids[97:] = 0.1
    assert blinks(lids) == [5, 3]


def test_lip_reader_reads_lips() -> None:
    clips = make_clips()
    read = LipReader(clips)(clips[0].x.astype(float))
    assert np.corrcoef(read, clips[0].lips)[0, 1] > 0.9


def test_scores_of_samples() -> None:
    run = trainer()
    clips = [*make_clips(), make_clip(9, 120, "val")]
    scores = sample_scores(run.averaged_model(), clips, GenerationOptions(steps=2))
    assert scores["clips"] == 1
    assert all(np.isfinite(value) for value in scores.values())
    assert scores["gaze_yaw_slope"] == pytest.approx(1, abs=0.3)  # controls add exactly, even untrained


def test_generated_length_is_the_audios() -> None:
    motion = generate(trainer().averaged_model(), make_clip(0, 73).audio, GenerationOptions(steps=1))
    assert len(motion) == 73


def test_empty_training_split_is_an_error() -> None:
    with pytest.raises(InputError, match="train"):
        MotionTrainer([make_clip(0, split="val")], CONFIG, "moonshine")


def test_held_out_clips_are_not_trained_on() -> None:
    run, alone = trainer(), MotionTrainer(make_clips(), CONFIG, "moonshine")
    assert isinstance(run.held_out, WindowSampler)
    assert alone.held_out is None
    for step in range(4):
        assert torch.equal(run.sampler.batch(step, 8).x, alone.sampler.batch(step, 8).x)
    assert not torch.equal(run.held_out.batch(0, 8).x, run.sampler.batch(0, 8).x)


def test_two_steps_through_the_command(tmp_path: Path, portrait: Path) -> None:
    """Real files all the way: videos of a moving photo with sound -> tracking -> features -> checkpoint and card."""
    from vasa_core.io.image import read_image
    from vasa_core.io.video import VideoWriter
    from vasa_core.training.motion.run import train_motion

    data = tmp_path / "videos"
    data.mkdir()
    photo = read_image(portrait)[:512, :512]
    speech = portrait.parent / "speech.wav"
    with (data / "manifest.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "split", "identity"])
        for index, split in enumerate(("train", "train", "val")):
            name = f"clip{index}.mp4"
            rows.writerow([name, split, f"person{index}"])
            with VideoWriter(data / name, photo.shape[:2], speech, {}) as writer:
                for frame in range(40):
                    writer.write(np.roll(photo, (frame % 7, 2 * index + frame % 5), (0, 1)))
    checkpoints = CHECKPOINTS
    config = replace(CONFIG, steps=2)
    scores = train_motion(
        [data], tmp_path / "motion", config, checkpoints, cache=tmp_path / "cache", run=tmp_path / "run"
    )
    assert scores["steps"] == 2
    model = MotionModel.load(tmp_path / "motion")
    assert model.config.audio_channels == 288
    assert len(generate(model, np.zeros((60, 288), np.float32), GenerationOptions(steps=1))) == 60
    card = (tmp_path / "motion" / "MODEL_CARD.md").read_text()
    assert "videos" in card
    assert str(tmp_path) not in card.replace(f"--out {tmp_path / 'motion'}", "")


def test_lips_loss_sees_what_the_lips_do_and_nothing_else() -> None:
    batch = trainer().sampler.batch(0, 2)
    batch = replace(batch, weight=torch.ones_like(batch.x))
    lips = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    channels, level = torch.ones(batch.x.shape[2]), torch.ones(2)
    wrong = batch.x.clone()
    wrong[..., 10] += 3.0  # the first expression: 2 units of the first reading each
    assert motion_loss(wrong, batch, level, channels, 1.0, lips)["lips"].item() == pytest.approx(36, rel=1e-5)
    wrong = batch.x.clone()
    wrong[..., 11] += 3.0  # moves no lip
    wrong[..., :10] += 3.0  # head, gaze, lids
    assert motion_loss(wrong, batch, level, channels, 1.0, lips)["lips"].item() == pytest.approx(0, abs=1e-9)
    unseen = replace(batch, weight=torch.zeros_like(batch.x))
    wrong = (batch.x + 1.0).requires_grad_()
    motion_loss(wrong, unseen, level, channels, 1.0, lips)["lips"].backward()
    assert wrong.grad is not None
    assert not wrong.grad.any()


def test_lip_readings_vary_by_one_over_the_clips() -> None:
    run, moves = trainer(), np.random.default_rng(0).normal(size=(4, 3))
    stats = Statistics(**{n: getattr(run.model, n) for n in ("motion_mean", "motion_std", "audio_mean", "audio_std")})
    readings = lip_readings(make_clips(), stats, moves)
    x = np.concatenate([clip.x[:, 10:] for clip in make_clips()]) / stats.motion_std[10:].numpy()
    assert (x @ readings.numpy()).var(0).sum() == pytest.approx(1, rel=1e-3)


def test_starting_from_another_model_takes_over_what_fits(tmp_path: Path) -> None:
    old = trainer(replace(CONFIG, seed=8))
    old.model.save(tmp_path)
    new = trainer()
    assert new.start_from(tmp_path) == len(new.average.values)
    for name, value in new.denoiser.named_parameters():
        assert torch.allclose(value, old.average.values[name], atol=1e-3)
        assert torch.equal(value, new.average.values[name])
    wider = [replace(clip, audio=np.repeat(clip.audio, 2, 1)) for clip in make_clips()]
    other = MotionTrainer(wider, CONFIG, "block")
    assert other.start_from(tmp_path) == len(other.average.values)
    known, further = other.average.values["audio_in.weight"].chunk(2, 1)
    assert torch.allclose(known, old.average.values["audio_in.weight"], atol=1e-3)
    assert not further.any()
    narrower = MotionTrainer([replace(clip, audio=clip.audio[:, :-1]) for clip in make_clips()], CONFIG, "block")
    untouched = narrower.average.values["audio_in.weight"].clone()
    assert narrower.start_from(tmp_path) == len(narrower.average.values) - 1
    assert torch.equal(narrower.average.values["audio_in.weight"], untouched)


def test_a_run_keeps_its_record(tmp_path: Path) -> None:
    clips = [*make_clips(), make_clip(9, 120, "val")]
    config = replace(CONFIG, log_steps=2)
    run = trainer(config)

    def snapshot() -> Snapshot:
        return Snapshot({"held_out_x0": run.validation_loss()}, {"lips": LipSheet(clips)(run.averaged_model())})

    run_training(run, tmp_path / "run", snapshot)
    lines = RunFolder(tmp_path / "run").records()
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert lines[0].keys() >= {"total", "x0", "velocity", "learning_rate"}
    assert lines[2].keys() == {"step", "held_out_x0"}
    assert lines[0]["total"] == pytest.approx(lines[0]["x0"] + lines[0]["velocity"], rel=1e-5)
    expected = np.mean([t.train_step()["total"] for t in [trainer(config)] for _ in range(2)])
    assert lines[0]["total"] == pytest.approx(expected)
    assert (tmp_path / "run" / "samples" / "lips-00000004.png").stat().st_size > 1000


def test_curves_show_where_lips_are() -> None:
    real = np.sin(np.arange(100) / 5)
    same, still = draw_curves("clip", real, real), draw_curves("clip", real, np.zeros(100))
    red = [(sheet.astype(int)[..., 0] - sheet[..., 2] > 100).nonzero()[0] for sheet in (same, still)]
    assert red[0].std() > 20
    assert red[1].std() < 3


def test_estimate_tells_what_a_run_takes() -> None:
    run = trainer(replace(CONFIG, steps=1000))
    made = estimate(run)
    assert made["parameters"] == sum(p.numel() for p in run.denoiser.parameters())
    assert made["steps"] == 1000
    assert made["minutes"] == pytest.approx(1000 * made["seconds_a_step"] / 60)
    assert 0 < made["memory_gib"] < 1 < made["memory_free_gib"]
    limited = estimate(trainer(replace(CONFIG, steps=None, minutes=2.0)))
    assert limited["minutes"] == pytest.approx(2)


def test_rate_follows_minutes_as_it_does_steps() -> None:
    run = trainer(replace(CONFIG, steps=None, minutes=10.0, warmup=10, learning_rate=1.0))
    assert run.rate == pytest.approx(0.1)
    for step, minutes, share in ((1000, 5.0, 0.5), (1000, 9.99999, 0.02), (300, 2.5, 0.5 + 0.5 * np.cos(np.pi / 4))):
        run.step, run.seconds = step, 60 * minutes
        assert run.rate == pytest.approx(share, abs=1e-3)


def test_a_trainer_needs_memory_by_its_parts() -> None:
    run = trainer(replace(CONFIG, batch=4))
    whole, parts = run.memory_needed(), trainer(replace(CONFIG, batch=4, accumulate=4)).memory_needed()
    parameters = sum(p.numel() for p in run.denoiser.parameters())
    assert 2 * 4 * parameters <= whole.weights < 2.5 * 4 * parameters + 100_000
    assert whole.weights == parts.weights
    assert whole.moments == parts.moments
    assert 2 < whole.saved / parts.saved <= 4
