"""Motion streams: whole length, no seams in time, streamed == offline, and seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.checkpoint import load_tensors
from vasa_core.errors import InputError
from vasa_core.motion.model import MotionModel
from vasa_core.motion.stream import MotionStream
from vasa_core.options import EMOTIONS, GenerationOptions
from vasa_core.types import Motion

OPTIONS = GenerationOptions(steps=3, seed=7)
PORTRAIT = np.array([0.1, -0.2, 0.0, 0.1, 0.0, 0.3])


def features(frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(frames, 6)).astype(np.float32)


def run(model: MotionModel, audio: np.ndarray, cuts: list[int], options: GenerationOptions = OPTIONS) -> Motion:
    return joined(MotionStream(model, PORTRAIT, options), audio, cuts)


def joined(stream: MotionStream, audio: np.ndarray, cuts: list[int]) -> Motion:
    parts = [stream.push(chunk) for chunk in np.split(audio, cuts)] + [stream.finish()]
    return Motion(np.concatenate([p.pose for p in parts]), np.concatenate([p.dynamics for p in parts]))


@pytest.mark.parametrize("frames", [1, 7, 49, 50, 51, 100, 250])
def test_frames_out_are_frames_in(model: MotionModel, frames: int) -> None:
    motion = run(model, features(frames), [])
    assert motion.pose.shape == (frames, 6)
    assert motion.dynamics.shape == (frames, 8)


@pytest.mark.parametrize("cuts", [[1, 2, 3], [50, 100], [49, 51, 53, 117], list(range(1, 130, 4))])
def test_streamed_equals_offline_bit_for_bit(model: MotionModel, cuts: list[int]) -> None:
    audio = features(130)
    whole, pieces = run(model, audio, []), run(model, audio, cuts)
    assert np.array_equal(whole.pose, pieces.pose)
    assert np.array_equal(whole.dynamics, pieces.dynamics)


@dataclass(frozen=True)
class Pace:
    """Arguments of a live stream, in frames."""

    hop: int
    look_ahead: int


PACES = [Pace(5, 0), Pace(10, 2), Pace(25, 25), Pace(50, 0)]


def live(model: MotionModel, pace: Pace) -> MotionStream:
    return MotionStream(model, PORTRAIT, OPTIONS, pace.hop, pace.look_ahead)


@pytest.mark.parametrize("pace", PACES)
def test_a_hop_comes_when_its_sound_and_look_ahead_are_there(model: MotionModel, pace: Pace) -> None:
    stream, out = live(model, pace), 0
    for pushed in range(1, 64):
        out += len(stream.push(features(1)))
        assert out == max(0, pushed - pace.look_ahead) // pace.hop * pace.hop
    assert len(stream.finish()) == 63 - out
    assert len(stream.finish()) == 0


@pytest.mark.parametrize("pace", PACES)
def test_live_motion_does_not_depend_on_how_features_were_cut(model: MotionModel, pace: Pace) -> None:
    audio = features(73)
    whole = joined(live(model, pace), audio, [])
    for cuts in ([1, 2, 30], list(range(73))):
        pieces = joined(live(model, pace), audio, cuts)
        assert np.array_equal(whole.pose, pieces.pose)
        assert np.array_equal(whole.dynamics, pieces.dynamics)


@pytest.mark.parametrize("pace", PACES)
def test_live_motion_knows_no_sound_after_its_look_ahead(model: MotionModel, pace: Pace) -> None:
    audio = features(110)
    other = audio.copy()
    out = 2 * pace.hop  # frames of the first two windows
    other[out + pace.look_ahead :] += 1
    one, two = joined(live(model, pace), audio, []), joined(live(model, pace), other, [])
    assert np.array_equal(one.pose[:out], two.pose[:out])
    assert not np.array_equal(one.pose[out:], two.pose[out:])
    other = audio.copy()
    other[out - 1 + pace.look_ahead] += 1  # the last frame that it does know
    assert not np.array_equal(one.pose[:out], joined(live(model, pace), other, []).pose[:out])


def test_the_first_window_of_a_whole_hop_is_the_usual_one(model: MotionModel) -> None:
    """What a short hop keeps of its first window is what a stream that ends there gives."""
    audio = features(60)
    short = joined(live(model, Pace(38, 0)), audio, [])
    assert np.array_equal(short.pose[:38], run(model, audio[:38], []).pose)
    assert np.array_equal(joined(live(model, Pace(50, 0)), audio, []).pose, run(model, audio, []).pose)


@pytest.mark.parametrize("pace", PACES)
def test_live_motion_goes_on_without_a_jump(model: MotionModel, pace: Pace) -> None:
    """Where one window's kept frames end, the next goes on at about their speed (see `continuity`)."""
    pose = joined(live(model, pace), features(120), []).pose
    jumps = np.abs(np.diff(pose, axis=0)).max(1)  # (119,)
    seams = jumps[pace.hop - 1 :: pace.hop]
    assert np.median(seams) < 1.5 * np.median(jumps)


def test_what_a_live_stream_holds_is_bounded(model: MotionModel) -> None:
    stream, held = live(model, Pace(10, 2)), []
    for index in range(150):
        stream.push(features(1 + index % 7))
        kept = [torch.as_tensor(v) for v in vars(stream).values() if isinstance(v, np.ndarray | torch.Tensor)]
        held.append(sum(tensor.numel() for tensor in kept))
        assert all(tensor.untyped_storage().nbytes() <= 4 * 60 * 14 for tensor in kept)  # views of no more than that
    assert max(held) - min(held) <= (10 + 2) * 6  # features that wait


@pytest.mark.parametrize(
    ("pace", "named"),
    [
        (Pace(0, 0), "hop is 0"),
        (Pace(51, 0), "hop is 51; expected 1 to 50"),
        (Pace(45, 6), "hop is 45; expected 1 to 44"),
        (Pace(10, -1), "look_ahead is -1"),
    ],
)
def test_a_pace_that_does_not_fit_is_named(model: MotionModel, pace: Pace, named: str) -> None:
    with pytest.raises(InputError, match=named):
        live(model, pace)


def test_motion_comes_as_soon_as_its_window_is_whole(model: MotionModel) -> None:
    stream = MotionStream(model, PORTRAIT, OPTIONS)
    assert [len(stream.push(features(30))) for _ in range(4)] == [0, 50, 0, 50]
    assert len(stream.finish()) == 20
    assert len(stream.finish()) == 0


def test_the_past_does_not_depend_on_the_future(model: MotionModel) -> None:
    audio = features(150)
    other = audio.copy()
    other[100:] += 1
    assert np.array_equal(run(model, audio, []).pose[:100], run(model, other, []).pose[:100])


def test_windows_follow_the_window_before(model: MotionModel) -> None:
    audio = features(100)
    other = audio.copy()
    other[:50] += 1
    assert not np.array_equal(run(model, audio, []).pose[50:], run(model, other, []).pose[50:])


def test_same_seed_same_motion_other_seed_other_motion(model: MotionModel) -> None:
    audio = features(60)
    torch.manual_seed(1)
    first = run(model, audio, [])
    torch.manual_seed(2)
    assert np.array_equal(first.dynamics, run(model, audio, []).dynamics)
    assert not np.array_equal(first.dynamics, run(model, audio, [], replace(OPTIONS, seed=8)).dynamics)


def test_windows_of_the_same_audio_differ(model: MotionModel) -> None:
    motion = run(model, np.zeros((100, 6), np.float32), [])
    assert not np.array_equal(motion.dynamics[:50], motion.dynamics[50:])


def test_a_frozen_head_stays_where_it_was_at_any_distance(model: MotionModel) -> None:
    motion = run(model, features(60), [], replace(OPTIONS, head_motion=0.0, distance=1.25))
    assert motion.pose == pytest.approx(np.tile(PORTRAIT, (60, 1)))


@pytest.mark.parametrize(
    "change",
    [{"gaze_yaw": 20.0}, {"distance": 1.3}, {"emotion": "anger", "guidance_emotion": 0.0}, {"guidance_audio": 3.0}],
)
def test_every_control_reaches_the_model(model: MotionModel, change: dict[str, float]) -> None:
    audio = features(50)
    assert not np.allclose(run(model, audio, []).dynamics, run(model, audio, [], replace(OPTIONS, **change)).dynamics)


def test_no_emotion_is_zero_strength(model: MotionModel) -> None:
    none, zero = run(model, features(50), []), replace(OPTIONS, emotion="anger", emotion_strength=0.0)
    assert np.array_equal(none.dynamics, run(model, features(50), [], zero).dynamics)


def test_checkpoint_round_trip(model: MotionModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = MotionModel.load(tmp_path)
    assert loaded.config == model.config
    assert loaded.audio_encoder == "moonshine"
    assert not loaded.training
    stored, _ = load_tensors(tmp_path / "model.safetensors")
    assert all(value.dtype == torch.float16 for value in stored.values())
    assert run(loaded, features(60), []).dynamics == pytest.approx(run(model, features(60), []).dynamics, abs=0.01)


def test_unknown_config_key_is_an_error(model: MotionModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"window"', '"windows"'))
    with pytest.raises(InputError, match="windows"):
        MotionModel.load(tmp_path)


def test_an_emotion_adds_its_rest_in_proportion(model: MotionModel) -> None:
    audio, happy = features(60), replace(OPTIONS, emotion="happiness", guidance_emotion=0.0)
    before = run(model, audio, [], happy).dynamics
    model.emotion_rest[EMOTIONS.index("happiness")] = torch.tensor([-0.1, 0.2, 1.0, -2.0, 0.5, 0.0])
    after = run(model, audio, [], happy).dynamics
    np.testing.assert_allclose(after[:, 4:] - before[:, 4:], np.broadcast_to([1.0, -2.0, 0.5, 0.0], (60, 4)), atol=1e-6)
    np.testing.assert_allclose(after[:, 2:4], before[:, 2:4] * [0.9, 1.2], atol=1e-6)  # so shut lids stay shut
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-9)
    sad = replace(happy, emotion="sadness")
    assert np.array_equal(run(model, audio, [], sad).dynamics, run(make_unmoved(model), audio, [], sad).dynamics)


def make_unmoved(model: MotionModel) -> MotionModel:
    model.emotion_rest.zero_()
    return model
