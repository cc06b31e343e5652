"""The whole path: photo and speech in, marked frames or an mp4 out; where face, audio and motion meet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from vasa_core.audio import SpeechEncoder, live_encoder, open_encoder, stream_features
from vasa_core.config import CHECKPOINTS, Cancelled, GenerationOptions, InputError
from vasa_core.face.mesh import MeshFaceModel, Portrait
from vasa_core.face.pose import LOG_DISTANCE
from vasa_core.io.audio import AudioFile
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter
from vasa_core.motion.model import MotionModel
from vasa_core.motion.stream import LIVE_HOP, LIVE_LOOK_AHEAD, MotionStream
from vasa_core.pipeline.ahead import made_ahead
from vasa_core.pipeline.driving import track_driving
from vasa_core.pipeline.sound import Sound, Speech, open_sound
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import FaceCrop, PasteBack, Preprocessor
from vasa_core.provenance.mark import METADATA, mark
from vasa_core.rates import FPS
from vasa_core.registry import resolve
from vasa_core.types import Motion

SURROUNDINGS = 144  # px of the photo kept around the crop: what a distance up to 1.5 brings into view
DRAWING_THREADS = 2
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
IN_FLIGHT = 8  # frames being drawn or waiting to be taken

Frame = UInt8[np.ndarray, "height width 3"]
Progress = Callable[[int, int], None]  # frames done, frames in all (0: not known yet)
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Prepared:
    """A photo made ready once, to be animated many times."""

    original: Frame
    crop: FaceCrop
    portrait: Portrait


def prepare_photo(photo: Frame, preprocessor: Preprocessor, person: PersonMatte, face: MeshFaceModel) -> Prepared:
    """Find the face of a photo and make it ready. Raises InputError if there is no usable face."""
    crop = preprocessor(photo)
    canvas = crop.surroundings(photo, SURROUNDINGS)
    matte = person(canvas, crop.tracked.landmarks + np.array([SURROUNDINGS, SURROUNDINGS, 0], np.float32))
    return Prepared(photo, crop, face.encode_portrait(crop.tracked, canvas, matte))


@dataclass(frozen=True)
class VideoResult:
    """What a finished video is. seconds: of video; wall_seconds: it took, from the call to the finished file."""

    path: str
    frames: int
    seconds: float
    wall_seconds: float
    width: int
    height: int
    seed: int

    @property
    def size(self) -> int:
        """Longer side, px."""
        return max(self.width, self.height)


class Pipeline:
    """Loaded models; every method may be called many times."""

    def __init__(
        self,
        face: MeshFaceModel,
        motion: MotionModel,
        speech: SpeechEncoder,
        preprocessor: Preprocessor,
        person: PersonMatte,
    ) -> None:
        self.face = face
        self.motion = motion
        self.speech = speech
        self.preprocessor = preprocessor
        self.person = person
        self.live = live_encoder(speech)

    @classmethod
    def load(cls, device: str = "auto", checkpoints: Path = CHECKPOINTS) -> Pipeline:
        """Load the bundled models. device: "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N".

        Raises InputError for a device that is not there, MissingModelError for a third-party file that is not.
        """
        device = _device(device)
        if device == "cpu":
            torch.set_num_threads(1)  # frames are drawn side by side: threads inside each would only get in the way
        motion = MotionModel.load(checkpoints / "motion", device)
        return cls(
            MeshFaceModel.load(checkpoints, device),
            motion,
            open_encoder(motion.audio_encoder),
            Preprocessor(resolve("face_detector"), resolve("face_landmarker")),
            PersonMatte(resolve("person_mask")),
        )

    def prepare(self, image: Path | Frame) -> Prepared:
        """Find the face of a photo and make it ready. Raises InputError if there is no usable face."""
        original = read_image(image) if isinstance(image, Path) else image
        return prepare_photo(original, self.preprocessor, self.person, self.face)

    def stream(
        self,
        prepared: Prepared,
        audio: Speech,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Frame]:
        """Marked frames in order, round(seconds * 25) of them, in bounded memory, each as soon as it is finished.

        audio: a file, a 16 kHz mono waveform in [-1, 1], or an iterator of pieces of one as they arrive, of any length.
        Pieces are read by a thread of their own and animated with little delay, in shorter steps than a whole: the
        same pieces, however they are cut, give the same frames. Closing the iterator of frames stops its threads.
        progress: its total is 0 for pieces.

        Raises InputError for options and audio that cannot be used, for pieces when their turn comes; Cancelled when
        `cancelled()` is true.
        """
        options = (options or GenerationOptions()).validate()
        return self._speak(prepared, audio, options, _paster(prepared, options), cancelled, progress)

    def speech_motion(self, portrait: Portrait, sound: Sound, options: GenerationOptions) -> Iterator[Motion]:
        """How the portrait moves to the sound, a few frames at a time; if it is live, as soon as it can be known."""
        usual = portrait.motion.pose[0]
        speech, stream = self.speech, MotionStream(self.motion, usual, options)
        if sound.live:
            speech = self.live
            stream = MotionStream(self.motion, usual, options, LIVE_HOP, look_ahead=LIVE_LOOK_AHEAD)
        for features in stream_features(speech, sound.chunks):
            # A hop at a time, so that the first frame does not wait for the whole block's motion.
            for start in range(0, len(features), stream.hop):
                yield _camera_distance_removed(stream.push(features[start : start + stream.hop]), options)
        yield _camera_distance_removed(stream.finish(), options)

    def _speak(
        self,
        prepared: Prepared,
        audio: Speech,
        options: GenerationOptions,
        paste: PasteBack | None,
        cancelled: Stopped | None,
        progress: Progress | None,
    ) -> Iterator[Frame]:
        stopped = Event()
        sound = open_sound(audio, stopped)
        motion = self.speech_motion(prepared.portrait, sound, options)
        frames = self._draw(prepared.portrait, motion, options.size, 1 / options.distance, paste, stopped)
        return _watched(frames, sound.frames or 0, cancelled, progress)

    def generate(
        self,
        portrait: Path | Frame | Prepared,
        speech: Path,
        out: Path,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> VideoResult:
        """Portrait and speech to an mp4 (H.264 + AAC). The file appears only when it is whole."""
        started = time.perf_counter()
        options = (options or GenerationOptions()).validate()
        audio = AudioFile.open(speech)
        prepared = portrait if isinstance(portrait, Prepared) else self.prepare(portrait)
        paste = _paster(prepared, options)
        size = paste.size if paste else (options.size, options.size)
        with VideoWriter(out, size, speech, METADATA) as writer:
            for frame in self._speak(prepared, audio, options, paste, cancelled, progress):
                writer.write(frame)
        return _result(out, writer.frames, size, started, options)

    def reenact(
        self,
        portrait: Path | Frame | Prepared,
        driving: Path,
        out: Path,
        use: str = "both",
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> VideoResult:
        """Portrait moved by the face of a driving video. use: "both", "pose" or "dynamics"; the rest stays the photo's.

        Head pose is taken relative to the driving video's first frame, facial dynamics as they are.
        """
        started = time.perf_counter()
        if use not in ("both", "pose", "dynamics"):
            raise InputError(f"use is {use!r}; expected both, pose or dynamics.")
        options = (options or GenerationOptions()).validate()
        prepared = portrait if isinstance(portrait, Prepared) else self.prepare(portrait)
        landmarks, size = track_driving(driving, self.preprocessor, cancelled, progress)
        motion = self._retarget(prepared.portrait, self.face.encode_driving(landmarks, size), use)
        paste = _paster(prepared, options)
        size = paste.size if paste else (options.size, options.size)
        frames = self._draw(prepared.portrait, iter([motion]), options.size, 1 / options.distance, paste, Event())
        with VideoWriter(out, size, _sound_of(driving), METADATA) as writer:
            for frame in _watched(frames, len(motion), cancelled, progress):
                writer.write(frame)
        return _result(out, writer.frames, size, started, options)

    def encode(self, path: Path, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """Pose, dynamics and landmarks (px of the 512 px crop) of every frame of an image or a video."""
        try:
            crop = self.preprocessor(read_image(path))
            landmarks, size = crop.tracked.landmarks[None], crop.tracked.image.shape[:2]
        except InputError:
            if path.suffix.lower() in IMAGE_SUFFIXES or not path.is_file():
                raise
            landmarks, size = track_driving(path, self.preprocessor, progress=progress)
        motion = self.face.encode_landmarks(landmarks, size)[1]
        return {"pose": motion.pose, "dynamics": motion.dynamics, "landmarks": landmarks}

    def _retarget(self, portrait: Portrait, motion: Motion, use: str) -> Motion:
        pose = np.repeat(portrait.motion.pose, len(motion), 0)
        dynamics = np.repeat(portrait.motion.dynamics, len(motion), 0)
        if use != "dynamics":
            pose = pose + motion.pose - motion.pose[0]
        return Motion(pose, motion.dynamics if use != "pose" else dynamics)

    def _draw(
        self,
        portrait: Portrait,
        motion: Iterator[Motion],
        size: int,
        zoom: float,
        paste: PasteBack | None,
        stopped: Event,
    ) -> Iterator[Frame]:
        """Draw frames by a few threads, in order, with few in flight. paste: zooms the whole photo itself."""

        def draw(moment: Motion) -> Frame:
            frame = next(self.face.decode(portrait, moment, 1.0 if paste else zoom))
            if paste:
                frame = paste(frame)
            elif frame.shape[0] != size:
                frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
            return mark(frame)

        moments = (Motion(m.pose[i : i + 1], m.dynamics[i : i + 1]) for m in motion for i in range(len(m)))
        return made_ahead(draw, moments, stopped, DRAWING_THREADS, IN_FLIGHT)


def _camera_distance_removed(motion: Motion, options: GenerationOptions) -> Motion:
    """The pose without the distance asked for: the picture as a whole is zoomed by that, shoulders included."""
    pose = motion.pose.copy()
    pose[:, LOG_DISTANCE] -= math.log(options.distance)
    return Motion(pose, motion.dynamics)


def _watched(
    frames: Iterator[Frame], total: int, cancelled: Stopped | None, progress: Progress | None
) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        if cancelled and cancelled():
            raise Cancelled(f"stopped after {done - 1}{f' of {total}' if total else ''} frames")
        yield frame
        if progress:
            progress(done, total)


def _sound_of(path: Path) -> Path | None:
    """The file itself if it has sound."""
    try:
        AudioFile.open(path)
    except InputError:
        return None
    return path


def _paster(prepared: Prepared, options: GenerationOptions) -> PasteBack | None:
    """What puts frames back into the whole photo, if that is asked for."""
    if not options.paste_back:
        return None
    return PasteBack(prepared.crop, prepared.original, 1 / options.distance, prepared.portrait.centre)


def _result(out: Path, frames: int, size: tuple[int, int], started: float, options: GenerationOptions) -> VideoResult:
    wall_seconds = time.perf_counter() - started
    return VideoResult(str(out), frames, frames / FPS, wall_seconds, size[1], size[0], int(options.seed))


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device is {name!r}; expected auto, cpu or a GPU that torch can use.") from error
    return name
