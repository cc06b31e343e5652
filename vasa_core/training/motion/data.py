"""Training clips of the motion model (VASA-1, section 3.2): tracked video -> motion, speech features and labels.

A clip's sound is trusted only if its lips follow it: music, dubbing and other voices are common in found video.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from vasa_core.audio import SpeechEncoder, features
from vasa_core.data.clips import few_per_person, find_clips
from vasa_core.data.noise import dirty
from vasa_core.data.sync import SyncScore, sync_scores
from vasa_core.data.tracking import TrackedClip, track_clips
from vasa_core.errors import InputError
from vasa_core.face.measure import lip_gap_of_height, most_closed
from vasa_core.files import whole_file
from vasa_core.io.audio import read_audio
from vasa_core.motion.liveliness import LIVELINESS, liveliness
from vasa_core.motion.representation import EXPRESSION, GAZE, LOG_DISTANCE, to_model, usual_pose
from vasa_core.rates import SAMPLES_PER_FRAME
from vasa_core.types import Motion

MIN_FRAMES = 30
MIN_SYNC, MAX_LAG = 0.2, 2  # correlation of lip opening with its prediction from the sound; frames
CLEAR_SYNC, CLEAR_LAG = 0.4, 5  # above this correlation, a lag up to this is trusted and the sound moved by it
UNSURE_LAG = 1  # frames; how far a measured lag may be off: sound is not moved by so little
CLIPS_PER_IDENTITY = 240  # of one person: what is over that is more of the same
STILL = np.deg2rad(1.5)  # a head that turns less than this sits still on purpose: its stillness is not to be learned
SPINNING = 0.25  # rad; a head that turns this much is a demonstration, not talk
_EMOTION_RIDGE = 3.0  # clips


@runtime_checkable
class FaceEncoder(Protocol):
    """What training needs of a face model."""

    def encode_landmarks(
        self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int], identity: Any = None
    ) -> tuple[Any, Motion]: ...


@dataclass(frozen=True)
class MotionClip:
    """One clip ready for training.

    x, mirrored: motion as the model sees it (`representation`), and the same seen in a mirror. audio: speech
    features. synced: whether the audio is to be trusted. emotion: mean probabilities of options.EMOTIONS. lips: gap
    between the inner lips as a share of face height. dirty: features of the same sound as a bad microphone in a bad
    room hears it. made: not filmed, only its expression is to be learned (see `motion_speech`). lively: its
    `motion.liveliness`. gaze (in the camera, rad), log_distance (relative to its usual one): labels, if there are any
    that do not come from the landmarks.
    """

    name: str
    identity: str
    split: str
    x: Float[np.ndarray, "n channels"]
    mirrored: Float[np.ndarray, "n channels"] | None
    audio: Float[np.ndarray, "n audio"]
    synced: bool
    valid: Bool[np.ndarray, " n"]
    emotion: Float[np.ndarray, " 7"]
    lips: Float[np.ndarray, " n"]
    dirty: Float[np.ndarray, "n audio"] | None = None
    made: bool = False
    lively: Float[np.ndarray, " 4"] = field(default_factory=lambda: np.zeros(len(LIVELINESS)))
    gaze: Float[np.ndarray, "n 2"] | None = None
    log_distance: Float[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def label_offsets(self, mirrored: bool = False) -> Float[np.ndarray, "n 3"]:
        """Labels of gaze (yaw, pitch) and log distance less what the landmarks say of them; 0 without such labels."""
        x = self.mirrored if mirrored and self.mirrored is not None else self.x
        offsets = np.zeros((len(x), 3), np.float32)
        if self.gaze is not None:
            offsets[:, :2] = self.gaze * [-1 if mirrored else 1, 1] - x[:, GAZE]
        if self.log_distance is not None:
            offsets[:, 2] = self.log_distance - x[:, LOG_DISTANCE]
        return offsets

    @property
    def still(self) -> bool:
        """Whether the head hardly turns."""
        return bool(self.x[:, :2].std(0).max() < STILL)

    @property
    def spinning(self) -> bool:
        """Whether the head turns more than talking heads do."""
        return bool(self.x[:, :2].std(0).max() > SPINNING)


def load_clips(
    folders: list[Path],
    face: FaceEncoder,
    encoder: SpeechEncoder,
    cache: Path,
    mirror: Callable[[Motion], Motion] | None = None,
    readings: Float[np.ndarray, "expressions 4"] | None = None,
) -> tuple[list[MotionClip], dict[str, SyncScore]]:
    """Clips of the folders and the sync score of each clip with sound. Raises InputError if nothing can be used.

    mirror: the face model's mirroring of motion, if it has one. readings: what its expression shows of life (see
    `motion.liveliness`), if it has that.
    """
    found = few_per_person([clip for folder in folders for clip in find_clips(folder)], CLIPS_PER_IDENTITY)
    tracked = track_clips(found, cache / "tracking")
    clips = [_motion_clip(clip, face, encoder, cache, mirror) for clip in tracked if len(clip.valid) >= MIN_FRAMES]
    if not clips:
        places = ", ".join(str(folder) for folder in folders)
        raise InputError(f"{places}: no clip of {MIN_FRAMES} frames or more with a face; expected videos of faces.")
    scores = sync_scores({c.name: (c.audio, c.lips, c.identity) for c in clips if np.any(c.audio)})
    clips = [with_trusted_sound(clip, scores.get(clip.name)) for clip in clips]
    clips = rested(clips)
    if readings is not None:
        clips = [replace(clip, lively=liveliness(clip.x, readings)) for clip in clips]
    return clips, scores


def rested(clips: list[MotionClip]) -> list[MotionClip]:
    """Clips whose expression rests at what their emotion label explains.

    What a face model takes for expression at rest is partly the person's own face. A clip's rest (mean of its most
    closed-mouth frames) is therefore replaced by its ridge regression on the emotion label over all clips: identity
    goes, an emotion's usual expression stays.
    """
    rests = np.stack([clip.x[most_closed(clip.lips), EXPRESSION].mean(0) for clip in clips])  # (clips, E)
    people = [clip.identity for clip in clips]
    weight = np.array([1 / people.count(identity) for identity in people])[:, None]  # each person counts once
    emotions = np.stack([clip.emotion for clip in clips])
    mean_rest = (weight * rests).sum(0) / weight.sum()
    mean_emotion = (weight * emotions).sum(0) / weight.sum()
    design = emotions - mean_emotion
    gram = design.T @ (weight * design) + _EMOTION_RIDGE * np.eye(design.shape[1])
    matrix = np.linalg.solve(gram, design.T @ (weight * (rests - mean_rest)))  # (7, E)
    # Resting faces average to the face model's own rest, so the mean goes too.
    return [_moved(clip, design[i] @ matrix - rests[i], design[i] @ matrix) for i, clip in enumerate(clips)]


def _moved(clip: MotionClip, shift: Float[np.ndarray, " e"], wanted: Float[np.ndarray, " e"]) -> MotionClip:
    x = clip.x.copy()
    x[:, EXPRESSION] += shift
    if clip.mirrored is None:
        return replace(clip, x=x)
    mirrored = clip.mirrored.copy()
    mirrored[:, EXPRESSION] += wanted - mirrored[most_closed(clip.lips), EXPRESSION].mean(0)
    return replace(clip, x=x, mirrored=mirrored)


def with_trusted_sound(clip: MotionClip, score: SyncScore | None) -> MotionClip:
    """The clip marked as synced or not by its score, its sound moved to lag 0 where the lag is clear."""
    if score is None or score.correlation < MIN_SYNC or abs(score.lag) > CLEAR_LAG:
        return replace(clip, synced=False)
    if abs(score.lag) <= UNSURE_LAG:
        return replace(clip, synced=True)
    if score.correlation < CLEAR_SYNC:
        return replace(clip, synced=abs(score.lag) <= MAX_LAG)
    index = np.clip(np.arange(len(clip)) - score.lag, 0, len(clip) - 1)
    noisy = None if clip.dirty is None else clip.dirty[index]
    return replace(clip, synced=True, audio=clip.audio[index], dirty=noisy)


def _motion_clip(
    clip: TrackedClip,
    face: FaceEncoder,
    encoder: SpeechEncoder,
    cache: Path,
    mirror: Callable[[Motion], Motion] | None,
) -> MotionClip:
    _, motion = face.encode_landmarks(clip.landmarks, clip.size)
    usual = usual_pose(motion)
    flipped = None
    if mirror is not None:
        reflected = mirror(motion)
        flipped = to_model(reflected, usual_pose(reflected)).astype(np.float32)
    audio, noisy = (of_length(sound, len(motion)) for sound in _sounds(clip, encoder, cache))
    distance = None if clip.distance is None else np.log(clip.distance)
    return MotionClip(
        clip.clip.path.name,
        clip.clip.person,
        clip.clip.split,
        to_model(motion, usual).astype(np.float32),
        flipped,
        audio,
        False,
        clip.valid,
        clip.emotion.astype(np.float32),
        lip_gap_of_height(clip.landmarks, 3).astype(np.float32),
        noisy,
        gaze=None if clip.gaze is None else np.radians(clip.gaze),
        log_distance=None if distance is None else distance - np.median(distance),
    )


def of_length(sound: Float[np.ndarray, "m audio"], frames: int) -> Float[np.ndarray, "{frames} audio"]:
    """Speech features cut to a clip's length, or their last frame repeated; zeros where there is no sound."""
    audio = np.zeros((frames, sound.shape[1]), np.float32)
    audio[: len(sound)] = sound[:frames]
    if 0 < len(sound) < frames:
        audio[len(sound) :] = sound[-1]
    return audio


def _sounds(clip: TrackedClip, encoder: SpeechEncoder, cache: Path) -> list[Float[np.ndarray, "n audio"]]:
    """A clip's speech features, and the same of its sound made dirty; no frames if it has no sound."""

    def read() -> Float[np.ndarray, " samples"]:
        try:
            waveform = read_audio(clip.clip.path)
        except InputError:  # no sound track, or one too short to hear anything in
            return np.zeros(0, np.float32)
        heard = len(waveform) >= SAMPLES_PER_FRAME and np.abs(waveform).max() > 1e-3
        return waveform if heard else np.zeros(0, np.float32)

    return heard_twice(encoder, read, clip.clip.key, cache)


def heard_twice(
    encoder: SpeechEncoder, read: Callable[[], Float[np.ndarray, " samples"]], key: str, cache: Path
) -> list[Float[np.ndarray, "n audio"]]:
    """Speech features of a sound, and of the same sound made dirty (in a room, noise, music or its own reversed talk).

    They are cached under `key`, from which the dirt comes, too.
    """
    folder = cache / "speech" / encoder.version.replace(os.sep, "_")
    folder.mkdir(parents=True, exist_ok=True)
    clean, noisy = targets = (folder / f"{key}.npy", folder / f"{key}-dirty.npy")
    if not (clean.is_file() and noisy.is_file()):
        waveform = read()
        worse = (
            dirty(waveform, waveform[::-1].copy(), np.random.default_rng(list(key.encode())))
            if len(waveform)
            else waveform
        )
        for target, sound in zip(targets, (waveform, worse), strict=True):
            heard = features(encoder, sound) if len(sound) else np.zeros((0, encoder.channels), np.float32)
            with whole_file(target) as part, part.open("wb") as stream:
                np.save(stream, heard.astype(np.float16))
    return [np.load(target, allow_pickle=False).astype(np.float32) for target in targets]
