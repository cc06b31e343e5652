"""The evaluation of generated motion, speech -> head pose and facial dynamics, before anything is drawn.

Every figure is taken of five kinds of motion: generated from the voice, the real clip of it, the same as fitted by the
face model, generated from another voice, and a still face. `motion_controls` adds controls, seeds and emotions,
`motion_styles` styles.
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
from vasa_core.errors import InputError, MissingModelError
from vasa_core.evaluation.metrics.liveliness import speech_liveliness
from vasa_core.evaluation.motion.controls import measure_controls, measure_emotions, measure_seeds
from vasa_core.evaluation.motion.figures import Moves, against_real, aperture, by_itself, with_sound
from vasa_core.evaluation.motion.phones import SENTENCES, Synthesiser, lips_at_phones
from vasa_core.evaluation.motion.recordings import Face, Generator, Listener, RealClip, Take, filmed, spread, voices
from vasa_core.evaluation.motion.report import summarise_motion
from vasa_core.evaluation.motion.styles import measure_styles
from vasa_core.evaluation.report import write_report
from vasa_core.io.image import IMAGE_SUFFIXES
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline
from vasa_core.types import Motion

SYNTHETIC = "synthetic voice"
CONTROL_VOICES, EMOTION_VOICES, MOST_PORTRAITS = 2, 6, 6
_PARTS = 4  # after the takes: controls, seeds, styles, emotions

Progress = Callable[[int, int], None]  # steps done, steps in all


def measure_motion(
    pipeline: Pipeline,
    clips: Sequence[RealClip],
    speech: Sequence[Path],
    out: Path,
    most: int,
    portraits: Path | None = None,
    progress: Progress | None = None,
    options: GenerationOptions | None = None,
) -> dict[str, Any]:
    """Measure the motion that the pipeline makes; `motion.json` is written to the folder `out`, the figures returned.

    clips: held-out clips. speech: folders of recordings with transcripts, of which at most `most` each are used.
    portraits: folder of photos for the emotions, by default the bundled one. options: of the takes; controls, seeds and
    emotions are always measured at the default ones. Raises InputError if there is nothing to measure or a folder is
    missing.
    """
    options = (options or GenerationOptions()).validate()
    if most < 1:
        raise InputError(f"clips is {most}; expected 1 or more.")
    for folder in (*speech, *([portraits] if portraits else [])):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; expected an existing one.")
    out.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    done, total = 0, 2 * (len(clips) + most * len(speech) + len(SENTENCES)) + _PARTS

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    takes = _takes(pipeline, clips, speech, most, missing, step)
    if not takes:
        raise InputError("nothing can be measured; expected clips with sound or speech with transcripts.")
    total = done + len(takes) + _PARTS
    generate = Generator(pipeline.motion_model, pipeline.face.basis)
    window = int(pipeline.motion_model.config.window)
    voice = _open(lambda: VoiceActivity(resolve("voice_activity")), missing)
    rows: list[dict[str, Any]] = []
    for index, take in enumerate(takes):
        rows += measure_take(generate, take, _another(takes, index), window, replace(options, seed=index), voice)
        step()
    found = sorted(p for p in portraits.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) if portraits else []
    photos = spread(found, MOST_PORTRAITS) or [ASSETS / "portrait.jpg"]
    timed = [take for take in takes if take.phones and not take.real] or takes
    result: dict[str, Any] = {"groups": summarise_motion(rows)}
    parts: dict[str, Callable[[], Any]] = {
        "controls": lambda: measure_controls(generate, spread(timed, CONTROL_VOICES)),
        "seeds": lambda: measure_seeds(generate, spread(timed, CONTROL_VOICES)),
        "styles": lambda: measure_styles(generate, takes, spread(timed, CONTROL_VOICES)),
        "emotions": lambda: measure_emotions(pipeline, generate, photos, spread(timed, EMOTION_VOICES), missing),
    }
    for name, measure in parts.items():
        result[name] = measure()
        step()
    result |= {"not_measured": missing, "takes": rows}
    write_report(out / "motion.json", result)
    return result


def measure_take(
    generate: Generator,
    take: Take,
    other: Take,
    window: int,
    options: GenerationOptions | None = None,
    voice: VoiceActivity | None = None,
) -> list[dict[str, Any]]:
    """Rows of figures of one take: one per kind of motion.

    other: whose voice is used where the sound is shuffled; if it is the take itself, its sound rolled by half.
    voice: tells pauses from speech, for the figures that need that.
    """
    basis, n = generate.basis, len(take)
    heard = take.features[:n]
    others = other.features if other is not take else np.roll(heard, n // 2, 0)
    shuffled = others[np.arange(len(heard)) % len(others)]
    kinds: dict[str, Moves | None] = {
        "generated": take.face.moved(basis, generate(heard, take.face.motion, options)),
        "real": take.real,
        "fitted": take.fitted,
        "shuffled": take.face.moved(basis, generate(shuffled, take.face.motion, options)),
        "still": take.face.moved(basis, Motion(np.repeat(take.face.motion.pose, n, 0), _held(take.face, n))),
    }
    speech = voice(take.waveform, n) if voice else None
    rows = []
    for kind, moves in kinds.items():
        if moves is None:
            continue
        row = {"take": take.name, "group": take.group, "kind": kind, "not_filmed": int(take.generated)}
        row |= by_itself(moves, window)
        row |= with_sound(moves, take.expected, take.waveform, other.waveform)
        if speech is not None:
            row |= speech_liveliness(moves.shapes, speech[: len(moves)], take.waveform)
        if take.phones:
            row |= vars(lips_at_phones(aperture(moves.shapes), take.phones))
        if take.real and kind != "real":
            row |= against_real(moves, take.real)
        rows.append(row)
    return rows


def _takes(
    pipeline: Pipeline,
    clips: Sequence[RealClip],
    speech: Sequence[Path],
    most: int,
    missing: list[str],
    step: Callable[[], None],
) -> list[Take]:
    judge = SyncJudge.load(CHECKPOINTS / "sync_judge")
    encoder = pipeline.speech
    same = judge.config.encoder == pipeline.motion_model.audio_encoder
    listen = Listener(encoder, judge, encoder if same else open_encoder(judge.config.encoder))
    face = Face.usual(pipeline.face.basis)
    align = _open(Aligner, missing)
    takes = filmed(clips, pipeline.face, align, listen, missing, step)
    takes += voices(speech, most, align, listen, face, missing, step)
    synthesise = _open(Synthesiser, missing)
    for index, sentence in enumerate(SENTENCES if synthesise else ()):
        waveform, phones = synthesise(sentence, index)
        takes.append(listen(f"sentence {index}", SYNTHETIC, waveform, phones, face))
    return takes


def _open(part: Callable[[], Any], missing: list[str]) -> Any:
    """An optional part; None, with a line in `missing`, where its package is not installed."""
    try:
        return part()
    except MissingModelError as error:
        missing.append(str(error))
        return None


def _held(face: Face, n: int) -> np.ndarray:
    return np.repeat(face.motion.dynamics, n, 0)


def _another(takes: Sequence[Take], index: int) -> Take:
    """The next take of the same group (or of all, where it is alone)."""
    group = [i for i, take in enumerate(takes) if take.group == takes[index].group]
    pool = group if len(group) > 1 else list(range(len(takes)))
    return takes[pool[(pool.index(index) + 1) % len(pool)]]
