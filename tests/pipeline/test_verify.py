"""Verifying: own videos, the same re-encoded or changed, and files of others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vasa_core.errors import InputError
from vasa_core.io.ffmpeg import executable
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.pipeline.verify import verify
from vasa_core.provenance.manifest import NONE, VALID
from vasa_core.provenance.mark import MARKED_FROM


def test_an_own_video_is_known_by_all_three_and_re_encoded_by_the_mark(
    pipeline: Pipeline, portrait: Path, brief_speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    pipeline.generate(portrait, brief_speech, out, GenerationOptions(steps=1, seed=5))
    found = verify(out)
    assert found.manifest.state == VALID
    assert found.manifest.settings["seed"] == 5
    assert found.marked
    assert found.frames == 3
    manifest, mark, metadata = found.says.splitlines()
    assert manifest.startswith("manifest: a valid manifest: the file is as an installation of vasa-core signed it")
    assert "made it, by AI" in manifest
    assert "the mark is in it" in mark
    assert "of other files reach" in mark
    assert metadata == "metadata: says that it is AI-generated"

    pipeline.reenact(portrait, out, tmp_path / "reenacted.mp4", options=GenerationOptions(size=256))
    assert verify(tmp_path / "reenacted.mp4").manifest.inputs == 1

    again = tmp_path / "again.mp4"
    coded = ["-map_metadata", "-1", "-c:v", "libx264", "-crf", "26", "-vf", "scale=480:480", str(again)]
    subprocess.run([executable(), "-v", "error", "-i", str(out), *coded], check=True)
    found = verify(again)
    assert found.manifest.state == NONE
    assert found.mark_score >= MARKED_FROM
    assert found.says.splitlines()[2] == "metadata: does not say that it is AI-generated"


def test_a_photo_has_none_of_them(portrait: Path, brief_speech: Path) -> None:
    found = verify(portrait)
    assert (found.manifest.state, found.marked, found.tags) == (NONE, False, {})
    assert "no mark can be found in it" in found.says
    with pytest.raises(InputError, match="is not a video"):
        verify(brief_speech)
