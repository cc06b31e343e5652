"""One clip in the making: frames of the source go in; video, landmarks, labels and figures come out as four files."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int16

from vasa_core.config import EMOTIONS
from vasa_core.io.video import read_frames
from vasa_core.preprocess.labellers import main_gaze, reordered
from vasa_core.rates import FPS, SAMPLE_RATE
from vasa_core.training.preparation.config import PreparationConfig
from vasa_core.training.preparation.crops import ClipWriter, Crop
from vasa_core.training.preparation.labels import Tools
from vasa_core.training.preparation.quality import jump, movement, outside, reason_after, repeats, sharpness
from vasa_core.training.preparation.source import Frame, Span
from vasa_core.training.tracking import filled

_READ_EVERY = 5  # frames between two readings of sharpness
_SILENT = 33  # of 32768, peak of a sound that cannot be heard
_LOST = np.full((478, 3), np.nan, np.float32), np.full((4, 4), np.nan, np.float32)


@dataclass(frozen=True)
class ClipPlan:
    """What to cut: where, when and from whom. face: its usual height, px of the source."""

    key: str
    identity: str
    split: str
    source: str
    track: int
    span: Span
    crop: Crop
    face: float
    inside: float
    shared: float


@dataclass
class Cut:
    """A clip being cut. Give it the frames of its span in order with `add`, then `finish` or `drop` it."""

    plan: ClipPlan
    folder: Path
    tools: Tools
    _landmarks: list[np.ndarray] = field(default_factory=list)
    _transforms: list[np.ndarray] = field(default_factory=list)
    _sharpness: list[float] = field(default_factory=list)
    _frozen: int = 0
    _before: Frame | None = None

    def __post_init__(self) -> None:
        self._writer = ClipWriter(self._file("mp4"), self.plan.crop.side)

    def _file(self, suffix: str) -> Path:
        return self.folder / f"{self.plan.key}.{suffix}"

    def add(self, source: Frame) -> None:
        """The next frame of the source. Raises OSError if it cannot be written."""
        frame = self.plan.crop.cut(source)
        self._writer.write(frame)
        found = self.tools.landmarker(frame)
        points, transform = found or _LOST
        if found and len(self._landmarks) % _READ_EVERY == 0:
            self._sharpness.append(sharpness(frame, points))
        self._landmarks.append(points)
        self._transforms.append(transform)
        self._frozen += self._before is not None and repeats(frame, self._before)
        self._before = frame

    def drop(self) -> None:
        """Leave nothing behind."""
        self._writer.abort()
        for suffix in ("mp4", "wav", "npz", "json"):
            self._file(suffix).unlink(missing_ok=True)

    def finish(self, config: PreparationConfig, sound: Int16[np.ndarray, " samples"] | None) -> str | None:
        """Write the clip's files, or drop it and say why. sound: 16 kHz, from the clip's first frame on."""
        self._writer.close()
        n, side = len(self._landmarks), self.plan.crop.side
        valid = np.array([not np.isnan(p[0, 0]) for p in self._landmarks], bool)
        if n < config.min_frames or not self._sharpness:
            self.drop()
            return "too short: the video ends in it" if n < config.min_frames else "no landmarks in the crop"
        landmarks, transforms = filled(np.stack(self._landmarks)), filled(np.stack(self._transforms))
        figures = {
            "face_px": self.plan.face,
            "inside": self.plan.inside,
            "shared": self.plan.shared,
            "tracked": float(valid.mean()),
            "sharpness": float(np.median(self._sharpness)),
            "movement": movement(landmarks),
            "jump": jump(landmarks, valid),
            "outside": outside(landmarks, side),
            "frozen": self._frozen / max(1, n - 1),
        }
        if reason := reason_after(config, figures):
            self.drop()
            return reason
        labels = self.tools.labels(read_frames(self._file("mp4")), landmarks, side)
        emotions = self.tools.labellers.emotions
        arrays = {
            "landmarks": landmarks,
            "transforms": transforms,
            "valid": valid,
            "pose": labels.motion.pose.astype(np.float32),
            "dynamics": labels.motion.dynamics.astype(np.float32),
            "gaze": labels.gaze,
            "distance": labels.distance,
            "emotion": reordered(labels.emotion, emotions).mean(0).astype(np.float32),
        }
        self._file("npz").write_bytes(_npz(arrays))
        heard = self._write_sound(sound, n)
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
            "sound": heard is not None,
            "quality": {name: round(value, 5) for name, value in figures.items()},
            "emotions": list(EMOTIONS),
            "emotion_classes": {
                name: round(float(p), 4) for name, p in zip(emotions, labels.emotion.mean(0), strict=True)
            },
            "main_gaze": [round(float(v), 3) for v in main_gaze(labels.gaze)],
            "distance": round(float(np.median(labels.distance)), 4),
            "sync": None if heard is None else self.tools.sync(heard, landmarks),
            "labellers": self.tools.names,
        }
        self._file("json").write_text(json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False))
        return None

    def _write_sound(
        self, sound: Int16[np.ndarray, " samples"] | None, n: int
    ) -> Float32[np.ndarray, " samples"] | None:
        """Write the sound if it can be heard, exactly as long as n frames, and return it."""
        if sound is None or not len(sound) or int(np.abs(sound.astype(np.int32)).max()) < _SILENT:
            return None
        samples = np.zeros(n * SAMPLE_RATE // FPS, np.int16)
        samples[: len(sound)] = sound[: len(samples)]
        with wave.open(str(self._file("wav")), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(SAMPLE_RATE)
            stream.writeframes(samples.astype("<i2").tobytes())
        return (samples / 32768).astype(np.float32)


def _npz(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # zip entries are dated 1980, whenever they are written
    return stream.getvalue()
