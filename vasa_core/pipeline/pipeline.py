"""The whole path: photo and speech in, marked frames or a video file out; where face, audio and motion meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np

from vasa_core.assets import CHECKPOINTS, resolve
from vasa_core.audio import SpeechEncoder, live_encoder, open_encoder, stream_features
from vasa_core.device import usable_device
from vasa_core.errors import InputError, shown
from vasa_core.face.basis import LIDS
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.io.image import IMAGE_SUFFIXES, read_image
from vasa_core.motion.representation import with_head
from vasa_core.motion.stream import LIVE_HOP, LIVE_LOOK_AHEAD, MotionStream
from vasa_core.motion.window import MotionSampler
from vasa_core.options import AUTO, MESH, PORTRAIT_SIZE, SPIN, GenerationOptions
from vasa_core.pipeline.driving import track_driving
from vasa_core.pipeline.ease import eased_in
from vasa_core.pipeline.eye_contact import EyeContact
from vasa_core.pipeline.head import HeadPath, moved_heads, played, spinning
from vasa_core.pipeline.prefetch import made_ahead, numbered
from vasa_core.pipeline.prepared import (
    Frame,
    Picture,
    Prepared,
    frame_size,
    open_face,
    open_motion,
    paster,
    photo_file,
    prepare_photo,
    read_photo,
)
from vasa_core.pipeline.retarget import taken_over
from vasa_core.pipeline.sound import Sound, Speech, SpeechFile, open_sound, opened, played_sound, sound_of
from vasa_core.pipeline.style import style_of_video
from vasa_core.pipeline.video import Stopped, Video, VideoResult, check_out, video_path, watched
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import Preprocessor
from vasa_core.provenance.credentials import Credentials
from vasa_core.provenance.manifest import Origin
from vasa_core.provenance.mark import mark
from vasa_core.types import Motion, Progress

DRAWING_THREADS = 2
IN_FLIGHT = 8  # frames, or batches of them on a GPU, being drawn or waiting to be taken

Photo = str | Path | Frame


class Pipeline:
    """Loaded models; every method may be called many times.

    credentials: who signs the videos that are written; None is this machine's own key.
    """

    credentials: Credentials | None = None

    def __init__(
        self,
        face: FaceModel[Any],
        motion_model: MotionSampler,
        speech: SpeechEncoder,
        preprocessor: Preprocessor,
        person: PersonMatte,
        checkpoints: Path = CHECKPOINTS,
        device: str = "cpu",
    ) -> None:
        """checkpoints, device: from and on which `with_face` loads another face model."""
        self.face = face
        self.motion_model = motion_model
        self.speech = speech
        self.preprocessor = preprocessor
        self.person = person
        self.live = live_encoder(speech)
        self.device = device
        self.checkpoints = checkpoints
        self._faces: dict[str, FaceModel[Any]] = {}

    @classmethod
    def load(cls, device: str = "auto", checkpoints: Path = CHECKPOINTS, face_model: str = MESH) -> Pipeline:
        """Load the bundled models. device: "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N".
        face_model: one of FACES.

        Raises InputError for a device that is not there, MissingModelError for a third-party file that is not.
        """
        device = usable_device(device)
        motion = open_motion(checkpoints / "motion", device)
        return cls(
            open_face(face_model, checkpoints, device),
            motion,
            open_encoder(motion.audio_encoder, device=device),
            Preprocessor(resolve("face_detector"), resolve("face_landmarker")),
            PersonMatte(resolve("person_mask")),
            checkpoints,
            device,
        )

    def with_face(self, name: str) -> Pipeline:
        """The same models around another face model, one of FACES, which is loaded when it is first asked for.

        Raises InputError for another name or a missing checkpoint.
        """
        if name == self.face_name:
            return self
        if name not in self._faces:
            self._faces[name] = open_face(name, self.checkpoints, self.device)
        parts = (self.motion_model, self.speech, self.preprocessor, self.person)
        other = Pipeline(self._faces[name], *parts, self.checkpoints, self.device)
        other._faces, other.credentials = self._faces, self.credentials
        return other

    @property
    def face_name(self) -> str:
        """Which of FACES the face model is."""
        return self.face.name

    def origin(self, options: GenerationOptions, *inputs: object, **more: Any) -> Origin:
        """What the manifest of a video with these options, made of these inputs (those that are files), says."""
        files = [Path(file) for file in (*inputs, options.style, options.head_pose) if isinstance(file, str | Path)]
        return replace(Origin.of(self.face_name, options, self.credentials, **more), inputs=tuple(files))

    def prepare(self, photo: Photo, framing: str = AUTO, face: int = 0, size: int = PORTRAIT_SIZE) -> Prepared:
        """Find the face of a photo (a file, or RGB pixels) and make it ready.

        framing, face, size: see `GenerationOptions`. Raises InputError if there is no such face.
        """
        options = GenerationOptions.of(framing=framing, face=face, size=size)
        prepared = prepare_photo(read_photo(photo), self.preprocessor, self.person, self.face, options)
        return replace(prepared, source=photo_file(photo))

    def _person(self, portrait: Photo | Prepared, options: GenerationOptions) -> Prepared:
        """The photo made ready as the options have it."""
        if not isinstance(portrait, Prepared):
            portrait = self.prepare(portrait, options.asked_framing, options.face, options.size)
        elif not portrait.suits(options):
            again = self.prepare(portrait.original, options.asked_framing, options.face or portrait.face, options.size)
            portrait = replace(again, source=portrait.source)
        return portrait.before(options.background)

    def animate(
        self, portrait: Photo | Prepared, speech: SpeechFile, options: GenerationOptions | None = None, **changes: Any
    ) -> Video:
        """A video of the portrait speaking.

        speech: a file, or a 16 kHz mono waveform in [-1, 1]. changes: options by name, and gaze=(yaw, pitch), as in
        animate("me.jpg", "hello.wav", gaze=(10, 0), emotion="happiness", seed=7). Raises InputError for what cannot be
        used.
        """
        started = time.perf_counter()
        options = GenerationOptions.of(options, **changes)
        audio = opened(speech)
        person = self._person(portrait, options)
        sound = played_sound(audio)

        def make(cancelled: Stopped | None, progress: Progress | None, first: int = 0) -> Iterator[Picture]:
            return self.stream(person, audio, options, cancelled, progress, first)

        size, said, transparent = frame_size(person, options), person.warnings_for(options), options.transparent
        frames, origin = open_sound(audio, Event()).frames, self.origin(options, person.source, sound)
        return Video(make, size, options.seed, sound, started, person.framing, said, frames, transparent, origin)

    def motion(
        self, person: Prepared, speech: SpeechFile, options: GenerationOptions | None = None, **changes: Any
    ) -> Motion:
        """How the person moves to the speech: pose (n, 6) and dynamics (n, D), to be looked at, edited and rendered."""
        options = GenerationOptions.of(options, **changes)
        person = self._person(person, options)
        return Motion.joined(list(self._moves(person, open_sound(opened(speech), Event()), options, None)))

    def render(
        self, person: Prepared, motion: Motion, options: GenerationOptions | None = None, **changes: Any
    ) -> Video:
        """A silent video of the person moving so; of the options, size, distance, framing, face, background count."""
        options = GenerationOptions.of(options, **changes)
        if not isinstance(motion, Motion):
            raise InputError(f"motion is {shown(motion)}; expected a Motion.")
        person = self._person(person, options)

        def make(cancelled: Stopped | None, progress: Progress | None) -> Iterator[Picture]:
            frames = self._draw(person, numbered(iter([motion]), self.face.batch), options, Event())
            return watched(frames, len(motion), cancelled, progress)

        size, said = frame_size(person, options), person.warnings_for(options)
        video = Video(make, size, options.seed, framing=person.framing, warnings=said, frames=len(motion))
        return replace(video, transparent=options.transparent, origin=self.origin(options, person.source))

    def generate(
        self,
        portrait: Photo | Prepared,
        speech: SpeechFile,
        out: Path | str,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> VideoResult:
        """`animate`, written to a file (.mp4, .mov, .webm or .gif), which appears only when it is whole.

        Raises InputError, before anything is read, for a path that cannot be written or is an input as well.
        """
        options = GenerationOptions.of(options, **changes)
        inputs = (portrait, speech, options.style, options.head_pose, options.backdrop)
        check_out(out, *inputs, transparent=options.transparent)
        return self.animate(portrait, speech, options).save(out, cancelled, progress)

    def stream(
        self,
        person: Prepared,
        audio: Speech,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
        first: int = 0,
    ) -> Iterator[Picture]:
        """Marked frames from `first` on in order, round(seconds * 25) in all, in bounded memory, each once it is done.

        audio: a file, a 16 kHz mono waveform in [-1, 1], or an iterator of pieces of one as they arrive, of any length.
        Pieces are read by a thread of their own and animated with little delay, in shorter steps than a whole: the
        same pieces, however they are cut, give the same frames. Closing the iterator of frames stops its threads.
        progress: its total is 0 for pieces.

        Raises InputError for options and audio that cannot be used, for pieces when their turn comes; Cancelled when
        `cancelled()` is true.
        """
        options = GenerationOptions.of(options)
        person = self._person(person, options)
        stopped = Event()
        sound = open_sound(audio, stopped)
        parts = numbered(self._moves(person, sound, options, cancelled), self.face.batch, first)
        frames = self._draw(person, parts, options, stopped, cancelled)
        return watched(frames, sound.frames or 0, cancelled, progress, first)

    def _moves(
        self, person: Prepared, sound: Sound, options: GenerationOptions, cancelled: Stopped | None
    ) -> Iterator[Motion]:
        motion = self.speech_motion(person.portrait, sound, options)
        if options.head_pose is None:
            return motion
        path = self._head_path(person.portrait, options.head_pose, sound.frames, cancelled)
        return moved_heads(motion, path, person.portrait.motion.pose[0], float(options.head_motion))

    def speech_motion(self, portrait: LiftedPhoto, sound: Sound, options: GenerationOptions) -> Iterator[Motion]:
        """How the portrait moves to the sound, a few frames at a time; if it is live, as soon as it can be known."""
        usual, contact = portrait.motion.pose[0], EyeContact.of(portrait.motion)
        widest = float((portrait.widest_lids / portrait.motion.dynamics[0, LIDS]).min())
        style = None
        if options.style:
            style = style_of_video(Path(options.style), self.preprocessor, self.face, self.motion_model)
        speech, hop, look_ahead = (self.live, LIVE_HOP, LIVE_LOOK_AHEAD) if sound.live else (self.speech, None, 0)
        stream = MotionStream(self.motion_model, usual, options, hop, look_ahead, style, widest)
        first = 0
        for made in stream.fed(sound.blocks or stream_features(speech, sound.chunks)):
            yield eased_in(contact.kept(made), portrait.motion, first)
            first += len(made)

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
        """`reenacted`, written to a file. use: what to take from `driving`: "both", "pose" or "dynamics".

        pose_from and dynamics_from go before it.
        """
        if use not in ("both", "pose", "dynamics"):
            raise InputError(f"use is {shown(use)}; expected both, pose or dynamics.")
        options = GenerationOptions.of(options)
        first = video_path("driving", driving)
        pose_from = video_path("pose_from", pose_from) or (first if use != "dynamics" else None)
        dynamics_from = video_path("dynamics_from", dynamics_from) or (first if use != "pose" else None)
        inputs = (portrait, pose_from, dynamics_from, options.backdrop)
        check_out(out, *inputs, transparent=options.transparent)
        video = self.reenacted(portrait, pose_from, dynamics_from, options, cancelled, progress)
        return video.save(out, cancelled, progress)

    def reenacted(
        self,
        portrait: Path | Frame | Prepared,
        pose_from: Path | str | None,
        dynamics_from: Path | None,
        options: GenerationOptions | None = None,
        cancelled: Stopped | None = None,
        progress: Progress | None = None,
    ) -> Video:
        """A video of the portrait with the head of one video (or "spin") and the face of another, which are read here.

        What comes from nowhere stays the photo's. The result is as long as the shorter video, and sounds like the one
        that the face is from. Everything is relative to the driving person's own rest (see `retarget`).
        """
        started, options = time.perf_counter(), GenerationOptions.of(options)
        prepared = self._person(portrait, options)
        motion = self.reenacted_motion(prepared.portrait, pose_from, dynamics_from, cancelled, progress)
        sound = sound_of(dynamics_from) or sound_of(pose_from)
        origin = self.origin(options, prepared.source, pose_from, dynamics_from)
        return replace(self.render(prepared, motion, options), sound=sound, started=started, origin=origin)

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
        videos = dict.fromkeys(Path(path) for path in (dynamics_from, pose_from) if path and str(path) != SPIN)
        if not videos:
            raise InputError(f"pose_from is {shown(pose_from)} and dynamics_from None; expected at least one video.")
        taken = {video: self._taken_over(portrait, video, None, cancelled, progress) for video in videos}
        frames = min(len(motion) for motion in taken.values())
        pose = np.repeat(portrait.motion.pose, frames, 0)
        if str(pose_from) == SPIN:
            pose = pose + spinning(0, frames)
        elif pose_from is not None:
            pose = taken[Path(pose_from)].pose[:frames]
        if dynamics_from is None:
            return Motion(pose, np.repeat(portrait.motion.dynamics, frames, 0))
        face = taken[dynamics_from]
        return with_head(face[:frames], pose)

    def encode(self, path: Path, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """Pose, dynamics and landmarks (px of the 512 px crop) of every frame of an image or a video."""
        path = video_path("path", path) or Path()
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            landmarks, size = track_driving(path, self.preprocessor, progress=progress)
        else:
            crop = self.preprocessor(read_image(path))
            landmarks, size = crop.tracked.landmarks[None], crop.tracked.image.shape[:2]
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
        person: Prepared,
        parts: Iterator[tuple[int, Motion]],
        options: GenerationOptions,
        stopped: Event,
        cancelled: Stopped | None = None,
    ) -> Iterator[Picture]:
        """Draw frames by a few threads, as many at once as the face model does, in order, with few in flight."""
        distance, centre = person.zoomed(options.distance)
        size, zoom = options.size, 1 / distance
        portrait = replace(person.portrait, centre=centre)
        paste = paster(person, options)  # which zooms the whole photo itself

        def draw(part: tuple[int, Motion]) -> list[Picture]:
            first, moments = part
            frames = []
            for number, frame in enumerate(self.face.decode(portrait, moments, 1.0 if paste else zoom), first):
                if paste:
                    frame = paste(frame)
                elif frame.shape[0] != size:
                    kernel = cv2.INTER_AREA if frame.shape[0] > size else cv2.INTER_CUBIC
                    frame = cv2.resize(frame, (size, size), interpolation=kernel)
                frames.append(mark(frame, number))
            return frames

        return chain.from_iterable(made_ahead(draw, parts, stopped, DRAWING_THREADS, IN_FLIGHT, cancelled))
