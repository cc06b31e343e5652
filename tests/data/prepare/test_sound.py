"""Whose sound a clip is given: lips that follow it, that come late, and that belong to another voice."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float, Int16

from vasa_core.assets import ASSETS
from vasa_core.audio.lip_sync import MAX_LAG, trusted_confidence
from vasa_core.data.prepare.clip import ClipPlan, CutClip
from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.crops import Crop
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.sound import give_sound
from vasa_core.data.prepare.sync import clip_reason, track_sync
from vasa_core.io.audio import read_audio

SPEECH = ASSETS / "speech.wav"
FRAMES = 200
Lips = Float[np.ndarray, "n channels"]


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(PreparationConfig())


@pytest.fixture(scope="module")
def lips(tools: Tools) -> Lips:
    """What the judge expects of the speech, from its second second on, with a second more at both ends."""
    return tools.expected_lips(read_audio(SPEECH))[: FRAMES + 50]


def cut(track: int, lips: Lips, first: int = 25) -> CutClip:
    """A clip whose lips are measured; noise lies over them, as over all measurements."""
    noise = np.random.default_rng(track).normal(0, 0.3 * lips.std(), lips.shape)
    span = first, first + len(lips)
    plan = ClipPlan(f"{track}-{first}", "Ann", "train", "v", track, span, Crop(0, 0, 64, 64), (64, 64), 30.0, 1.0, 0.0)
    return CutClip(plan, span, lips + noise, {})


def about(folder: Path, clip: CutClip) -> dict[str, Any]:
    return json.loads((folder / f"{clip.plan.key}.json").read_text())


def sound(folder: Path, clip: CutClip) -> Int16[np.ndarray, " samples"]:
    with wave.open(str(folder / f"{clip.plan.key}.wav")) as stream:
        return np.frombuffer(stream.readframes(stream.getnframes()), "<i2")


def test_of_several_faces_only_the_one_that_speaks_keeps_the_sound(tools: Tools, lips: Lips, tmp_path: Path) -> None:
    own = lips[25 : 25 + FRAMES]
    clips = [cut(1, own), cut(2, own[::-1]), cut(3, np.roll(own, FRAMES // 2, 0)), cut(4, np.zeros_like(own))]
    kept, heard, removed = give_sound(SPEECH, clips, tmp_path, PreparationConfig(), tools)
    assert kept == [c.plan.key for c in clips]
    assert not removed
    assert [path.name for path in tmp_path.glob("*.wav")] == ["1-25.wav"]
    assert [h.with_sound for h in heard] == [1, 0, 0, 0]
    assert heard[0].lag == 0
    assert heard[0].confidence is not None
    assert heard[0].confidence > 0.25
    for clip, found in zip(clips[1:], heard[1:], strict=True):
        assert not about(tmp_path, clip)["sound"]
        assert about(tmp_path, clip)["sound_reason"] == found.reasons[0]
        assert found.reasons[0].startswith("lips")
    speech = read_audio(SPEECH)[25 * 640 : (25 + FRAMES) * 640]
    np.testing.assert_allclose(sound(tmp_path, clips[0]) / 32768, speech, atol=1e-3)


@pytest.mark.parametrize(("late", "moved"), [(0, 0), (1, 0), (3, 3), (-4, -4)])
def test_a_small_lag_is_moved_to_zero(tools: Tools, lips: Lips, tmp_path: Path, late: int, moved: int) -> None:
    clip = cut(1, lips[25 - late : 25 - late + FRAMES])
    _, (heard,), _ = give_sound(SPEECH, [clip], tmp_path, PreparationConfig(), tools)
    assert (heard.lag, heard.moved, heard.with_sound) == (late, moved, 1)
    assert about(tmp_path, clip)["sound_moved"] == moved
    first = 25 - moved
    speech = read_audio(SPEECH)[first * 640 : (first + FRAMES) * 640]
    np.testing.assert_allclose(sound(tmp_path, clip) / 32768, speech, atol=1e-3)


def test_sound_moved_beyond_the_start_begins_with_silence(tools: Tools, lips: Lips, tmp_path: Path) -> None:
    late = np.concatenate([lips[:1].repeat(3, 0), lips[: FRAMES - 3]])
    clip = cut(1, late, first=0)
    give_sound(SPEECH, [clip], tmp_path, PreparationConfig(), tools)
    samples = sound(tmp_path, clip)
    assert about(tmp_path, clip)["sound_moved"] == 3
    assert len(samples) == FRAMES * 640
    assert not samples[: 3 * 640].any()
    np.testing.assert_allclose(samples[3 * 640 :] / 32768, read_audio(SPEECH)[: (FRAMES - 3) * 640], atol=1e-3)


@pytest.mark.parametrize(("unsynced", "kept", "with_sound"), [("silent", 1, 0), ("drop", 0, 0), ("keep", 1, 1)])
def test_a_dub_far_behind_is_silenced_dropped_or_kept(
    tools: Tools, lips: Lips, tmp_path: Path, unsynced: str, kept: int, with_sound: int
) -> None:
    clip = cut(1, lips[25 + 8 : 25 + 8 + FRAMES])
    (tmp_path / f"{clip.plan.key}.mp4").touch()
    keys, (heard,), removed = give_sound(SPEECH, [clip], tmp_path, PreparationConfig(unsynced=unsynced), tools)
    assert heard.lag == -8
    assert heard.reasons == ["lips out of step with the sound: lag -8 frames, more than 5"]
    assert len(keys) == kept
    assert len(removed) == 1 - kept
    files = {path.suffix for path in tmp_path.iterdir()}
    assert files == ({".mp4", ".json"} if kept else set()) | ({".wav"} if with_sound else set())


def curve(lag: int, confidence: float) -> Float[np.ndarray, " lags"]:
    found = np.zeros(2 * MAX_LAG + 1)
    found[lag + MAX_LAG] = confidence
    return found


def test_clips_of_a_track_are_read_together() -> None:
    chance = [(60, curve(lag, 0.4)) for lag in (0, 9, -7, 12)]  # each alone would pass in a long clip
    told = track_sync(chance)
    assert told is not None
    assert told.reason is not None
    assert told.reason.startswith("lips do not follow")
    agreed = track_sync([(60, curve(-2, 0.4))] * 4)
    assert agreed is not None
    assert agreed.reason is None
    assert agreed.moved == -2
    assert agreed.frames == 240
    assert track_sync([]) is None


def test_short_clips_need_more_confidence() -> None:
    short, long = track_sync([(50, curve(0, 0.3))]), track_sync([(250, curve(0, 0.3))])
    assert short is not None
    assert short.reason is not None
    assert long is not None
    assert long.reason is None
    assert trusted_confidence(50) > trusted_confidence(75) > trusted_confidence(250) == 0.25


def test_a_clip_in_which_another_speaks_loses_the_sound_that_its_track_keeps() -> None:
    sync = track_sync([(250, curve(0, 0.6)), (250, curve(0, 0.5)), (250, curve(9, 0.4))])
    assert clip_reason(sync, (250, curve(1, 0.5))) is None
    reason = clip_reason(sync, (250, curve(9, 0.4)))
    assert reason is not None
    assert reason.startswith("lips of this clip")
    assert clip_reason(sync, None) is None
    assert clip_reason(None, None) is not None
