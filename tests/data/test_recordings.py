"""What is read of recordings: transcripts, speakers, words of clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vasa_core.data.recordings import spoken_words, transcripts
from vasa_core.errors import InputError


def test_transcripts_and_words_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").touch()
    (tmp_path / "transcripts.csv").write_text("file,speaker,text\na.ogg,1,HELLO\nlost.ogg,1,WORLD\n")
    assert transcripts(tmp_path) == [(tmp_path / "a.ogg", "HELLO", "1", f"{tmp_path.name}/1")]
    (tmp_path / "transcripts.csv").write_text("name,words\na.ogg,HELLO\n")
    with pytest.raises(InputError, match="expected file and text"):
        transcripts(tmp_path)
    (tmp_path / "transcripts.csv").unlink()
    (tmp_path / "metadata.csv").write_text("a|No. 1|Number one\n")
    assert transcripts(tmp_path) == [(tmp_path / "a.ogg", "Number one", "", f"{tmp_path.name}/")]
    clip = tmp_path / "c.mp4"
    assert spoken_words(clip) is None
    (tmp_path / "words.json").write_text(json.dumps({"c.mp4": [[0, 1, "sil"], [1, 2, "bin"], [2, 3, "blue"]]}))
    assert spoken_words(clip) == "bin blue"
    assert spoken_words(tmp_path / "d.mp4") is None
