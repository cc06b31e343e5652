"""Read speech as training clips of the motion model: voices that nobody filmed, with lips that another model made.

Filmed talkers are few. A motion model that there is already moves the lips to the clean sound of recordings with
transcripts, and where the phones' times say /p b m/, they are closed. The model in training learns these lips (not the
head) also from the same sound in noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from vasa_core.assets import file_sha256
from vasa_core.audio import SpeechEncoder
from vasa_core.audio.alignment import Aligner
from vasa_core.audio.phones import Phone
from vasa_core.data.recordings import recording_key, transcripts
from vasa_core.errors import InputError
from vasa_core.face.basis import EXPRESSION, FaceBasis, toward_gaps
from vasa_core.face.measure import lip_gaps
from vasa_core.files import write_arrays
from vasa_core.io.audio import read_audio
from vasa_core.motion.liveliness import liveliness
from vasa_core.motion.model import MotionModel
from vasa_core.motion.representation import to_model
from vasa_core.options import GenerationOptions
from vasa_core.rates import FPS
from vasa_core.training.motion.data import MIN_FRAMES, MotionClip, heard_twice, of_length
from vasa_core.training.motion.scores import generate
from vasa_core.types import Motion
from vasa_core.weights import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence

LIPS_MEET = frozenset({"P", "B", "M"})
APPROACH = 2.0  # frames in which lips come together, and part again
LEAST_PHONE = 0.045  # seconds; the aligner gives its shortest, 0.03, to phones that it does not find
GUIDANCE = 0.5  # of the speech: lips as wide as a model makes them that averages over what they could do


def spoken_clips(
    folders: Sequence[Path], teacher: Path, encoder: SpeechEncoder, basis: FaceBasis, cache: Path
) -> list[MotionClip]:
    """Clips of the recordings of the folders, but of no voice that is held out.

    teacher: folder of the motion model, which must hear by `encoder`. Raises InputError for a folder without
    transcripts and a teacher of another encoder, MissingModelError where pocketsphinx is not installed.
    """
    model, align = MotionModel.load(teacher), Aligner()
    if model.audio_encoder != encoder.name:
        raise InputError(f"{teacher} hears by {model.audio_encoder}; expected a teacher that hears by {encoder.name}.")
    made = file_sha256(teacher / WEIGHTS)[:12]
    found = []
    for folder in folders:
        said = transcripts(folder)
        if not said:
            raise InputError(f"{folder} holds no transcripts.csv (file,speaker,text); expected read speech.")
        for path, text, _, voice in (recording for recording in said if not recording.held_out):
            key = recording_key(path, text)
            audio, noisy = heard_twice(encoder, lambda path=path: read_audio(path), key, cache)
            target = cache / "spoken" / made / f"{key}.npz"
            if not target.is_file():
                phones = align(read_audio(path), text)
                options = GenerationOptions(seed=int(key[:6], 16), guidance_audio=GUIDANCE)
                _write(target, generate(model, audio, options), phones or ())
            with np.load(target, allow_pickle=False) as data:
                motion = Motion(data["pose"], data["dynamics"])
                times = zip(data["names"], data["starts"], data["ends"], strict=True)
                phones = [Phone(str(name), float(start), float(end)) for name, start, end in times]
            if phones and len(motion) >= MIN_FRAMES:
                motion.dynamics[:, EXPRESSION] = closed_at_phones(motion.dynamics[:, EXPRESSION], phones, basis)
                found.append(_clip(path.name, voice, motion, audio, noisy, basis))
    return found


def closed_at_phones(
    expression: Float[np.ndarray, "n expressions"], phones: Sequence[Phone], basis: FaceBasis
) -> Float[np.ndarray, "n expressions"]:
    """The expression with lips that meet in the middle of each /p b m/, moved as little as it takes.

    Lips that are closed already are left alone, and so are phones that were hardly found.
    """
    frames = (np.arange(len(expression)) + 0.5) / FPS
    share = np.zeros(len(expression))  # of the way to closed lips
    for phone in phones:
        if phone.name in LIPS_MEET and phone.end - phone.start > LEAST_PHONE:
            middle, half = (phone.start + phone.end) / 2, max((phone.end - phone.start) / 4, 0.5 / FPS)
            beyond = np.maximum(np.abs(frames - middle) - half, 0) * FPS  # frames
            share = np.maximum(share, 0.5 + 0.5 * np.cos(np.pi * np.minimum(beyond / APPROACH, 1)))
    change = -share[:, None] * np.maximum(_gaps(expression, basis), 0)
    return expression + change @ toward_gaps(basis.dynamics)


def _gaps(expression: Float[np.ndarray, "n expressions"], basis: FaceBasis) -> Float[np.ndarray, "n pairs"]:
    """Gaps between the lips of the face model's mean face."""
    return lip_gaps(basis.mean) + expression @ lip_gaps(basis.dynamics)


def _clip(
    name: str,
    voice: str,
    motion: Motion,
    audio: Float[np.ndarray, "n audio"],
    noisy: Float[np.ndarray, "n audio"],
    basis: FaceBasis,
) -> MotionClip:
    n = len(motion)
    x, mirrored = (to_model(m, np.zeros(6)).astype(np.float32) for m in (motion, basis.mirror(motion)))
    return MotionClip(
        name,
        voice,
        "train",
        x,
        mirrored,
        of_length(audio, n),
        True,
        np.ones(n, bool),
        np.zeros(7, np.float32),
        _gaps(motion.dynamics[:, EXPRESSION], basis).mean(1).astype(np.float32),
        of_length(noisy, n),
        made=True,
        lively=liveliness(x, basis.readings()),
    )


def _write(target: Path, motion: Motion, phones: Sequence[Phone]) -> None:
    """Keep a motion and the phones that are said; none if the words do not fit the sound."""
    write_arrays(
        target,
        pose=motion.pose.astype(np.float32),
        dynamics=motion.dynamics.astype(np.float32),
        names=np.array([phone.name for phone in phones], "U4"),
        starts=np.array([phone.start for phone in phones]),
        ends=np.array([phone.end for phone in phones]),
    )
