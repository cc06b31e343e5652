"""One video measured: its frames are tracked afresh, whoever made them, and described by plain figures."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.audio.lip_sync import MIN_FRAMES, SyncJudge, read_sync
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.geometry import HeadFrame, gaze_in_camera, head_frame
from vasa_core.evaluation.metrics.liveliness import (
    THEVAL_SIDE,
    head_dynamics,
    lip_dynamics,
    liveliness,
    speech_liveliness,
)
from vasa_core.evaluation.metrics.motion import delta_pose, mouth_in_silence, seam_ratio, silent_frames
from vasa_core.evaluation.metrics.picture import BackgroundMotion, box_around, sharpness
from vasa_core.face.measure import eye_opening, find_blinks, lip_gap_of_height, lip_shape, relative_opening
from vasa_core.face.topology import canonical_mesh
from vasa_core.io.video import read_frames
from vasa_core.options import PORTRAIT_SIZE
from vasa_core.pipeline import Prepared
from vasa_core.preprocess.landmarker import Landmarker
from vasa_core.rates import FPS

KEPT_SECONDS = 10  # at either end of a recording
SHIFT = 5  # frames by which the sound is delayed, to see the reading follow
SHUFFLES = (0.25, 0.5, 0.75)  # of the recording, by which its sound is rolled, to see the reading lose it

Frame = UInt8[np.ndarray, "height width 3"]
Box = tuple[int, int, int, int]
Figures = dict[str, float | int | None]
Frames = Callable[[], Iterator[Frame]]  # each call starts at the first frame


@dataclass(frozen=True)
class Sound:
    """A sound: 16 kHz mono, and its speech features (one row per frame)."""

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
    """Tracks a video with the face landmarker, frame by frame."""

    def __init__(self, landmarker: Landmarker, canonical: Float[np.ndarray, "468 3"]) -> None:
        """canonical: the landmarker's own canonical face."""
        self.landmarker, self.canonical = landmarker, canonical

    def __call__(self, frames: Frames) -> Track | None:
        """Track the frames; None if there is no face in them."""
        found = [(frame.shape, self.landmarker(frame)) for frame in frames()]
        seen = [face[0] for _, face in found if face]
        if not seen:
            return None
        filled, last = [], seen[0]
        for _, face in found:
            last = face[0] if face else last
            filled.append(last)
        points, (height, width, _) = np.stack(filled), found[-1][0]
        return Track(points, len(seen) / len(found), (height, width), head_frame(points, self.canonical))


@contextmanager
def open_tracker() -> Generator[Tracker]:
    """Open the face landmarker to track videos."""
    task = resolve("face_landmarker")
    with Landmarker(task) as landmarker:
        yield Tracker(landmarker, canonical_mesh(task)[0])


def tracked(frames: Frames) -> Track | None:
    """Track one video alone; None if there is no face in it."""
    with open_tracker() as tracker:
        return tracker(frames)


def video(path: Path) -> Frames:
    """Give the frames of a video file."""
    return lambda: read_frames(path)


def cropped(path: Path, matrix: Float[np.ndarray, "2 3"], side: int) -> Frames:
    """Give the frames of a video file, cut out by one affine map to a square of `side` px, as portraits are cut."""

    def cut() -> Iterator[Frame]:
        flags = cv2.INTER_AREA if matrix[0, 0] < 1 else cv2.INTER_CUBIC
        for frame in read_frames(path):
            yield cv2.warpAffine(frame, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    return cut


def visible_box(matrix: Float[np.ndarray, "2 3"], size: tuple[int, int], side: int) -> Box:
    """Find the box (x0, y0, x1, y1) of such a square that shows the picture, of `size` height and width."""
    low, high = matrix[:, 2], matrix[:, :2] @ [size[1], size[0]] + matrix[:, 2]
    x0, y0 = np.clip(np.ceil(low + 1), 0, side).astype(int)
    x1, y1 = np.clip(np.floor(high - 1), 0, side).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


@dataclass(frozen=True)
class RealVideo:
    """A real clip in its first frame's crop. visible: the box of it that shows the picture."""

    prepared: Prepared
    frames: Frames
    track: Track
    visible: Box


def real_video(
    clip: Path, prepare: Callable[[Frame], Prepared], tracker: Tracker, most: int | None = None
) -> RealVideo:
    """Cut a clip, or its first `most` frames, out as its first frame's portrait is, and track it.

    Raises InputError if it has no usable face in its first frame, or none that can be followed.
    """
    photo = next(read_frames(clip))
    prepared = prepare(photo)
    matrix = prepared.crop.matrix
    whole = cropped(clip, matrix, PORTRAIT_SIZE)
    track = tracker(lambda: islice(whole(), most))
    if track is None:
        raise InputError("No face could be followed; expected a clip of one face.")
    visible = visible_box(matrix, photo.shape[:2], PORTRAIT_SIZE)
    return RealVideo(prepared, lambda: islice(whole(), most), track, visible)


def describe(frames: Frames, track: Track, window: int, visible: Box | None = None) -> Figures:
    """Figures of a video by itself. window: frames between two window boundaries of what generates (for the seams).

    visible: the part of the picture in which background counts.
    """
    blinks = find_blinks(relative_opening(eye_opening(track.head.shapes)))
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
        "scale_kept": kept_to_end(track.head.scale),
        "seam_ratio": seam_ratio(shapes, window),
        "seam_ratio_pose": seam_ratio(track.head.angles, window),
        "seam_ratio_face": seam_ratio(track.head.shapes.reshape(len(shapes), -1), window),
    }
    return figures | _lively(track) | _pictures(frames, track, visible)


def _lively(track: Track) -> Figures:
    """Figures of liveliness; `*_256` are THEval's own, in px of a frame resized to 256 x 256."""
    head, resized = track.head, THEVAL_SIDE / np.array([track.size[1], track.size[0]])
    return {
        **liveliness(track.landmarks, head.shapes, head.angles, head.centre),
        "lip_dynamics_256": lip_dynamics(track.landmarks[..., :2] * resized),
        "head_dynamics_256": head_dynamics(head.angles, head.centre * resized),
    }


def _pictures(frames: Frames, track: Track, visible: Box | None) -> Figures:
    background = BackgroundMotion(track.landmarks, track.size, visible)
    sharp = []
    for frame, points in zip(frames(), track.landmarks, strict=False):
        background.add(frame)
        sharp.append(sharpness(frame, box_around(points, track.size)))
    return {
        "background_motion": background.value,
        "sharpness": float(np.mean(sharp)),
        "sharpness_kept": kept_to_end(np.square(sharp)),
    }


def kept_to_end(values: Float[np.ndarray, " n"]) -> float:
    """Median of a recording's last KEPT_SECONDS over that of its first; of shorter ones, of their halves."""
    count = max(1, min(KEPT_SECONDS * FPS, len(values) // 2))
    return float(np.median(values[-count:]) / max(float(np.median(values[:count])), 1e-6))


def describe_speech(track: Track, sound: Sound, scorer: SyncJudge, voice: VoiceActivity | None = None) -> Figures:
    """Figures of a video beside its sound: lag and confidence, the same for sound delayed and rolled, and pauses.

    voice: tells pauses from speech, for THEval's figures.
    """
    frames = min(len(track.landmarks), len(sound.features))
    figures: Figures = {}
    if frames >= MIN_FRAMES:
        lips = lip_shape(track.landmarks[:frames])
        expected = scorer(sound.features[:frames])
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
    pauses = mouth_in_silence(lip_gap_of_height(track.landmarks), silent)
    if voice:
        speech = voice(sound.waveform, len(track.landmarks))
        figures |= speech_liveliness(track.landmarks, speech, sound.waveform)
    return figures | (pauses or {})
