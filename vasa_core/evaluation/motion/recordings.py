"""Takes: voices to be spoken, with what judges them: sound, speech features, phones, the real face if any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Float32

from vasa_core.audio import SpeechEncoder, features
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.lip_sync import MIN_FRAMES, TRUSTED_CONFIDENCE, TRUSTED_LAG, SyncJudge, lip_shape, read_sync
from vasa_core.audio.phones import Phone
from vasa_core.data.recordings import spoken_words, transcripts
from vasa_core.data.sync import common_lags
from vasa_core.errors import InputError
from vasa_core.evaluation.motion.figures import Moves
from vasa_core.face.basis import FaceBasis, eye_gap
from vasa_core.face.limits import limited
from vasa_core.face.model import FaceModel
from vasa_core.io.audio import read_audio
from vasa_core.motion.model import MotionModel
from vasa_core.motion.stream import whole_motion
from vasa_core.motion.style import Style
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS, SAMPLES_PER_FRAME
from vasa_core.types import Motion

Item = TypeVar("Item")

MAX_SECONDS = 12.0  # longer clips and voices are cut
AWAKE = 0.85  # of the usual eye gap: the first frame with open eyes is the portrait


@dataclass(frozen=True)
class RealClip:
    """A tracked clip of a talking face. group: where it belongs in the report. person: whose clips it belongs to.

    generated: by some generator, not filmed.
    """

    path: Path
    group: str
    person: str
    landmarks: Float[np.ndarray, "n 478 3"]
    size: tuple[int, int]
    generated: bool = False


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
class Take:
    """One voice. features: of the motion model. expected: the judge's lip shapes. phones: None if not known.

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

    model: MotionModel
    basis: FaceBasis

    def __call__(
        self,
        features: Float32[np.ndarray, "n channels"],
        own: Motion,
        options: GenerationOptions | None = None,
        style: Style | None = None,
    ) -> Motion:
        """own: the portrait's motion. The head's distance is as asked for."""
        options = options or GenerationOptions()
        made = whole_motion(self.model, features, own.pose[0], options, style)
        # The picture as a whole is zoomed by the distance, which no limit of the face model touches.
        distance = np.array([0, 0, 0, 0, 0, np.log(options.distance)])
        shown = limited(Motion(made.pose - distance, made.dynamics), own)
        return Motion(shown.pose + distance, shown.dynamics)


class Listener:
    """Makes takes: hears a voice with the encoders of the motion model and of the sync judge."""

    def __init__(self, encoder: SpeechEncoder, judge: SyncJudge, judge_encoder: SpeechEncoder) -> None:
        self._encoder, self._judge, self._judge_encoder = encoder, judge, judge_encoder

    def __call__(
        self,
        name: str,
        group: str,
        waveform: Float32[np.ndarray, " samples"],
        phones: tuple[Phone, ...] | None,
        face: Face,
    ) -> Take:
        """A take without video."""
        heard = features(self._encoder, waveform)
        same = self._encoder.name == self._judge_encoder.name
        judged = heard if same else features(self._judge_encoder, waveform)
        return Take(name, group, waveform, heard, self._judge(judged), phones, face)


def voices(
    folders: Sequence[Path],
    most: int,
    align: Aligner | None,
    listen: Listener,
    face: Face,
    missing: list[str],
    step: Callable[[], None],
) -> list[Take]:
    """Takes of at most `most` recordings of each folder, spread over it.

    Where a folder names its speakers, of those that no training hears. Recordings that cannot be aligned with their
    transcripts are left out and counted in `missing`.
    """
    takes = []
    for folder in folders:
        said = transcripts(folder)
        found = [recording for recording in said if recording.speaker and recording.held_out] or said
        if not found:
            missing.append(f"{folder.name}: no transcripts.csv or metadata.csv that names its audio files")
        lost = 0
        for recording in spread(found, most):
            waveform = read_audio(recording.path)
            phones = align(waveform, recording.text) if align else None
            step()
            if (align and phones is None) or len(waveform) > MAX_SECONDS * FPS * SAMPLES_PER_FRAME:
                lost += 1
                continue
            takes.append(listen(recording.path.name, folder.name, waveform, phones, face))
        if lost:
            missing.append(f"{folder.name}: {lost} recordings (words not in the dictionary, or over {MAX_SECONDS:g} s)")
    return takes


def filmed(
    clips: Sequence[RealClip],
    face_model: FaceModel[Any],
    align: Aligner | None,
    listen: Listener,
    missing: list[str],
    step: Callable[[], None],
) -> list[Take]:
    """Takes of clips whose sound can be trusted, which is moved to where the lips are in step with it.

    Trusted: the sync judge finds the lips in step, at most TRUSTED_LAG frames off. Phones are known where words are.
    """
    heard: list[tuple[RealClip, Take, int]] = []
    untrusted: dict[str, int] = defaultdict(int)
    silent: dict[str, int] = defaultdict(int)
    for clip in clips:
        step()
        frames = min(len(clip.landmarks), round(MAX_SECONDS * FPS))
        try:
            waveform = read_audio(clip.path)[: frames * SAMPLES_PER_FRAME]
        except InputError:  # it has no sound track
            silent[clip.group] += 1
            continue
        take = listen(clip.path.name, clip.group, waveform, None, Face.usual(face_model.basis))
        frames = min(frames, len(take.features))
        real, fitted, face = real_moves(face_model, clip.landmarks[:frames], clip.size)
        reading = read_sync(take.expected[:frames], lip_shape(real.shapes)) if frames >= MIN_FRAMES else None
        if reading is None or reading.confidence < TRUSTED_CONFIDENCE or abs(reading.lag) > TRUSTED_LAG:
            untrusted[clip.group] += 1
            continue
        heard.append((clip, replace(take, face=face, real=real, fitted=fitted, generated=clip.generated), reading.lag))
    missing += [f"{group}: {count} clips without sound" for group, count in silent.items()]
    missing += [f"{group}: {count} clips whose sound the lips do not follow" for group, count in untrusted.items()]
    common = common_lags((clip.person, lag) for clip, _, lag in heard)
    takes = []
    for clip, take, lag in heard:
        take = moved_sound(take, common.get(clip.person, lag))
        words = spoken_words(clip.path)
        phones = align(take.waveform, words) if align and words else None
        takes.append(replace(take, phones=phones))
    return takes


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


def moved_sound(take: Take, lag: int) -> Take:
    """The take with its sound moved later by `lag` frames, so that lips that came that late are in step with it."""
    n = len(take.features)
    index = np.clip(np.arange(n) - lag, 0, n - 1)
    waveform = np.roll(take.waveform, lag * SAMPLES_PER_FRAME)
    if lag > 0:
        waveform[: lag * SAMPLES_PER_FRAME] = 0
    elif lag < 0:
        waveform[lag * SAMPLES_PER_FRAME :] = 0
    return replace(take, waveform=waveform, features=take.features[index], expected=take.expected[index])


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spread over them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(most - 1, 1))] for i in range(most)]
