"""One generation at a time, one a visitor, and an honest word on how long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from vasa_core.app.job import DONE, MAKING, WAITING, Line, Moment, loaded
from vasa_core.app.wishes import SILENT, Talk
from vasa_core.errors import Cancelled, InputError
from vasa_core.io.audio import AudioFile
from vasa_core.io.video import read_frames
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline

QUICK = GenerationOptions.of(size=256, steps=1)


def wish(visitor: str, portrait: Path, speech: Path) -> Talk:
    return Talk(visitor, portrait, AudioFile.open(speech), QUICK, "mesh")


def test_the_newest_frame_is_seen_and_the_file_is_there_until_the_next_moment(
    pipeline: Pipeline, portrait: Path, brief_speech: Path
) -> None:
    line = Line(loaded(pipeline), 4, 60.0)
    seen: list[Moment] = []
    for moment in line.run(wish("a", portrait, brief_speech)):
        seen.append(moment)
        if moment.result:
            assert len(list(read_frames(Path(moment.result.path)))) == 15
    assert seen[-1].stage == DONE
    assert any(moment.stage == MAKING and moment.frame is not None for moment in seen)
    assert all(moment.total == 15 for moment in seen)
    done = [moment.done for moment in seen]
    assert done == sorted(done)
    assert seen[-1].result is not None
    assert not Path(seen[-1].result.path).parent.exists()


def test_others_wait_and_a_visitor_has_one(pipeline: Pipeline, portrait: Path, brief_speech: Path) -> None:
    line = Line(loaded(pipeline), 1, 60.0)
    first = line.run(wish("a", portrait, brief_speech))
    next(first)
    with pytest.raises(InputError, match="Your last video is still being made; expected one at a time"):
        next(line.run(wish("a", portrait, brief_speech)))
    second = line.run(wish("b", portrait, brief_speech))
    waiting = next(second)
    assert (waiting.stage, waiting.ahead) == (WAITING, 1)
    with pytest.raises(InputError, match="2 videos are waiting already; expected fewer"):
        next(line.run(wish("c", portrait, brief_speech)))
    first.close()
    assert [moment.stage for moment in second][-1] == DONE
    again = line.run(wish("a", portrait, brief_speech))
    assert next(again).ahead == 0
    again.close()


def test_who_stops_ends_their_own(pipeline: Pipeline, portrait: Path, brief_speech: Path) -> None:
    line = Line(loaded(pipeline), 4, 60.0)
    mine, theirs = (line.run(wish(visitor, portrait, brief_speech)) for visitor in "ab")
    next(mine)
    next(theirs)
    line.stop("a")
    line.stop("nobody")
    with pytest.raises(Cancelled):
        list(mine)
    assert [moment.stage for moment in theirs][-1] == DONE


def test_long_speech_is_refused_and_silence_is_told(pipeline: Pipeline, portrait: Path, tmp_path: Path) -> None:
    wavfile.write(tmp_path / "silence.wav", 16000, np.zeros(16000, np.float32))
    with pytest.raises(InputError, match="The speech is 1 s long; expected at most 0.5 s here"):
        next(Line(loaded(pipeline), 4, 0.5).run(wish("a", portrait, tmp_path / "silence.wav")))
    *_, last = Line(loaded(pipeline), 4, 60.0).run(wish("a", portrait, tmp_path / "silence.wav"))
    assert last.result is not None
    assert SILENT in last.result.warnings
