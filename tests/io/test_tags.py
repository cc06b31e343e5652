"""Tags of containers, as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vasa_core.io.tags import read_tags
from vasa_core.io.video import VideoWriter


def test_tags_are_read_as_they_were_written(tmp_path: Path) -> None:
    tags = {"title": "AI-generated video", "comment": "a=b; #c \\ d\nsecond=line"}
    with VideoWriter(tmp_path / "out.mp4", (64, 64), metadata=tags) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    found = read_tags(tmp_path / "out.mp4")
    assert {name: found[name] for name in tags} == tags
    (tmp_path / "text.mp4").write_text("no video")
    assert read_tags(tmp_path / "text.mp4") == {}
