"""One video measured: its frames are tracked afresh, whoever made them, and described by plain figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.audio.lip_sync import MIN_FRAMES, SyncJudge, lip_shape, read_sync
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.evaluation.metrics.geometry import (
    HeadFrame,
    eye_opening,
    gaze_in_camera,
    head_frame,
    inner_gap,
    relative_opening,
)
from vasa_core.evaluation.metrics.liveliness import (
    THEVAL_SIDE,
    head_dynamics,
    lip_dynamics,
    liveliness,
    speech_liveliness,
)
from vasa_core.evaluation.metrics.motion import (
    delta_pose,
    find_blinks,
    mouth_in_silence,
    seam_ratio,
    silent_frames,
)
from vasa_core.evaluation.metrics.picture import BackgroundMotion, box_around, sharpness
from vasa_core.face.topology import canonical_mesh
from vasa_core.io.video import read_frames
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.rates import FPS

KEPT_SECONDS = 10  # at either end of a recording
SHIFT = 5  # frames by which the sound is delayed, to see the judge follow
SHUFFLES = (0.25, 0.5, 0.75)  # of the recording, by which its sound is rolled, to see the judge lose it

Frame = UInt8[np.ndarray, "height width 3"]
Box = tuple[int, int, int, int]
Figures = dict[str, float | int | None]
Footage = Callable[[], Iterator[Frame]]  # each call starts at the first frame


@dataclass(frozen=True)
class Sound:
    """What is heard: 16 kHz mono, and its speech features (one row per frame)."""

    waveform: Float[np.ndarray, " samples"]
    features: Float[np.ndarray, "frames channels"]


@dataclass(frozen=True)
class Track:
    """Landmarks found in every frame (px); lost frames repeat the one before. head: the same, seen from the head."""

    landmarks: Float[np.ndarray, "n 478 3"]
    found: float
    size: tuple[int, int]
    head: HeadFrame


class Tracker:
    """Tracks footage with the face landmarker, frame by frame."""

    def __init__(self, landmarker: Landmarker, canonical: Float[np.ndarray, "468 3"]) -> None:
        """canonical: the landmarker's own canonical face."""
        self._landmarker = landmarker
        self._canonical = canonical

    def __call__(self, footage: Footage) -> Track | None:
        """The track of the footage; None if there is no face in it."""
        landmarks: list[np.ndarray | None] = []
        size = (0, 0)
        for frame in footage():
            size = frame.shape[:2]
            found = self._landmarker(frame)
            landmarks.append(found[0] if found else None)
        first = next((points for points in landmarks if points is not None), None)
        if first is None:
            return None
        filled, last = [], first
        for points in landmarks:
            last = last if points is None else points
            filled.append(last)
        points = np.stack(filled)
        share = sum(points is not None for points in landmarks) / len(landmarks)
        return Track(points, share, (size[0], size[1]), head_frame(points, self._canonical))


def tracked(footage: Footage) -> Track | None:
    """The track of one footage alone, by a landmarker opened for it; None if there is no face in it."""
    task = resolve("face_landmarker")
    with Landmarker(task) as landmarker:
        return Tracker(landmarker, canonical_mesh(task)[0])(footage)


def video(path: Path) -> Footage:
    """The frames of a video file."""
    return lambda: read_frames(path)


def cropped(path: Path, matrix: Float[np.ndarray, "2 3"], side: int) -> Footage:
    """The frames of a video file, cut out by one affine map to a square of `side` px, as portraits are cut."""

    def frames() -> Iterator[Frame]:
        flags = cv2.INTER_AREA if matrix[0, 0] < 1 else cv2.INTER_CUBIC
        for frame in read_frames(path):
            yield cv2.warpAffine(frame, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    return frames


def visible_box(matrix: Float[np.ndarray, "2 3"], size: tuple[int, int], side: int) -> Box:
    """Part of such a square that shows the picture (of size height, width) and not its continuation: x0, y0, x1, y1."""
    low, high = matrix[:, 2], matrix[:, :2] @ [size[1], size[0]] + matrix[:, 2]
    x0, y0 = np.clip(np.ceil(low + 1), 0, side).astype(int)
    x1, y1 = np.clip(np.floor(high - 1), 0, side).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def describe(footage: Footage, track: Track, window: int, visible: Box | None = None) -> Figures:
    """Figures of a video by itself. window: frames between two window boundaries of what generates (for the seams).

    visible: the part of the picture in which background counts.
    """
    blinks = find_blinks(relative_opening(eye_opening(track.head)))
    shapes = track.landmarks[..., :2].reshape(len(track.landmarks), -1) / track.head.scale.mean()
    gaze = np.degrees(np.median(gaze_in_camera(track.head), 0))
    figures: Figures = {
        "frames": len(track.landmarks),
        "face_found": track.found,
        "delta_pose": delta_pose(track.head.angles),
        "pose_spread": float(np.degrees(track.head.angles.std(0)).mean()),
        "blinks": len(blinks.starts),
        "blinks_per_minute": len(blinks.starts) / (len(track.landmarks) / FPS / 60),
        "blink_seconds": float(np.median(blinks.seconds)) if blinks.seconds else None,
        "longest_closed_seconds": blinks.longest_closed,
        "gaze_yaw": float(gaze[0]),
        "gaze_pitch": float(gaze[1]),
        "face_scale": float(np.median(track.head.scale)) / track.size[1],
        "scale_kept": kept_share(track.head.scale),
        "seam_ratio": seam_ratio(shapes, window),
        "seam_ratio_pose": seam_ratio(track.head.angles, window),
        "seam_ratio_face": seam_ratio(track.head.shapes.reshape(len(shapes), -1), window),
    }
    return figures | _lively(track) | _pictures(footage, track, visible)


def _lively(track: Track) -> Figures:
    """Figures of liveliness; `*_256` are THEval's own, in px of a frame resized to 256 x 256."""
    head, resized = track.head, THEVAL_SIDE / np.array([track.size[1], track.size[0]])
    return {
        **liveliness(track.landmarks, head.shapes, head.angles, head.centre),
        "lip_dynamics_256": lip_dynamics(track.landmarks[..., :2] * resized),
        "head_dynamics_256": head_dynamics(head.angles, head.centre * resized),
    }


def _pictures(footage: Footage, track: Track, visible: Box | None) -> Figures:
    background = BackgroundMotion(track.landmarks, track.size, visible)
    sharp = []
    for frame, points in zip(footage(), track.landmarks, strict=False):
        background.add(frame)
        sharp.append(sharpness(frame, box_around(points, track.size)))
    return {
        "background_motion": background.value,
        "sharpness": float(np.mean(sharp)),
        "sharpness_kept": kept_share(np.square(sharp)),
    }


def kept_share(values: Float[np.ndarray, " n"]) -> float:
    """Median of a recording's last KEPT_SECONDS over that of its first; of shorter ones, of their halves."""
    count = max(1, min(KEPT_SECONDS * FPS, len(values) // 2))
    return float(np.median(values[-count:]) / max(float(np.median(values[:count])), 1e-6))


def describe_speech(track: Track, sound: Sound, judge: SyncJudge, voice: VoiceActivity | None = None) -> Figures:
    """Figures of a video beside its sound: lag and confidence, the same for sound delayed and rolled, and pauses.

    voice: tells pauses from speech, for THEval's figures.
    """
    frames = min(len(track.landmarks), len(sound.features))
    figures: Figures = {}
    if frames >= MIN_FRAMES:
        lips = lip_shape(track.landmarks[:frames])
        expected = judge(sound.features[:frames])
        reading = read_sync(expected, lips)
        rolled = [read_sync(np.roll(expected, round(share * frames), 0), lips).confidence for share in SHUFFLES]
        figures = {
            "lag": reading.lag,
            "confidence": reading.confidence,
            "confidence_shuffled": float(np.mean(rolled)),
            "lag_change_when_delayed": read_sync(np.roll(expected, SHIFT, 0), lips).lag - reading.lag,
            "lips_moved": float((lips.std(0) / np.maximum(expected.std(0), 1e-9)).mean()),
        }
    silent = silent_frames(sound.waveform, len(track.landmarks))
    pauses = mouth_in_silence(inner_gap(track.landmarks), silent)
    if voice:
        speech = voice(sound.waveform, len(track.landmarks))
        figures |= speech_liveliness(track.landmarks, speech, sound.waveform)
    return figures | (pauses or {})
