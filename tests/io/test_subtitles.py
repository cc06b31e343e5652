"""Subtitles: known files, and when a new one begins."""

from __future__ import annotations

import pytest

from vasa_core.audio.voice import Word
from vasa_core.errors import InputError
from vasa_core.io.subtitles import LONGEST, WIDEST, cues, subtitles

WORDS = [Word("Hello", 0.2, 0.5), Word("<you>.", 0.5, 1.0), Word("Bye!", 3661.0, 3661.5)]


def test_webvtt_and_subrip_are_written_as_their_formats_say() -> None:
    vtt = "WEBVTT\n\n1\n00:00:00.200 --> 00:00:01.000\nHello &lt;you&gt;.\n\n2\n01:01:01.000 --> 01:01:01.500\nBye!\n"
    srt = "1\n00:00:00,200 --> 00:00:01,000\nHello <you>.\n\n2\n01:01:01,000 --> 01:01:01,500\nBye!\n"
    assert subtitles(WORDS, "vtt") == vtt
    assert subtitles(WORDS, "srt") == srt
    with pytest.raises(InputError, match="subtitles is 'ass'; expected vtt or srt"):
        subtitles(WORDS, "ass")


def test_a_sentence_is_cut_to_what_is_read_in_one_look() -> None:
    words = [Word("word", i / 2, i / 2 + 0.5) for i in range(100)]
    found = cues(words)
    assert [word for group in found for word in group] == words
    assert max(group[-1].end - group[0].start for group in found) <= LONGEST
    fast = cues([Word("word", i / 20, i / 20 + 0.05) for i in range(100)])
    assert max(len(" ".join(word.text for word in group)) for group in fast) <= WIDEST
    text = subtitles([Word("word", i / 20, i / 20 + 0.05) for i in range(14)], "srt")
    assert text.splitlines()[2:4] == [" ".join(["word"] * 7)] * 2


def test_a_pause_and_the_end_of_a_sentence_begin_a_new_one() -> None:
    words = [Word("One", 0.0, 1.0), Word("two.”", 1.0, 2.0), Word("three", 2.0, 3.0), Word("four", 4.0, 5.0)]
    assert [[word.text for word in group] for group in cues(words)] == [["One", "two.”"], ["three"], ["four"]]
