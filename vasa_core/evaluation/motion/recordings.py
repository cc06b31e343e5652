"""Recordings: voices to be spoken, with what scores them: sound, speech features, phones, the real face if any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.audio import SpeechEncoder, features
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.lip_sync import MIN_FRAMES, TRUSTED_CONFIDENCE, TRUSTED_LAG, SyncJudge, read_sync
from vasa_core.audio.phones import Phone
from vasa_core.data.clips import Clip
from vasa_core.data.recordings import spoken_words, transcripts
from vasa_core.data.sync import common_lags
from vasa_core.data.tracking import TrackedClip
from vasa_core.errors import InputError
from vasa_core.evaluation.motion.figures import Moves
from vasa_core.evaluation.setup import spread
from vasa_core.face.basis import FaceBasis
from vasa_core.face.limits import limited
from vasa_core.face.measure import eye_gap, lip_shape
from vasa_core.face.model import FaceModel
from vasa_core.io.audio import read_audio
from vasa_core.motion.stream import whole_motion
from vasa_core.motion.style import Style
from vasa_core.motion.window import MotionSampler
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS, SAMPLES_PER_FRAME
from vasa_core.types import Motion

MAX_SECONDS = 12.0  # longer clips and voices are cut
AWAKE = 0.85  # of the usual eye gap: the first frame with open eyes is the portrait


@dataclass(frozen=True)
class Face:
    """Whose face is moved: shape in canonical space, and its own motion, one frame."""

    rest: Float[np.ndarray, "478 3"]
    motion: Motion

    @classmethod
    def usual(cls, basis: FaceBasis) -> Face:
        """The face model's own mean face, at rest and looking into the camera."""
        dynamics = np.zeros((1, basis.dimensions))
        dynamics[:, 2:4] = 1.0
        return cls(basis.mean, Motion(np.zeros((1, 6)), dynamics))

    def moved(self, basis: FaceBasis, motion: Motion) -> Moves:
        """Landmarks of this face in that motion, as the face model would draw them."""
        return Moves(basis.decode(motion.dynamics, self.rest, self.motion.dynamics[0]), motion.pose)


@dataclass(frozen=True)
class Recording:
    """One voice. features: of the motion model. expected: the lip-sync scorer's lip shapes. phones: None if not known.

    real: the face that was filmed; fitted: its motion as the face model can show it. Both None without video.
    generated: what stands for `real` was made by some generator.
    """

    name: str
    group: str
    waveform: Float32[np.ndarray, " samples"]
    features: Float32[np.ndarray, "n channels"]
    expected: Float[np.ndarray, "n outputs"]
    phones: tuple[Phone, ...] | None
    face: Face
    real: Moves | None = None
    fitted: Moves | None = None
    generated: bool = False

    def __len__(self) -> int:
        return len(self.real) if self.real else len(self.features)


@dataclass(frozen=True)
class Generator:
    """Motion for speech features, within what the face model can show."""

    model: MotionSampler
    basis: FaceBasis

    def __call__(
        self,
        features: Float32[np.ndarray, "n channels"],
        own: Motion,
        options: GenerationOptions | None = None,
        style: Style | None = None,
    ) -> Motion:
        """own: the portrait's motion. The head's distance is as set in `options`: the picture's zoom is in the pose."""
        options = options or GenerationOptions()
        shown = limited(whole_motion(self.model, features, own.pose[0], options, style), own)
        return Motion(shown.pose + [0, 0, 0, 0, 0, np.log(options.distance)], shown.dynamics)


class Listener:
    """Makes recordings of sound: reads it with the encoders of the motion model and of the lip-sync scorer."""

    def __init__(self, encoder: SpeechEncoder, scorer: SyncJudge, scorer_encoder: SpeechEncoder) -> None:
        self._encoder, self._scorer, self._scorer_encoder = encoder, scorer, scorer_encoder

    def __call__(
        self,
        name: str,
        group: str,
        waveform: Float32[np.ndarray, " samples"],
        phones: tuple[Phone, ...] | None,
        face: Face,
    ) -> Recording:
        """Make a recording without video."""
        own = features(self._encoder, waveform)
        same = self._encoder.name == self._scorer_encoder.name
        expected = self._scorer(own if same else features(self._scorer_encoder, waveform))
        return Recording(name, group, waveform, own, expected, phones, face)


def voices(
    folders: Sequence[Path],
    most: int,
    align: Aligner | None,
    listen: Listener,
    face: Face,
    missing: list[str],
    step: Callable[[], None],
) -> list[Recording]:
    """Read at most `most` recordings of each folder, spread over it.

    Where a folder names its speakers, only held-out ones are read. Recordings that cannot be aligned with their
    transcripts are left out and counted in `missing`.
    """
    found = []
    for folder in folders:
        spoken = transcripts(folder)
        held_out = [recording for recording in spoken if recording.speaker and recording.held_out] or spoken
        if not held_out:
            missing.append(f"{folder.name}: no transcripts.csv or metadata.csv that names its audio files")
        lost = 0
        for recording in spread(held_out, most):
            waveform = read_audio(recording.path)
            phones = align(waveform, recording.text) if align else None
            step()
            if (align and phones is None) or len(waveform) > MAX_SECONDS * FPS * SAMPLES_PER_FRAME:
                lost += 1
                continue
            found.append(listen(recording.path.name, folder.name, waveform, phones, face))
        if lost:
            missing.append(f"{folder.name}: {lost} recordings (words not in the dictionary, or over {MAX_SECONDS:g} s)")
    return found


def filmed(
    clips: Sequence[tuple[str, TrackedClip]],
    face_model: FaceModel[Any],
    align: Aligner | None,
    listen: Listener,
    missing: list[str],
    step: Callable[[], None],
) -> list[Recording]:
    """Read clips whose sound can be trusted, which is moved to where the lips are in step with it.

    Trusted: the lip-sync scorer finds the lips in step, at most TRUSTED_LAG frames off. Phones are known where words
    are. clips: each with its group in the report.
    """
    found: list[tuple[Clip, Recording, int]] = []
    silent, untrusted = Counter[str](), Counter[str]()
    for group, tracked in clips:
        step()
        clip, frames = tracked.clip, min(len(tracked.landmarks), round(MAX_SECONDS * FPS))
        try:
            waveform = read_audio(clip.path)[: frames * SAMPLES_PER_FRAME]
        except InputError:  # it has no sound track
            silent[group] += 1
            continue
        heard = listen(clip.path.name, group, waveform, None, Face.usual(face_model.basis))
        frames = min(frames, len(heard.features))
        real, fitted, face = real_moves(face_model, tracked.landmarks[:frames], tracked.size)
        reading = read_sync(heard.expected[:frames], lip_shape(real.shapes)) if frames >= MIN_FRAMES else None
        if reading is None or reading.confidence < TRUSTED_CONFIDENCE or abs(reading.lag) > TRUSTED_LAG:
            untrusted[group] += 1
            continue
        heard = replace(heard, face=face, real=real, fitted=fitted, generated=clip.generated)
        found.append((clip, heard, reading.lag))
    missing += [f"{group}: {count} clips without sound" for group, count in silent.items()]
    missing += [f"{group}: {count} clips whose sound the lips do not follow" for group, count in untrusted.items()]
    common = common_lags((clip.person, lag) for clip, _, lag in found)
    recordings = []
    for clip, heard, lag in found:
        moved, words = moved_sound(heard, common.get(clip.person, lag)), spoken_words(clip.path)
        recordings.append(replace(moved, phones=align(moved.waveform, words) if align and words else None))
    return recordings


def real_moves(
    face_model: FaceModel[Any], landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]
) -> tuple[Moves, Moves, Face]:
    """The filmed face, the same as the face model can show it, and the portrait: its first frame with open eyes."""
    basis = face_model.basis
    gaps = eye_gap(basis.align(landmarks, size)[0]).mean(1)
    first = int(np.argmax(gaps >= AWAKE * np.median(gaps)))
    identity, own = face_model.encode_landmarks(landmarks[first : first + 1], size)
    shapes, pose = basis.align(landmarks, size, identity.neutral)
    face = Face(shapes[first], own)
    motion = Motion(pose, basis.encode(shapes, identity.neutral, identity.open_gap))
    return Moves(shapes, pose), face.moved(basis, motion), face


def moved_sound(recording: Recording, lag: int) -> Recording:
    """Move the sound later by `lag` frames, so that lips that came that late are in step with it."""
    n = len(recording.features)
    index = np.clip(np.arange(n) - lag, 0, n - 1)
    waveform = np.roll(recording.waveform, lag * SAMPLES_PER_FRAME)
    if lag > 0:
        waveform[: lag * SAMPLES_PER_FRAME] = 0
    elif lag < 0:
        waveform[lag * SAMPLES_PER_FRAME :] = 0
    return replace(recording, waveform=waveform, features=recording.features[index], expected=recording.expected[index])
