"""One fixed square crop for a whole clip, framed as portraits are, and its frames written as H.264."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from vasa_core.data.prepare.source import Frame, Part
from vasa_core.data.prepare.tracks import Box, Sighting, intersection
from vasa_core.io.ffmpeg import file_argument, quiet_command
from vasa_core.io.video import SCALER
from vasa_core.preprocess.framing import CROP_PER_FACE, FACE_CENTRE_Y
from vasa_core.rates import FPS

_QUALITY = 14  # CRF: above it, skin loses its texture
_PRESET = "veryfast"  # costs 0.4 of the default's time, for files of the same size


@dataclass(frozen=True)
class Crop:
    """A square of the source: its top left corner and side in px of the source, and its side as written."""

    x: int
    y: int
    source_side: int
    side: int

    @property
    def box(self) -> Box:
        """Its corners, px of the source."""
        x, y, side = float(self.x), float(self.y), float(self.source_side)
        return x, y, x + side, y + side

    def inside(self, size: tuple[int, int]) -> float:
        """The share of it that lies in a picture of `size` (height, width)."""
        return intersection(self.box, (0.0, 0.0, float(size[1]), float(size[0]))) / self.source_side**2

    def picture(self, size: tuple[int, int]) -> Box:
        """The box of a picture of `size` (height, width), in px of the crop as written."""
        zoom = self.side / self.source_side
        return -self.x * zoom, -self.y * zoom, (size[1] - self.x) * zoom, (size[0] - self.y) * zoom

    def cut(self, frame: Frame, origin: tuple[int, int] = (0, 0)) -> UInt8[np.ndarray, "side side 3"]:
        """Its part of a frame; beyond the picture the picture's edges go on.

        origin: x, y of the frame's first px in the source, where the frame is the part of it that `needed` tells.
        """
        height, width = frame.shape[:2]
        x0, y0 = self.x - origin[0], self.y - origin[1]
        x1, y1 = x0 + self.source_side, y0 + self.source_side
        # Clipped so that something is left to repeat even if all of the crop is outside.
        left, right = min(max(0, x0), width - 1), max(1, min(width, x1))
        top, bottom = min(max(0, y0), height - 1), max(1, min(height, y1))
        part = frame[top:bottom, left:right]
        before, after = (top - y0, left - x0), (y1 - bottom, x1 - right)
        if any(before + after):
            part = cv2.copyMakeBorder(part, before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE)
        if self.side == self.source_side:
            return np.ascontiguousarray(part)
        return cv2.resize(part, (self.side, self.side), interpolation=cv2.INTER_AREA)


def choose_crop(sightings: Sequence[Sighting], size: int) -> Crop:
    """The crop about where the face usually is, at most `size` px as written; sides are even.

    Raises ValueError if no sighting has a face.
    """
    faces = np.array([s.face for s in sightings if s.face is not None])
    if not len(faces):
        raise ValueError("no sighting has a face")
    x, y, height = np.median(faces, 0)
    side = max(2, 2 * round(CROP_PER_FACE * float(height) / 2))
    top = y - (FACE_CENTRE_Y - 0.5) * side - side / 2
    return Crop(round(float(x) - side / 2), round(float(top)), side, min(size, side))


def needed(crops: Sequence[Crop], size: tuple[int, int]) -> Part:
    """The part of a picture of `size` (height, width) that holds all of the crops that lies in the picture."""
    height, width = size
    x0 = min(max(0, min(c.x for c in crops)), width - 1) // 2 * 2
    y0 = min(max(0, min(c.y for c in crops)), height - 1) // 2 * 2
    x1 = max(x0 + 1, min(width, max(-(-(c.x + c.source_side) // 2) * 2 for c in crops)))
    y1 = max(y0 + 1, min(height, max(-(-(c.y + c.source_side) // 2) * 2 for c in crops)))
    return x0, y0, x1, y1


class ClipWriter:
    """Writes frames to an H.264 file of high quality without sound: the same frames give the same bytes.

    End it with `close`, or with `abort`.
    """

    def __init__(self, target: Path, side: int) -> None:
        self._target = target
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}", "-r", str(FPS), "-i", "pipe:0"]
        scale = f"scale=out_color_matrix=bt709:out_range=tv:flags={SCALER}"
        encode = [
            "-vf",
            scale,
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            _PRESET,
            "-crf",
            str(_QUALITY),
            "-threads",
            "1",
        ]
        colour = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        plain = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", "-f", "mp4", "-y"]
        command = [*quiet_command(), *raw, *encode, *colour, *plain, file_argument(target)]
        self._encoder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def write(self, frame: Frame) -> None:
        """Append a frame. Raises OSError if the encoder has stopped."""
        assert self._encoder.stdin is not None
        try:
            self._encoder.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self.close()

    def close(self) -> None:
        """End the file. Raises OSError if it could not be written."""
        message = self._encoder.communicate()[1].decode(errors="replace").strip()
        if self._encoder.returncode:
            line = message.splitlines()[-1] if message else "ffmpeg stopped"
            raise OSError(f"{self._target} could not be written: {line}")

    def abort(self) -> None:
        """End the encoder; the file is not whole."""
        if self._encoder.poll() is None:
            self._encoder.kill()
            self._encoder.communicate()
