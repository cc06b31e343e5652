"""Fits the sync judge (`audio.lip_sync`) on real recordings, and leaves out those whose sound is not in step.

A recording cut from the web may carry music, another voice or a delay. Clips are therefore judged by a fit that
knows only the clips believed so far; it starts from all of them and repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vasa_core.audio import SpeechEncoder, features, open_encoder
from vasa_core.audio.lip_sync import MIN_FRAMES, JudgeConfig, SyncJudge, SyncReading, read_sync, with_context
from vasa_core.data.clips import Clip, find_clips
from vasa_core.data.tracking import TrackedClip, track_clips
from vasa_core.errors import InputError
from vasa_core.face.measure import lip_shape
from vasa_core.io.audio import read_audio
from vasa_core.rates import FPS

ROUNDS = 5
RIDGE = 0.3  # of the mean diagonal of the normal equations
MAX_BELIEVED_LAG = 1  # frames
MIN_BELIEVED_CONFIDENCE = 0.25
MAX_CLIPS_PER_FOLDER = 150  # so that a folder of one speaker does not outweigh all others


@dataclass(frozen=True)
class Recording:
    """A clip's speech features and lip shape, one row per frame."""

    clip: Clip
    features: Float[np.ndarray, "n channels"]
    lips: Float[np.ndarray, "n 3"]


def train_judge(data: Sequence[Path], out: Path, cache: Path, encoder: str = "moonshine") -> dict[str, object]:
    """Fit the judge on the `train` clips with sound in the folders `data`, and write the checkpoint `out`.

    cache: folder of the clips' tracking. Returns what was used and how it reads held-out clips.
    Raises InputError if no clip has sound that agrees with its lips.
    """
    clips = [clip for folder in data for clip in _limited(find_clips(folder))]
    recordings = read_recordings(track_clips(clips, cache), open_encoder(encoder))
    train = [r for r in recordings if r.clip.split == "train"]
    judge, believed = fit_believed(train, encoder)
    judge.save(out)
    held_out = [(r, judged) for r in recordings if r.clip.split != "train" and (judged := read(judge, r))]
    return {
        "train_clips": len(train),
        "believed_clips": len(believed),
        "believed_minutes": sum(len(r.lips) for r in believed) / FPS / 60,
        "held_out": {r.clip.path.name: {"lag": s.lag, "confidence": round(s.confidence, 3)} for r, s in held_out},
    }


def read_recordings(tracked: Sequence[TrackedClip], encoder: SpeechEncoder) -> list[Recording]:
    """The recordings among tracked clips that have sound and enough frames."""
    recordings = []
    for track in tracked:
        try:
            waveform = read_audio(track.clip.path)
        except InputError:  # a clip without sound is no recording
            continue
        speech = features(encoder, waveform)
        frames = min(len(speech), len(track.landmarks))
        if frames >= MIN_FRAMES:
            recordings.append(Recording(track.clip, speech[:frames], lip_shape(track.landmarks[:frames])))
    return recordings


def fit_believed(recordings: Sequence[Recording], encoder: str) -> tuple[SyncJudge, list[Recording]]:
    """A judge fitted on the recordings that it finds in step itself, and those recordings.

    Raises InputError if there are none.
    """
    judge, believed = None, list(recordings)
    for _ in range(ROUNDS):
        if not believed:
            raise InputError("No clip has sound that agrees with its lips; expected videos of people speaking.")
        judge = fit(believed, encoder)
        believed = [r for r in recordings if _in_step(read(judge, r))]
    assert judge is not None
    return judge, believed


def fit(recordings: Sequence[Recording], encoder: str) -> SyncJudge:
    """Ridge regression of lip shape on speech features with context; each recording is centred on its own mean."""
    config = JudgeConfig(encoder, recordings[0].features.shape[1])
    mean = np.mean([r.features.mean(0) for r in recordings], 0)  # (channels,)
    stacked = (2 * config.context + 1) * config.channels
    gram, moment = np.zeros((stacked, stacked)), np.zeros((stacked, len(config.outputs)))
    for recording in recordings:
        x = with_context((recording.features - mean).astype(np.float64), config.context)  # (n, stacked)
        x, y = x - x.mean(0), recording.lips - recording.lips.mean(0)
        gram, moment = gram + x.T @ x, moment + x.T @ y
    ridge = RIDGE * np.trace(gram) / stacked
    return SyncJudge(config, mean, np.linalg.solve(gram + ridge * np.eye(stacked), moment))


def read(judge: SyncJudge, recording: Recording) -> SyncReading | None:
    """The judge's reading of a recording."""
    return read_sync(judge(recording.features), recording.lips)


def _in_step(reading: SyncReading | None) -> bool:
    return (
        reading is not None and abs(reading.lag) <= MAX_BELIEVED_LAG and reading.confidence >= MIN_BELIEVED_CONFIDENCE
    )


def _limited(clips: list[Clip]) -> list[Clip]:
    """At most MAX_CLIPS_PER_FOLDER clips, evenly spread."""
    step = max(1, round(len(clips) / MAX_CLIPS_PER_FOLDER))
    return clips[::step]
