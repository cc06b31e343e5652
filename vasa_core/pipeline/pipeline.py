"""The whole path: photo and speech in, marked frames or an mp4 out; where face, audio and motion meet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import torch

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.audio import SpeechEncoder, live_encoder, open_encoder, stream_features
from vasa_core.errors import Cancelled, InputError
from vasa_core.face.basis import LIDS
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.face.pose import LOG_DISTANCE
from vasa_core.face.volume.model import VolumeFaceModel
from vasa_core.io.audio import AudioFile
from vasa_core.io.image import read_image
from vasa_core.io.video import VideoWriter
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import with_head
from vasa_core.motion.stream import LIVE_HOP, LIVE_LOOK_AHEAD, MotionStream
from vasa_core.options import MESH, SPIN, VOLUME, GenerationOptions
from vasa_core.pipeline.driving import track_driving
from vasa_core.pipeline.eye_contact import EyeContact
from vasa_core.pipeline.head import HeadPath, moved_heads, played, spinning
from vasa_core.pipeline.prefetch import made_ahead
from vasa_core.pipeline.prepared import Frame, Prepared, open_face, prepare_photo
from vasa_core.pipeline.retarget import taken_over
from vasa_core.pipeline.sound import Sound, Speech, open_sound
from vasa_core.pipeline.style import style_of_video
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import PasteBack, Preprocessor
from vasa_core.provenance.mark import METADATA, mark
from vasa_core.rates import FPS
from vasa_core.types import Motion

DRAWING_THREADS = 2
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
IN_FLIGHT = 8  # frames, or batches of them on a GPU, being drawn or waiting to be taken

Progress = Callable[[int, int], None]  # frames done, frames in all (0: not known yet)
Stopped = Callable[[], bool]


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
        face: FaceModel[Any],
        motion: MotionModel,
        speech: SpeechEncoder,
        preprocessor: Preprocessor,
        person: PersonMatte,
        checkpoints: Path = CHECKPOINTS,
        device: str = "cpu",
    ) -> None:
        """checkpoints, device: from and on which `with_face` loads another face model."""
        self.face = face
        self.motion = motion
        self.speech = speech
        self.preprocessor = preprocessor
        self.person = person
        self.live = live_encoder(speech)
        self._load_face = cache(lambda name: open_face(name, checkpoints, device))

    @classmethod
    def load(cls, device: str = "auto", checkpoints: Path = CHECKPOINTS, face: str = MESH) -> Pipeline:
        """Load the bundled models. device: "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N". face: one of
        FACES.

        Raises InputError for a device that is not there, MissingModelError for a third-party file that is not.
        """
        device = _device(device)
        if device == "cpu":
            torch.set_num_threads(1)  # frames are drawn side by side: threads inside each would only get in the way
        motion = MotionModel.load(checkpoints / "motion", device)
        return cls(
            open_face(face, checkpoints, device),
            motion,
            open_encoder(motion.audio_encoder),
            Preprocessor(resolve("face_detector"), resolve("face_landmarker")),
            PersonMatte(resolve("person_mask")),
            checkpoints,
            device,
        )

    def with_face(self, name: str) -> Pipeline:
        """The same models around another face model, one of FACES, which is loaded when it is first asked for.

        Raises InputError for another name or a missing checkpoint.
        """
        if name == (VOLUME if isinstance(self.face, VolumeFaceModel) else MESH):
            return self
        return Pipeline(self._load_face(name), self.motion, self.speech, self.preprocessor, self.person)

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

    def animate(
        self,
        prepared: Prepared,
        motion: Motion,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Frame]:
        """Marked frames of a motion that is known already; of the options, size, distance and paste_back count."""
        options = (options or GenerationOptions()).validate()
        return self._animate(prepared, motion, options, _paster(prepared, options), cancelled, progress)

    def speech_motion(self, portrait: LiftedPhoto, sound: Sound, options: GenerationOptions) -> Iterator[Motion]:
        """How the portrait moves to the sound, a few frames at a time; if it is live, as soon as it can be known."""
        usual, contact = portrait.motion.pose[0], EyeContact.of(portrait.motion)
        widest = float((portrait.widest_lids / portrait.motion.dynamics[0, LIDS]).min())
        style = None
        if options.style:
            style = style_of_video(Path(options.style), self.preprocessor, self.face, self.motion)
        speech, stream = self.speech, MotionStream(self.motion, usual, options, style=style, widest_lids=widest)
        if sound.live:
            speech = self.live
            stream = MotionStream(self.motion, usual, options, LIVE_HOP, LIVE_LOOK_AHEAD, style, widest)
        for features in stream_features(speech, sound.chunks):
            # A hop at a time, so that the first frame does not wait for the whole block's motion.
            for start in range(0, len(features), stream.hop):
                yield _placed(stream.push(features[start : start + stream.hop]), contact, options)
        yield _placed(stream.finish(), contact, options)

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
        if options.head_pose is not None:
            path = self._head_path(prepared.portrait, options.head_pose, sound.frames, cancelled)
            motion = moved_heads(motion, path, prepared.portrait.motion.pose[0], float(options.head_motion))
        frames = self._draw(prepared.portrait, motion, options, paste, stopped)
        return _watched(frames, sound.frames or 0, cancelled, progress)

    def _animate(
        self,
        prepared: Prepared,
        motion: Motion,
        options: GenerationOptions,
        paste: PasteBack | None,
        cancelled: Stopped | None,
        progress: Progress | None,
    ) -> Iterator[Frame]:
        frames = self._draw(prepared.portrait, iter([motion]), options, paste, Event())
        return _watched(frames, len(motion), cancelled, progress)

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
        return finished_video(out, writer.frames, size, started, options)

    def reenact(
        self,
        portrait: Path | Frame | Prepared,
        driving: Path | None,
        out: Path,
        use: str = "both",
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
        pose_from: Path | str | None = None,
        dynamics_from: Path | None = None,
    ) -> VideoResult:
        """Portrait moved by the face of a driving video, or the head by one and the face by another.

        use: what to take from `driving`: "both", "pose" or "dynamics". pose_from (a video, or "spin") and dynamics_from
        go before it; what comes from nowhere stays the photo's. The result is as long as the shorter video, and sounds
        like the one that the face is from. Everything is relative to the driving person's own rest (see `retarget`).
        """
        started = time.perf_counter()
        if use not in ("both", "pose", "dynamics"):
            raise InputError(f"use is {use!r}; expected both, pose or dynamics.")
        options = (options or GenerationOptions()).validate()
        pose_from = pose_from or (driving if use != "dynamics" else None)
        dynamics_from = dynamics_from or (driving if use != "pose" else None)
        prepared = portrait if isinstance(portrait, Prepared) else self.prepare(portrait)
        motion = self.reenacted_motion(prepared.portrait, pose_from, dynamics_from, cancelled, progress)
        paste = _paster(prepared, options)
        size = paste.size if paste else (options.size, options.size)
        with VideoWriter(out, size, _sound_of(dynamics_from) or _sound_of(pose_from), METADATA) as writer:
            for frame in self._animate(prepared, motion, options, paste, cancelled, progress):
                writer.write(frame)
        return finished_video(out, writer.frames, size, started, options)

    def reenacted_motion(
        self,
        portrait: LiftedPhoto,
        pose_from: Path | str | None,
        dynamics_from: Path | None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> Motion:
        """How the portrait moves with the head of one video (or "spin") and the face of another; the shorter's length.

        Eyes look to where they looked relative to the driving person's usual head pose, whatever the head does now.
        """
        videos = dict.fromkeys(Path(path) for path in (dynamics_from, pose_from) if path and path != SPIN)
        if not videos:
            raise InputError(f"pose_from is {pose_from!r} and dynamics_from None; expected at least one video.")
        taken = {video: self._taken_over(portrait, video, None, cancelled, progress) for video in videos}
        frames = min(len(motion) for motion in taken.values())
        pose = np.repeat(portrait.motion.pose, frames, 0)
        if pose_from == SPIN:
            pose = pose + spinning(0, frames)
        elif pose_from is not None:
            pose = taken[Path(pose_from)].pose[:frames]
        if dynamics_from is None:
            return Motion(pose, np.repeat(portrait.motion.dynamics, frames, 0))
        face = taken[dynamics_from]
        return with_head(face[:frames], pose)

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

    def _taken_over(
        self, portrait: LiftedPhoto, video: Path, most: int | None, cancelled: Stopped | None, progress: Progress | None
    ) -> Motion:
        landmarks, size = track_driving(video, self.preprocessor, cancelled, progress, most)
        return taken_over(self.face, portrait, landmarks, size)

    def _head_path(
        self, portrait: LiftedPhoto, source: str | Path, most: int | None, cancelled: Stopped | None
    ) -> HeadPath:
        if source == SPIN:
            return spinning
        motion = self._taken_over(portrait, Path(source), most, cancelled, None)
        return played(motion.pose - portrait.motion.pose)

    def _draw(
        self,
        portrait: LiftedPhoto,
        motion: Iterator[Motion],
        options: GenerationOptions,
        paste: PasteBack | None,
        stopped: Event,
    ) -> Iterator[Frame]:
        """Draw frames by a few threads, as many at once as the face model does, in order, with few in flight.

        paste: zooms the whole photo itself.
        """
        size, zoom, batch = options.size, 1 / options.distance, self.face.batch

        def draw(moments: Motion) -> list[Frame]:
            frames = []
            for frame in self.face.decode(portrait, moments, 1.0 if paste else zoom):
                if paste:
                    frame = paste(frame)
                elif frame.shape[0] != size:
                    frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
                frames.append(mark(frame))
            return frames

        parts = (m[i : i + batch] for m in motion for i in range(0, len(m), batch))
        return chain.from_iterable(made_ahead(draw, parts, stopped, DRAWING_THREADS, IN_FLIGHT))


def _placed(motion: Motion, contact: EyeContact, options: GenerationOptions) -> Motion:
    """Eyes as this face has them, and the pose without the distance asked for: the picture as a whole is zoomed by
    that, shoulders included."""
    pose = motion.pose.copy()
    pose[:, LOG_DISTANCE] -= math.log(options.distance)
    return contact.kept(replace(motion, pose=pose))


def _watched(
    frames: Iterator[Frame], total: int, cancelled: Stopped | None, progress: Progress | None
) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        if cancelled and cancelled():
            raise Cancelled(f"stopped after {done - 1}{f' of {total}' if total else ''} frames")
        yield frame
        if progress:
            progress(done, total)


def _sound_of(path: Path | str | None) -> Path | None:
    """The file itself if it has sound."""
    if not isinstance(path, Path):
        return None
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


def finished_video(
    out: Path, frames: int, size: tuple[int, int], started: float, options: GenerationOptions
) -> VideoResult:
    """What there is to say of a video of `size` (height, width) px that was begun at perf_counter() `started`."""
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
