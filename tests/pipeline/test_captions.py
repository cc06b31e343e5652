"""Subtitles in the frames: where, when, and that the mark is still found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vasa_core.audio.voice import Word
from vasa_core.errors import InputError
from vasa_core.pipeline import Video
from vasa_core.pipeline.captions import captioned
from vasa_core.provenance.mark import MARKED_FROM, mark, mark_score

WORDS = [Word("It\u2019s", 0.2, 0.5), Word("me.", 0.5, 1.0), Word("Bye", 1.2, 1.6)]


def grey_video(channels: int = 3, size: tuple[int, int] = (256, 256), frames: int = 50) -> Video:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(110, 140, (*size, channels), np.uint8) for _ in range(frames)]

    def make(*_: Any) -> Iterator[np.ndarray]:
        return (mark(picture, number) for number, picture in enumerate(pictures))

    return Video(make, size, 0)


@pytest.mark.parametrize("channels", [3, 4])
def test_words_are_seen_while_they_are_heard_and_leave_badge_and_mark(channels: int) -> None:
    video = grey_video(channels)
    plain, burnt = list(video), list(captioned(video, WORDS))
    changed = [not np.array_equal(a, b) for a, b in zip(plain, burnt, strict=True)]
    assert changed == [0.2 <= number / 25 < 1.0 or 1.2 <= number / 25 < 1.6 for number in range(50)]
    rows, columns = np.nonzero((plain[10] != burnt[10]).any(-1))
    assert rows.min() > 0.75 * 256
    assert rows.max() < 0.93 * 256  # the badge is below
    assert abs((columns.min() + columns.max()) / 2 - 128) < 3
    assert burnt[10].max() > 250
    assert burnt[10][rows.min() : rows.max(), :, :3].min() < 5
    assert mark_score([frame[..., :3] for frame in burnt]) > MARKED_FROM
    if channels == 4:
        assert (burnt[10][rows, columns, 3] >= plain[10][rows, columns, 3]).all()


def test_a_long_text_fits_into_a_narrow_frame() -> None:
    words = [Word("extraordinarily", i / 4, i / 4 + 0.25) for i in range(5)]
    video = grey_video(size=(512, 192), frames=1)
    (burnt,) = captioned(video, words)
    (plain,) = video
    columns = np.nonzero((burnt != plain).any((0, 2)))[0]
    assert columns.min() > 0
    assert columns.max() < 191


def test_letters_that_the_font_lacks_are_named() -> None:
    with pytest.raises(InputError, match="has '你'; expected letters of English"):
        captioned(grey_video(frames=1), [Word("你好", 0.0, 1.0)])
