"""One clip in the making: frames of the source go in; video, landmarks, labels and figures come out as four files.

Its sound, and with it the json that makes it whole, comes when all clips of the video are cut: whose sound it is can
be measured over a whole track better than over a clip.
"""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16

from vasa_core.data.prepare.config import PreparationConfig
from vasa_core.data.prepare.crops import ClipWriter, Crop
from vasa_core.data.prepare.labels import Tools
from vasa_core.data.prepare.quality import expression, jump, movement, outside, reason_after, repeats, sharpness
from vasa_core.data.prepare.source import Frame, Span
from vasa_core.data.shards import SUFFIXES
from vasa_core.data.tracking import filled
from vasa_core.face.measure import lip_shape
from vasa_core.io.video import read_frames
from vasa_core.motion.conditions import main_gaze
from vasa_core.options import EMOTIONS
from vasa_core.preprocess.labellers import reordered
from vasa_core.rates import FPS, SAMPLE_RATE

_READ_EVERY = 5  # frames between two readings of sharpness
_LOST = np.full((478, 3), np.nan, np.float32)


@dataclass(frozen=True)
class ClipPlan:
    """What to cut: where, when and from whom.

    face: its usual height, px of the source. inside: share of the crop in the picture, which is `size` (height, width).
    """

    key: str
    identity: str
    split: str
    source: str
    track: int
    span: Span
    crop: Crop
    size: tuple[int, int]
    face: float
    inside: float
    shared: float


@dataclass
class Cut:
    """A clip being cut. Give it the frames of its span in order with `add`, then `finish` or `drop` it.

    origin: x, y of the frames' first px in the source.
    """

    plan: ClipPlan
    folder: Path
    tools: Tools
    origin: tuple[int, int]
    _landmarks: list[np.ndarray] = field(default_factory=list)
    _sharpness: list[float] = field(default_factory=list)
    _frozen: int = 0
    _before: Frame | None = None

    def __post_init__(self) -> None:
        self._writer = ClipWriter(self._file("mp4"), self.plan.crop.side)

    def _file(self, suffix: str) -> Path:
        return clip_file(self.folder, self.plan.key, suffix)

    def add(self, source: Frame) -> None:
        """The next frame of the source. Raises OSError if it cannot be written."""
        frame = self.plan.crop.cut(source, self.origin)
        self._writer.write(frame)
        found = self.tools.landmarker(frame)
        points = found[0] if found else _LOST
        if found and len(self._landmarks) % _READ_EVERY == 0:
            self._sharpness.append(sharpness(frame, points))
        self._landmarks.append(points)
        self._frozen += self._before is not None and repeats(frame, self._before)
        self._before = frame

    def drop(self) -> None:
        """Leave nothing behind."""
        self._writer.abort()
        remove_clip(self.folder, self.plan.key)

    def finish(self, config: PreparationConfig) -> CutClip | str:
        """Write the clip's video and arrays, or drop it and say why."""
        self._writer.close()
        n, side = len(self._landmarks), self.plan.crop.side
        valid = np.array([not np.isnan(p[0, 0]) for p in self._landmarks], bool)
        if n < config.min_frames or not self._sharpness:
            self.drop()
            return "too short: the video ends in it" if n < config.min_frames else "no landmarks in the crop"
        landmarks = filled(np.stack(self._landmarks))
        figures = {
            "face_px": self.plan.face,
            "inside": self.plan.inside,
            "shared": self.plan.shared,
            "tracked": float(valid.mean()),
            "sharpness": float(np.median(self._sharpness)),
            "movement": movement(landmarks),
            "expression": expression(landmarks),
            "jump": jump(landmarks, valid),
            "outside": outside(landmarks, side, self.plan.crop.picture(self.plan.size)),
            "frozen": self._frozen / max(1, n - 1),
        }
        if reason := reason_after(config, figures):
            self.drop()
            return reason
        labels = self.tools.labels(read_frames(self._file("mp4")), landmarks, side)
        emotions = self.tools.labellers.emotions
        arrays = {
            "landmarks": landmarks,
            "valid": valid,
            "pose": labels.motion.pose.astype(np.float32),
            "dynamics": labels.motion.dynamics.astype(np.float32),
            "gaze": labels.gaze,
            "distance": labels.distance,
            "emotion": reordered(labels.emotion, emotions).mean(0).astype(np.float32),
        }
        self._file("npz").write_bytes(_npz(arrays))
        plan = self.plan
        first = plan.span[0]
        about = {
            "key": plan.key,
            "identity": plan.identity,
            "split": plan.split,
            "source": plan.source,
            "track": plan.track,
            "start_seconds": first / FPS,
            "seconds": n / FPS,
            "frames": n,
            "fps": FPS,
            "side": side,
            "crop": [round(v) for v in plan.crop.box],
            "quality": {name: round(value, 5) for name, value in figures.items()},
            "emotions": list(EMOTIONS),
            "emotion_classes": {
                name: round(float(p), 4) for name, p in zip(emotions, labels.emotion.mean(0), strict=True)
            },
            "main_gaze": [round(float(v), 3) for v in np.degrees(main_gaze(np.radians(labels.gaze)))],
            "distance": round(float(np.median(labels.distance)), 4),
            "labellers": self.tools.names,
        }
        return CutClip(plan, (first, first + n), lip_shape(landmarks), about)


@dataclass(frozen=True)
class CutClip:
    """A clip whose video and arrays are written. span: its frames. lips: as the lip-sync scorer measures them."""

    plan: ClipPlan
    span: Span
    lips: Float[np.ndarray, "n channels"]
    about: dict[str, Any]

    def write(self, folder: Path, sound: Int16[np.ndarray, " samples"] | None, heard: Mapping[str, Any]) -> None:
        """Make the clip whole: its sound as long as its frames, 16 kHz, if it has any, and its json.

        heard: the fields of the json about the sound.
        """
        if sound is not None:
            with wave.open(str(clip_file(folder, self.plan.key, "wav")), "wb") as stream:
                stream.setnchannels(1)
                stream.setsampwidth(2)
                stream.setframerate(SAMPLE_RATE)
                stream.writeframes(sound.astype("<i2").tobytes())
        about = {**self.about, "sound": sound is not None, **heard}
        text = json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False)
        clip_file(folder, self.plan.key, "json").write_text(text)


def clip_file(folder: Path, key: str, suffix: str) -> Path:
    """Where one of a clip's files is."""
    return folder / f"{key}.{suffix}"


def remove_clip(folder: Path, key: str) -> None:
    """Leave none of a clip's files behind."""
    for suffix in SUFFIXES:
        clip_file(folder, key, suffix).unlink(missing_ok=True)


def _npz(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # zip entries are dated 1980, whenever they are written
    return stream.getvalue()
