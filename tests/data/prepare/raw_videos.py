"""Raw videos to prepare, made of the bundled portrait and speech."""

from __future__ import annotations

import subprocess
from pathlib import Path

from vasa_core.assets import ASSETS
from vasa_core.io.ffmpeg import executable

SECONDS = 1.4
# A window that sways over the portrait: the head moves, and the rest of the picture with it.
SWAY = "crop=380:380:'60+30*sin(4*t)':'10+8*cos(4*t)'"


def ffmpeg(*arguments: object) -> None:
    command = [executable(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def swaying(target: Path, *effects: str, sound: bool = True) -> None:
    photo = ["-loop", "1", "-framerate", "25", "-t", SECONDS, "-i", ASSETS / "portrait.jpg"]
    heard = ["-t", SECONDS, "-i", ASSETS / "speech.wav", "-map", "1:a"] if sound else []
    chain = ",".join([SWAY, *effects])
    ffmpeg(*photo, *heard, "-map", "0:v", "-vf", chain, "-pix_fmt", "yuv420p", "-crf", "12", target)
