"""The status line and the small picture."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from vasa_core.app.job import DONE, MAKING, READING, WAITING, WRITING, Moment
from vasa_core.app.status import preview, sentence, status
from vasa_core.pipeline.video import VideoResult


def words(moment: Moment) -> str:
    return " ".join(re.sub("<[^>]+>", " ", status(moment)).split())


def test_every_stage_has_its_words() -> None:
    assert words(Moment(WAITING)) == "Waiting: yours is next."
    assert words(Moment(WAITING, 1)) == "Waiting: 1 video before yours."
    assert words(Moment(WAITING, 2, seconds_left=40.0)) == "Waiting: 2 videos before yours, about 40 s."
    assert words(Moment(READING, total=50, words="Reading the photo.")) == "Reading the photo."
    assert (
        words(Moment(MAKING, total=50, words="Listening to the speech"))
        == "Listening to the speech: 50 frames to make."
    )
    assert words(Moment(MAKING, done=5, total=50)) == "Frame 5 of 50."
    assert words(Moment(MAKING, done=20, total=50, seconds_left=14.2)) == "Frame 20 of 50, about 14 s left."
    assert words(Moment(MAKING, done=20, total=9000, seconds_left=300.0)) == "Frame 20 of 9000, about 5 min left."
    assert words(Moment(WRITING, done=50, total=50)) == "Writing the file."
    assert '<progress aria-label="Progress" value="20" max="50">' in status(Moment(MAKING, done=20, total=50))


def test_what_was_made_is_told_with_its_warnings() -> None:
    result = VideoResult("a.mp4", 245, 9.8, 12.3, 512, 512, 7, "face", ("The eyes are <closed>.",))
    said = words(Moment(DONE, result=result))
    assert said == "Done: 9.8 s, 512 px, seed 7; made in 12 s. The eyes are &lt;closed&gt;."
    whole = VideoResult("a.mp4", 245, 9.8, 12.3, 800, 600, 7, "photo")
    assert words(Moment(DONE, result=whole)) == "Done: 9.8 s, 800x600 px, the whole photo, seed 7; made in 12 s."


def test_a_sentence_is_text() -> None:
    assert sentence("<b>") == '<p class="said">&lt;b&gt;</p>'


def test_the_preview_is_the_frame_made_small() -> None:
    frame = np.zeros((600, 800, 3), np.uint8)
    frame[:, :400] = (250, 20, 10)
    code = re.search('base64,([^"]+)', preview(frame))
    assert code
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(code[1]), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (288, 384, 3)
    assert np.abs(shown[100, 100].astype(int) - [10, 20, 250]).max() < 12
    assert np.abs(shown[100, 300].astype(int)).max() < 12
    assert preview(None) == ""
