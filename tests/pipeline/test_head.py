"""Heads that are not generated: spinning or as in a video, under speech; eyes keep looking where they looked."""

from __future__ import annotations

import wave
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import InputError
from vasa_core.face.pose import PITCH, YAW
from vasa_core.io.audio import read_audio
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared, showcase
from vasa_core.pipeline.grid import TILE
from vasa_core.pipeline.head import ROUND, SPIN_SECONDS, back_and_forth, moved_heads, played, spinning
from vasa_core.pipeline.showcase import columns
from vasa_core.provenance.mark import MARKED_FROM, mark_score
from vasa_core.rates import FPS, SAMPLES_PER_FRAME
from vasa_core.types import Motion

OPTIONS = GenerationOptions(steps=2, size=256)


def some_motion(frames: int) -> Motion:
    rng = np.random.default_rng(0)
    return Motion(0.1 * rng.normal(size=(frames, 6)), rng.normal(size=(frames, 36)))


def test_a_spinning_head_starts_at_rest_goes_round_and_does_not_jump() -> None:
    path = spinning(0, 250)
    assert np.all(path[0] == 0)
    assert np.abs(np.diff(path, axis=0)).max() < np.radians(3)
    around = int(SPIN_SECONDS * FPS)
    np.testing.assert_allclose(path[FPS : FPS + around], path[FPS + around : FPS + 2 * around], atol=1e-9)
    axes = path[FPS:, [YAW, PITCH]] / [ROUND[YAW], ROUND[PITCH]]
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1)
    np.testing.assert_array_equal(path[:, 3:], 0)
    np.testing.assert_array_equal(spinning(100, 50), path[100:150])


def test_what_is_too_short_goes_on_backwards() -> None:
    assert back_and_forth(3, 0, 9).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0]
    assert back_and_forth(3, 5, 3).tolist() == [1, 2, 1]
    assert back_and_forth(1, 7, 2).tolist() == [0, 0]
    poses = np.arange(18.0).reshape(3, 6)
    np.testing.assert_array_equal(played(poses)(2, 2), poses[[2, 1]])


def test_other_heads_leave_the_face_and_where_it_looks_alone() -> None:
    motion, own = some_motion(60), np.array([0.1, -0.2, 0.0, 0.1, 0.0, 0.3])
    parts = [Motion(motion.pose[i : i + 7], motion.dynamics[i : i + 7]) for i in range(0, 60, 7)]
    moved = list(moved_heads(iter(parts), spinning, own, 0.5))
    pose, dynamics = (np.concatenate([getattr(part, name) for part in moved]) for name in ("pose", "dynamics"))
    np.testing.assert_allclose(pose, own + 0.5 * spinning(0, 60))
    np.testing.assert_array_equal(dynamics[:, 2:], motion.dynamics[:, 2:])
    looked, looks = (d[:, :2] + p[:, [YAW, PITCH]] for p, d in ((motion.pose, motion.dynamics), (pose, dynamics)))
    np.testing.assert_allclose(looks, looked)


def test_columns_edit_head_and_face_apart() -> None:
    generated, own = some_motion(40), some_motion(1)
    plain, still, spun, mute = (column.motion for column in columns(generated, own))
    assert plain is generated
    np.testing.assert_allclose(still.pose, np.repeat(own.pose, 40, 0))
    np.testing.assert_allclose(spun.pose, own.pose + spinning(0, 40))
    for edited in (still, spun):
        np.testing.assert_array_equal(edited.dynamics[:, 2:], generated.dynamics[:, 2:])
    np.testing.assert_array_equal(mute.pose, generated.pose)
    np.testing.assert_allclose(mute.dynamics, np.repeat(own.dynamics, 40, 0))


def test_speech_on_a_head_that_spins_or_follows_a_video(
    pipeline: Pipeline, prepared: Prepared, short_speech: Path, tmp_path: Path
) -> None:
    driving, out = _beginning(pipeline, prepared, short_speech, 20, tmp_path), tmp_path / "out.mp4"
    sound = read_audio(short_speech)[: 30 * SAMPLES_PER_FRAME]
    yaw = {}
    for name, source in (("spin", "spin"), ("video", driving)):
        options = GenerationOptions(steps=2, head_pose=source)
        assert pipeline.generate(prepared, sound, out, options).frames == 30
        yaw[name] = pipeline.encode(out)["pose"][:, YAW]
    own = prepared.portrait.motion.pose[0, YAW]
    wanted = own + spinning(0, 30)[:, YAW]
    assert np.corrcoef(yaw["spin"], wanted)[0, 1] > 0.98
    assert np.ptp(yaw["spin"]) > 0.7 * np.ptp(wanted)
    followed = pipeline.reenacted_motion(prepared.portrait, driving, None).pose[:, YAW]
    again = followed[back_and_forth(len(followed), 0, 30)]
    assert len(followed) == 20
    assert np.degrees(np.abs(yaw["video"] - again)).mean() < 1.5


def _beginning(pipeline: Pipeline, prepared: Prepared, speech: Path, frames: int, folder: Path) -> Path:
    """A video of the first frames, shorter than the speech."""
    target = folder / "short.mp4"
    with VideoWriter(target, (256, 256)) as writer:
        for frame in islice(pipeline.stream(prepared, speech, OPTIONS), frames):
            writer.write(frame)
    return target


def _brief(speech: Path, folder: Path) -> Path:
    """The first 20 frames of a speech."""
    target = folder / "brief.wav"
    with wave.open(str(speech)) as source, wave.open(str(target), "wb") as brief:
        brief.setparams(source.getparams())
        brief.writeframes(source.readframes(20 * SAMPLES_PER_FRAME))
    return target


def test_a_showcase_is_one_marked_video(
    pipeline: Pipeline, prepared: Prepared, short_speech: Path, tmp_path: Path
) -> None:
    dynamics, out = _beginning(pipeline, prepared, short_speech, 15, tmp_path), tmp_path / "out.mp4"
    seen: list[tuple[int, int]] = []
    made = showcase(
        pipeline,
        prepared,
        _brief(short_speech, tmp_path),
        out,
        OPTIONS,
        "spin",
        dynamics,
        progress=lambda done, total: seen.append((done, total)),
    )
    frames = list(read_frames(out))
    assert made.frames == len(frames) == 20
    assert made.width == 5 * TILE
    assert seen[-1] == (20, 20)
    assert frames[0].shape == (made.height, made.width, 3)
    assert mark_score(frames[::4], 4) > MARKED_FROM
    tiles = [[np.ascontiguousarray(f[:TILE, i * TILE : (i + 1) * TILE]) for f in frames[::4]] for i in range(5)]
    assert all(mark_score(tile) > MARKED_FROM for tile in tiles)
    changes = [np.abs(np.diff(np.stack(tile).astype(int), axis=0)).mean() for tile in tiles]
    assert changes[2] > 1.5 * changes[1]  # spinning, still


def test_bad_sources_are_named(pipeline: Pipeline, prepared: Prepared, short_speech: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="head_pose is 'nod'; expected spin or a video file"):
        list(pipeline.stream(prepared, short_speech, GenerationOptions(head_pose="nod")))
    with pytest.raises(InputError, match="speech|short|video"):
        list(pipeline.stream(prepared, short_speech, GenerationOptions(head_pose=short_speech)))
    with pytest.raises(InputError, match="expected at least one video"):
        pipeline.reenact(prepared, None, tmp_path / "out.mp4", pose_from="spin")
