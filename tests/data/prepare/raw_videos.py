"""Raw videos to prepare, made of the bundled portrait and speech."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from vasa_core.assets import ASSETS
from vasa_core.data.shards import ShardSample, decode_sample, read_files
from vasa_core.io.ffmpeg import executable
from vasa_core.io.video import read_frames

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


def read_samples(folder: Path) -> list[ShardSample]:
    return [decode_sample(key, files) for key, files in read_files(folder)]


def frames_of(sample: ShardSample) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        path.write_bytes(sample.video)
        return list(read_frames(path))
