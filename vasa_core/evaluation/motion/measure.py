"""The evaluation of generated motion, speech -> head pose and facial dynamics, before anything is rendered.

Every figure is taken of five kinds of motion: generated from the voice, the real clip of it, the same as fitted by the
face model, generated from another voice, and a still face. `controls` adds controls, seeds and emotions, `styles`
styles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vasa_core.assets import ASSETS, CHECKPOINTS, resolve
from vasa_core.audio import open_encoder
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.lip_sync import SyncJudge
from vasa_core.audio.voice_activity import VoiceActivity
from vasa_core.data.tracking import TrackedClip
from vasa_core.errors import InputError
from vasa_core.evaluation.metrics.liveliness import speech_liveliness
from vasa_core.evaluation.motion.controls import measure_controls, measure_emotions, measure_seeds
from vasa_core.evaluation.motion.figures import Moves, against_real, by_itself, with_sound
from vasa_core.evaluation.motion.phones import SENTENCES, Synthesiser, lips_at_phones
from vasa_core.evaluation.motion.recordings import Face, Generator, Listener, Recording, filmed, voices
from vasa_core.evaluation.motion.report import summarise_motion
from vasa_core.evaluation.motion.styles import measure_styles
from vasa_core.evaluation.report import write_report
from vasa_core.evaluation.setup import Steps, check_count, optional, spread
from vasa_core.face.measure import aperture
from vasa_core.io.image import IMAGE_SUFFIXES
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.types import Motion, Progress

SYNTHETIC = "synthetic voice"
CONTROL_VOICES, EMOTION_VOICES, MOST_PORTRAITS = 2, 6, 6
_PARTS = 4  # after the recordings: controls, seeds, styles, emotions


def measure_motion(
    pipeline: Pipeline,
    clips: Sequence[tuple[str, TrackedClip]],
    speech: Sequence[Path],
    out: Path,
    most: int,
    portraits: Path | None = None,
    progress: Progress | None = None,
    options: GenerationOptions | None = None,
) -> dict[str, Any]:
    """Measure the motion that the pipeline makes; `motion.json` is written to the folder `out`, the figures returned.

    clips: held-out clips, each with its group in the report. speech: folders of recordings with transcripts, of which
    at most `most` each are used. portraits: folder of photos for the emotions, by default the bundled one. options: of
    the recordings; controls, seeds and emotions are always measured at the default ones. Raises InputError if there is
    nothing to measure or a folder is missing.
    """
    options = (options or GenerationOptions()).validate()
    check_count(most)
    for folder in (*speech, *([portraits] if portraits else [])):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; expected an existing one.")
    out.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    step = Steps(progress, 2 * (len(clips) + most * len(speech) + len(SENTENCES)) + _PARTS)
    recordings = _recordings(pipeline, clips, speech, most, missing, step)
    if not recordings:
        raise InputError("nothing can be measured; expected clips with sound or speech with transcripts.")
    step.total = step.done + len(recordings) + _PARTS
    generate = Generator(pipeline.motion_model, pipeline.face.basis)
    window = int(pipeline.motion_model.config.window)
    voice = optional(lambda: VoiceActivity(resolve("voice_activity")), missing)
    rows: list[dict[str, Any]] = []
    for index, recording in enumerate(recordings):
        other = _another(recordings, index)
        rows += measure_recording(generate, recording, other, window, replace(options, seed=index), voice)
        step()
    found = sorted(p for p in portraits.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) if portraits else []
    photos = spread(found, MOST_PORTRAITS) or [ASSETS / "portrait.jpg"]
    timed = [recording for recording in recordings if recording.phones and not recording.real] or recordings
    few, many = spread(timed, CONTROL_VOICES), spread(timed, EMOTION_VOICES)
    result: dict[str, Any] = {"groups": summarise_motion(rows)}
    parts: dict[str, Callable[[], Any]] = {
        "controls": lambda: measure_controls(generate, few),
        "seeds": lambda: measure_seeds(generate, few),
        "styles": lambda: measure_styles(generate, recordings, few),
        "emotions": lambda: measure_emotions(pipeline, generate, photos, many, missing),
    }
    for name, measure in parts.items():
        result[name] = measure()
        step()
    return write_report(out / "motion.json", result | {"not_measured": missing, "recordings": rows})


def measure_recording(
    generate: Generator,
    recording: Recording,
    other: Recording,
    window: int,
    options: GenerationOptions | None = None,
    voice: VoiceActivity | None = None,
) -> list[dict[str, Any]]:
    """Measure one recording: a row of figures per kind of motion.

    other: whose voice is used where the sound is shuffled; if it is the recording itself, its sound rolled by half.
    voice: tells pauses from speech, for the figures that need that.
    """
    n, face, features = len(recording), recording.face, recording.features[: len(recording)]
    others = other.features if other is not recording else np.roll(features, n // 2, 0)
    shuffled = others[np.arange(len(features)) % len(others)]
    still = Motion(np.repeat(face.motion.pose, n, 0), np.repeat(face.motion.dynamics, n, 0))
    kinds: dict[str, Moves | None] = {
        "generated": face.moved(generate.basis, generate(features, face.motion, options)),
        "real": recording.real,
        "fitted": recording.fitted,
        "shuffled": face.moved(generate.basis, generate(shuffled, face.motion, options)),
        "still": face.moved(generate.basis, still),
    }
    speech = voice(recording.waveform, n) if voice else None
    rows = []
    for kind, moves in kinds.items():
        if moves is None:
            continue
        row = {"recording": recording.name, "group": recording.group, "kind": kind}
        row |= {"not_filmed": int(recording.generated), **by_itself(moves, window)}
        row |= with_sound(moves, recording.expected, recording.waveform, other.waveform)
        if speech is not None:
            row |= speech_liveliness(moves.shapes, speech[: len(moves)], recording.waveform)
        if recording.phones:
            row |= vars(lips_at_phones(aperture(moves.shapes), recording.phones))
        if recording.real and kind != "real":
            row |= against_real(moves, recording.real)
        rows.append(row)
    return rows


def _recordings(
    pipeline: Pipeline,
    clips: Sequence[tuple[str, TrackedClip]],
    speech: Sequence[Path],
    most: int,
    missing: list[str],
    step: Callable[[], None],
) -> list[Recording]:
    scorer = SyncJudge.load(CHECKPOINTS / "sync_judge")
    same = scorer.config.encoder == pipeline.motion_model.audio_encoder
    listen = Listener(pipeline.speech, scorer, pipeline.speech if same else open_encoder(scorer.config.encoder))
    face, align = Face.usual(pipeline.face.basis), optional(Aligner, missing)
    recordings = filmed(clips, pipeline.face, align, listen, missing, step)
    recordings += voices(speech, most, align, listen, face, missing, step)
    if synthesise := optional(Synthesiser, missing):
        for index, sentence in enumerate(SENTENCES):
            recordings.append(listen(f"sentence {index}", SYNTHETIC, *synthesise(sentence, index), face))
    return recordings


def _another(recordings: Sequence[Recording], index: int) -> Recording:
    """Give the next recording of the same group (or of all, where it is alone)."""
    group = [i for i, recording in enumerate(recordings) if recording.group == recordings[index].group]
    pool = group if len(group) > 1 else list(range(len(recordings)))
    return recordings[pool[(pool.index(index) + 1) % len(pool)]]
