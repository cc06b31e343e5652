"""One live session: sound in, packets of a frame with its sound out, until it is stopped."""

from __future__ import annotations

import json
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from vasa_core.app.ear import Ear, Piece
from vasa_core.app.record import from_json
from vasa_core.assets import ASSETS
from vasa_core.errors import Cancelled, InputError, shown
from vasa_core.files import parsed_json
from vasa_core.io.image import read_image
from vasa_core.options import GenerationOptions
from vasa_core.pipeline import Pipeline, Prepared
from vasa_core.pipeline.prepared import Frame, Picture, frame_size
from vasa_core.pipeline.sound import SOUND_AHEAD
from vasa_core.rates import FPS, SAMPLE_RATE

FACES = {path.stem: path for path in (ASSETS / "portrait.jpg", *sorted((ASSETS / "faces").glob("*.jpg")))}
UPLOAD = "upload"  # instead of a name of FACES: the photo follows as the next message
MAX_PHOTO_BYTES = 15_000_000
QUALITY = 85  # JPEG
HEADER = struct.Struct("<IIHH")  # frame, samples heard up to its end, ms it took, bytes of sound
_LONGEST_DELAY = 2**16 - 1  # ms


@dataclass(frozen=True)
class Wanted:
    """What a session starts with. portrait: of FACES, or UPLOAD. microphone: see `Ear`."""

    portrait: str
    options: GenerationOptions
    face_model: str
    microphone: bool

    @classmethod
    def read(cls, text: str) -> Wanted:
        """From the JSON of a session's first message: portrait, microphone, and options by name.

        Raises InputError for what cannot be used.
        """
        values = parsed_json(text.encode(), "The first message")
        portrait, microphone = values.pop("portrait", "portrait"), values.pop("microphone", False)
        if portrait != UPLOAD and (not isinstance(portrait, str) or portrait not in FACES):
            raise InputError(f"portrait is {shown(portrait)}; expected {UPLOAD} or one of {', '.join(FACES)}.")
        if not isinstance(microphone, bool):
            raise InputError(f"microphone is {shown(microphone)}; expected true or false.")
        options, face_model = from_json(json.dumps(values))
        return cls(portrait, options, face_model, microphone)


class Portraits:
    """Makes portraits ready, the bundled ones once for all sessions."""

    def __init__(self, models: Callable[[], Pipeline]) -> None:
        """models: gives the pipeline, perhaps after a while."""
        self._models = models
        self._lock = threading.Lock()
        self._ready: dict[tuple[str, str], Prepared] = {}

    def __call__(self, wanted: Wanted, photo: bytes | None = None) -> tuple[Pipeline, Prepared]:
        """The models and the person. photo: a file's content, for UPLOAD. Raises InputError if it cannot be used."""
        pipeline, options = self._models().with_face(wanted.face_model), wanted.options
        if photo is not None:
            return pipeline, pipeline.prepare(uploaded(photo), options.asked_framing, options.face, options.size)
        key = (wanted.portrait, wanted.face_model)
        with self._lock:
            if key not in self._ready:
                self._ready[key] = pipeline.prepare(FACES[wanted.portrait])
        person = self._ready[key]
        if not person.suits(options):
            person = pipeline.prepare(person.original, options.asked_framing, options.face, options.size)
        return pipeline, person


def uploaded(photo: bytes) -> Frame:
    """A photo's pixels, from the content of its file. Raises InputError if it is too large, or none."""
    if len(photo) > MAX_PHOTO_BYTES:
        raise InputError(
            f"the photo has {len(photo) / 1e6:.1f} MB; expected at most {MAX_PHOTO_BYTES // 1_000_000} MB."
        )
    with tempfile.TemporaryDirectory(prefix="vasa_") as folder:
        path = Path(folder) / "photo"
        path.write_bytes(photo)
        return read_image(path)


class Talk:
    """A person who speaks what an ear hears."""

    def __init__(self, pipeline: Pipeline, person: Prepared, options: GenerationOptions, ear: Ear) -> None:
        self._pipeline, self._person, self._options, self.ear = pipeline, person, options, ear

    def hello(self) -> dict[str, Any]:
        """What is told before the first frame."""
        height, width = frame_size(self._person, self._options)
        return {
            "width": width,
            "height": height,
            "fps": FPS,
            "sample_rate": SAMPLE_RATE,
            "sound_ahead_ms": round(1000 * SOUND_AHEAD / FPS),
            "seed": self._options.seed,
            "warnings": list(self._person.warnings_for(self._options)),
        }

    def packets(self) -> Generator[bytes, None, None]:
        """A packet for each frame, as soon as it is drawn, until the sound ends or the ear is stopped.

        Raises what the pipeline raises, but for Cancelled.
        """
        ear = self.ear
        try:
            frames = self._pipeline.stream(self._person, ear.pieces(), self._options, ear.stopped.is_set)
            for number, frame in enumerate(frames):
                yield packet(number, ear.given.popleft(), frame)
        except Cancelled:
            return


def packet(number: int, piece: Piece, frame: Picture) -> bytes:
    """HEADER, the piece's sound, and the frame as JPEG."""
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    took = min(round(1000 * (time.monotonic() - piece.at)), _LONGEST_DELAY)
    return HEADER.pack(number, piece.heard, took, len(piece.sound)) + piece.sound + jpeg.tobytes()
