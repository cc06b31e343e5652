"""Configuration of the preparation of raw videos: sizes, lengths and the bounds of the quality filter."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from vasa_core.errors import InputError
from vasa_core.rates import FPS

VERSION = 2  # of what is written; another one makes every video anew
UNSYNCED = ("silent", "drop", "keep")


@dataclass(frozen=True)
class PreparationConfig:
    """How raw videos become clips.

    size: most px of a clip's side; smaller crops are not enlarged. min_seconds, max_seconds: of a clip. min_face: px of
    the source from forehead to chin. min_inside: share of the crop inside the picture. min_tracked: share of frames in
    which the landmarks were found. min_sharpness: see `quality.sharpness`. min_movement, max_movement: see
    `quality.movement`. min_expression: see `quality.expression`. max_frozen: share of frames that repeat the one
    before. max_shared: share of the time in which another face is in the crop. gaze, distance, emotion: names for
    `preprocess.labellers.open_labellers`. unsynced: what becomes of clips whose lips do not follow their sound, one of
    UNSYNCED: kept without the sound, dropped, or kept with it.
    """

    size: int = 512
    min_seconds: float = 2.0
    max_seconds: float = 10.0
    min_face: int = 96
    min_inside: float = 0.5
    min_tracked: float = 0.8
    min_sharpness: float = 0.001
    min_movement: float = 0.004
    max_movement: float = 0.3
    min_expression: float = 0.008
    max_frozen: float = 0.6
    max_shared: float = 0.2
    gaze: str = "landmarks"
    distance: str = "landmarks"
    emotion: str = "fer"
    unsynced: str = "silent"

    def validate(self) -> PreparationConfig:
        """Return self, or raise InputError with a sentence naming the bad value and what was expected."""
        if self.size % 2 or not 64 <= self.size <= 1024:
            raise InputError(f"size is {self.size}; expected an even number of px from 64 to 1024.")
        if not 0 < self.min_seconds <= self.max_seconds <= 60:
            raise InputError(
                f"min_seconds is {self.min_seconds} and max_seconds is {self.max_seconds}; "
                "expected 0 < min_seconds <= max_seconds <= 60."
            )
        if self.min_face < 16:
            raise InputError(f"min_face is {self.min_face}; expected at least 16 px.")
        if not 0 <= self.min_inside <= 1:
            raise InputError(f"min_inside is {self.min_inside}; expected a share from 0 to 1.")
        if self.unsynced not in UNSYNCED:
            raise InputError(f"unsynced is {self.unsynced!r}; expected one of {', '.join(UNSYNCED)}.")
        return self

    @property
    def min_frames(self) -> int:
        """Frames of the shortest clip."""
        return max(1, round(self.min_seconds * FPS))

    @property
    def max_frames(self) -> int:
        """Frames of the longest clip."""
        return max(self.min_frames, round(self.max_seconds * FPS))

    @property
    def fingerprint(self) -> str:
        """Changes when any value does."""
        text = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
