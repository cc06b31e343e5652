"""The voice that reads text: the same sound each time, and words where they are heard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pocketsphinx import Decoder

from vasa_core.audio.voice import MAX_TEXT, speak
from vasa_core.errors import InputError
from vasa_core.rates import SAMPLE_RATE

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = "Good morning, everybody. The seven large windows are open today!"


def test_the_words_are_those_of_the_text_in_order_within_the_sound() -> None:
    spoken = speak(TEXT)
    assert " ".join(word.text for word in spoken.words) == TEXT
    times = np.array([(word.start, word.end) for word in spoken.words]).ravel()
    assert (np.diff(times) >= 0).all()
    assert times[0] > 0.1
    assert times[-1] < len(spoken.waveform) / SAMPLE_RATE
    assert 3 < times[-1] < 6
    assert np.abs(spoken.waveform).max() > 0.1
    assert np.array_equal(spoken.waveform, speak(TEXT).waveform)


def test_a_recogniser_hears_the_words_when_they_are_said_to_be_spoken() -> None:
    spoken = speak(TEXT)
    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw((spoken.waveform * 32767).astype(np.dtype("<i2")).tobytes(), full_utt=True)
    decoder.end_utt()
    heard = {segment.word.split("(")[0]: segment.start_frame / 100 for segment in decoder.seg()}
    said = {word.text.strip(",.!").lower(): word.start for word in spoken.words}
    both = [abs(heard[word] - start) for word, start in said.items() if word in heard]
    assert len(both) >= 6
    assert np.median(both) < 0.1


def test_numbers_and_titles_are_written_as_they_are_read() -> None:
    words = [word.text for word in speak("Dr. Smith paid $9.99 for 5km (really).").words]
    assert words == ["Dr", "Smith", "paid", "$9.99", "for", "5", "kilometers", "(really)."]


def test_a_long_sentence_is_read_in_parts() -> None:
    words = ["and on it goes"] * 60
    spoken = speak(" ".join(words))
    assert len(spoken.words) == 4 * 60
    assert len(spoken.waveform) / SAMPLE_RATE > 30


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the text is ''; expected words to speak."),
        (" ...!", "expected words to speak."),
        ("a" * (MAX_TEXT + 1), f"the text has {MAX_TEXT + 1} characters; expected at most {MAX_TEXT}."),
    ],
)
def test_what_cannot_be_spoken_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        speak(text)
    assert sentence in str(caught.value)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    script = "import sys; sys.modules['hibari'] = None; from vasa_core.audio.voice import speak; speak('Hello.')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert "speaking a text needs hibari-tts; `pip install 'vasa-core[text]'` gets it." in done.stderr
