"""What the container of a video or a sound says of itself: title, comment and other tags."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from vasa_core.io.ffmpeg import input_arguments, quiet_command

_ESCAPED = re.compile(r"\\(.)", re.S)
_TAG = re.compile(r"^((?:[^=\\\n]|\\.)+)=((?:[^\\\n]|\\.)*)$", re.M | re.S)


def read_tags(path: Path) -> dict[str, str]:
    """Tags of the whole file, by lower-case name; none if it cannot be read."""
    command = [*quiet_command(), *input_arguments(path), "-map_chapters", "-1", "-f", "ffmetadata", "pipe:1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    text = done.stdout.decode(errors="replace").partition("\n[")[0]
    return {_ESCAPED.sub(r"\1", name).lower(): _ESCAPED.sub(r"\1", value) for name, value in _TAG.findall(text)}
