"""The controls of one generation, their ranges and the limits of its input."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

from vasa_core.errors import InputError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")  # as the classifier has them
# Those that show on the rendered face and let the lips close.
EMOTION_CHOICES = ("happiness", "sadness", "anger", "surprise", "fear")

MESH, VOLUME = FACES = ("mesh", "volume")  # face models: the photo on a mesh; VASA-1's learned face latent space
PORTRAIT_SIZE = 512  # px, side of the square the portrait is cropped to
MIN_FACE_PX = 64
MAX_IMAGE_PIXELS = 50_000_000
MAX_AUDIO_SECONDS = 20 * 60
MIN_AUDIO_SECONDS = 0.1

SPIN = "spin"  # the name of the predefined head pose

GAZE_LIMIT = 30.0  # degrees
DISTANCE_RANGE = (0.7, 1.5)


@dataclass(frozen=True)
class GenerationOptions:
    """The controls of one generation.

    gaze_yaw, gaze_pitch: degrees; 0/0 looks into the camera, +yaw to the viewer's right, +pitch up.
    distance: head-to-camera distance relative to the portrait; 0.7 nearer, 1.5 farther.
    emotion: a name of EMOTION_CHOICES or None; emotion_strength: 0 (off) to 1.
    guidance_*: classifier-free guidance scales (lambda_c of VASA-1, eq. 2), one for each condition; `previous` is the
        end of the window before, motion and sound. Each above 0 costs one more forward pass a step. That of the emotion
        may be -1: the motion model is not told of it, and lips move as without; what the emotion adds is there anyway.
    expressiveness: how lively the face is, 0 (quiet) to 2; 1 is as lively as people who talk with all their face.
    style: None, or a video of somebody to move like; how lively they are is then expressiveness 1, head included.
    head_motion: amount of head motion; 0 freezes the head at the portrait's pose.
    head_pose: None for a generated one, SPIN for one that goes round, or a video of a head to follow (played forwards
        and backwards until the speech ends).
    steps: sampler steps per window. size: output side in px. seed: any 32-bit unsigned integer.
    paste_back: show the whole photo, at its own size, with the talking head in its place; `size` then has no effect.
    """

    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    distance: float = 1.0
    emotion: str | None = None
    emotion_strength: float = 1.0
    guidance_audio: float = 1.0
    guidance_gaze: float = 0.0
    guidance_emotion: float = -1.0
    guidance_distance: float = 0.0
    guidance_liveliness: float = 1.0
    guidance_previous: float = 0.0
    expressiveness: float = 1.0
    style: str | Path | None = None
    head_motion: float = 1.0
    head_pose: str | Path | None = None
    steps: int = 10
    seed: int = 0
    size: int = PORTRAIT_SIZE
    paste_back: bool = False

    def validate(self) -> GenerationOptions:
        """Return self, or raise InputError with a sentence naming the bad value and what was expected."""
        ranges = {
            "gaze_yaw": (-GAZE_LIMIT, GAZE_LIMIT),
            "gaze_pitch": (-GAZE_LIMIT, GAZE_LIMIT),
            "distance": DISTANCE_RANGE,
            "emotion_strength": (0.0, 1.0),
            "guidance_audio": (0.0, 5.0),
            "guidance_gaze": (0.0, 5.0),
            "guidance_emotion": (-1.0, 5.0),
            "guidance_distance": (0.0, 5.0),
            "guidance_liveliness": (0.0, 5.0),
            "guidance_previous": (0.0, 5.0),
            "expressiveness": (0.0, 2.0),
            "head_motion": (0.0, 2.0),
            "steps": (1, 100),
            "seed": (0, 2**32 - 1),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ranges:
                low, high = ranges[field.name]
                if (
                    isinstance(value, bool)
                    or not isinstance(value, int | float)
                    or not math.isfinite(value)
                    or not low <= value <= high
                ):
                    raise InputError(f"{field.name} is {value!r}; expected a number from {low} to {high}.")
        for name in ("steps", "seed"):
            if getattr(self, name) != int(getattr(self, name)):
                raise InputError(f"{name} is {getattr(self, name)!r}; expected a whole number.")
        if self.emotion is not None and self.emotion not in EMOTION_CHOICES:
            raise InputError(f"emotion is {self.emotion!r}; expected one of {', '.join(EMOTION_CHOICES)}.")
        if self.head_pose is not None and self.head_pose != SPIN and not Path(self.head_pose).is_file():
            raise InputError(f"head_pose is {self.head_pose!r}; expected {SPIN} or a video file.")
        if self.style is not None and not Path(self.style).is_file():
            raise InputError(f"style is {str(self.style)!r}; expected a video file.")
        if not isinstance(self.paste_back, bool):
            raise InputError(f"paste_back is {self.paste_back!r}; expected True or False.")
        if self.size not in (256, 512):
            raise InputError(f"size is {self.size!r}; expected 256 or 512.")
        return self
