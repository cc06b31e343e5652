"""The controls of one generation: one table that validation, the command line, the app and the README are made from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from PIL import ImageColor

from vasa_core.errors import InputError, shortened, shown

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")  # as the classifier has them
# Those that show on the rendered face and let the lips close.
EMOTION_CHOICES = ("happiness", "sadness", "anger", "surprise", "fear")
MESH, VOLUME = FACES = ("mesh", "volume")  # face models: the photo on a mesh; VASA-1's learned face latent space
AUTO, FACE, PHOTO = FRAMINGS = ("auto", "face", "photo")  # what is shown of a photo
PORTRAIT_SIZE = 512  # px, side of the square the portrait is cropped to
MIN_FACE_PX = 64
MAX_IMAGE_PIXELS = 100_000_000
PICTURES = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP, TIFF or JPEG 2000"  # the files that a photo may be
MAX_UPLOAD_MB = 100  # of one file, in the app
MAX_AUDIO_SECONDS = 24 * 3600
USUAL_APP_SECONDS = 20.0 * 60  # of speech, in the app: a visitor's wait, and everybody's who is behind
MIN_AUDIO_SECONDS = 0.1
TRANSPARENT = "transparent"  # the name of no background at all
SPIN = "spin"  # the name of the predefined head pose
MOST_COMPARED = 25  # videos in one grid: each is drawn by threads of its own
GAZE_LIMIT = 30.0  # degrees
DISTANCE_RANGE = (0.7, 1.5)


@dataclass(frozen=True)
class Control:
    """What there is to know of one option. help: one line. low, high: range of a number; choices: of anything else, or
    in words.

    label: in the app, for those that it shows. step: of the app's slider. expert: stands in the app's drawer.
    """

    default: Any
    help: str
    low: float | int | None = None
    high: float | int | None = None
    choices: tuple[Any, ...] = ()
    words: str = ""
    label: str = ""
    step: float | int = 0.1
    expert: bool = False

    @property
    def meaning(self) -> str:
        """The range or the choices, in words."""
        if self.words:
            return self.words
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:.10g} to {self.high:.10g}" if self.low is not None else ""


def _control(default: Any, help: str, *limits: float | int, **more: Any) -> Any:
    low, high = limits or (None, None)
    return field(default=default, metadata={"control": Control(default, help, low, high, **more)})


def _scale(default: float, of: str, low: float = 0.0, **more: Any) -> Any:
    return _control(default, f"CFG scale of {of}.", low, 5.0, label=f"CFG scale of {of}", expert=True, **more)


@dataclass(frozen=True)
class GenerationOptions:
    """The options of one generation; CONTROLS says what each is, and what it may be.

    guidance_*: classifier-free guidance scales (lambda_c of VASA-1, eq. 2), one for each condition; `previous` is the
    end of the window before, motion and sound. Each above 0 costs one more forward pass a step. That of the emotion may
    be -1: the motion model does not see the emotion, and lips move as without; the emotion's offset is there anyway.
    """

    gaze_yaw: float = _control(
        0.0,
        "Where the eyes look, degrees: 0 into the camera, + to the viewer's right.",
        *(-GAZE_LIMIT, GAZE_LIMIT),
        label="Gaze left / right",
        step=1,
    )
    gaze_pitch: float = _control(
        0.0,
        "The same up and down, degrees: + is up.",
        *(-GAZE_LIMIT, GAZE_LIMIT),
        label="Gaze down / up",
        step=1,
    )
    distance: float = _control(
        1.0,
        "Head-to-camera distance: 1 as photographed, smaller is nearer.",
        *DISTANCE_RANGE,
        label="Head distance",
        step=0.05,
    )
    emotion: str | None = _control(
        None,
        "Offset on what the speech implies; none if left out.",
        choices=EMOTION_CHOICES,
        label="Emotion",
    )
    emotion_strength: float = _control(
        1.0, "How much of that emotion; 0 is off.", *(0.0, 1.0), label="Emotion strength", step=0.05
    )
    guidance_audio: float = _control(
        1.0,
        "CFG scale: how closely the motion follows the speech.",
        *(0.0, 5.0),
        label="CFG scale of the speech",
    )
    expressiveness: float = _control(
        1.0,
        "How lively lips, brows and smile are: 0 is quiet, and lips still articulate.",
        *(0.0, 2.0),
        label="Expressiveness",
    )
    head_motion: float = _control(
        1.0,
        "Amount of head motion; 0 freezes the head, the face goes on.",
        *(0.0, 2.0),
        label="Head motion",
    )
    style: str | Path | None = _control(
        None,
        "Video of somebody to move like: as lively, with that resting face and way of moving the head.",
    )
    head_pose: str | Path | None = _control(
        None,
        f"{SPIN}, or a video of a head to follow (a short one goes on backwards); generated if left out.",
    )
    guidance_gaze: float = _scale(0.0, "gaze")
    guidance_emotion: float = _scale(-1.0, "emotion (-1: lips as without)", -1.0)
    guidance_distance: float = _scale(0.0, "head distance")
    guidance_previous: float = _scale(0.0, "the motion before")
    guidance_liveliness: float = _scale(1.0, "liveliness")
    steps: int = _control(10, "Sampler steps a window.", *(1, 100), label="Sampler steps", step=1, expert=True)
    seed: int = _control(0, "Same seed, same video.", *(0, 2**32 - 1), label="Seed", step=1, expert=True)
    size: int = _control(
        PORTRAIT_SIZE,
        "Side of the square video, px.",
        choices=(256, 512, 768, 1024),
        label="Size",
        expert=True,
    )
    framing: str = _control(
        AUTO,
        "What is shown: face, a square about the head, inside the photo; photo, all of it; auto decides.",
        choices=FRAMINGS,
        label="Framing",
        expert=True,
    )
    face: int = _control(
        0,
        "Whose face, of several: 0 is the largest, from 1 on they are counted from the left.",
        *(0, 99),
        label="Whose face",
        step=1,
        expert=True,
    )
    background: str | Path | None = _control(
        None,
        "Behind the person; the photo's own if left out. transparent: into .webm or .mov.",
        words="a colour, an image file, transparent",
    )

    @property
    def transparent(self) -> bool:
        """Whether frames have an opacity."""
        return self.background == TRANSPARENT

    @property
    def backdrop(self) -> Path | None:
        """The picture's file, if there is one behind the person."""
        plain = self.background in (None, TRANSPARENT) or colour_of(self.background) is not None
        return None if plain else Path(str(self.background))

    @property
    def asked_framing(self) -> str:
        """The framing, which before a background is the face's unless another is asked for."""
        return FACE if self.framing == AUTO and self.background is not None else self.framing

    def validate(self) -> GenerationOptions:
        """The same options in Python's own types (NumPy's numbers are taken, and 512.0 for 512).

        Raises InputError with a sentence that names the bad value and what was expected.
        """
        return GenerationOptions(**_all_checked({name: getattr(self, name) for name in CONTROLS}))

    @classmethod
    def of(cls, options: GenerationOptions | None = None, **changes: Any) -> GenerationOptions:
        """Options with some of them changed, checked. gaze=(yaw, pitch) is short for both.

        Raises InputError for a name that is no option, and for a value that cannot be used.
        """
        if not isinstance(options, GenerationOptions | None):
            raise InputError(f"options is {shown(options)}; expected GenerationOptions.")
        values = {name: getattr(options or cls(), name) for name in CONTROLS}
        if "gaze" in changes:
            gaze = changes.pop("gaze")
            try:
                values["gaze_yaw"], values["gaze_pitch"] = gaze
            except (TypeError, ValueError) as error:
                raise InputError(f"gaze is {shown(gaze)}; expected two angles, (yaw, pitch), in degrees.") from error
        for name in changes:
            if name not in CONTROLS:
                raise InputError(f"{shortened(str(name))} is no option; expected one of {', '.join(CONTROLS)}.")
        values |= changes
        return cls(**_all_checked(values))


CONTROLS: Mapping[str, Control] = {entry.name: entry.metadata["control"] for entry in fields(GenerationOptions)}
WHOLE = ("steps", "seed", "face")
NOTHING = "none"  # a value that is left out, written down


def control_named(name: str) -> str:
    """The name of a control, written with dashes or underscores. Raises InputError for one that there is not."""
    found = name.strip().removeprefix("--").replace("-", "_")
    if found not in CONTROLS:
        options = ", ".join(name.replace("_", "-") for name in CONTROLS)
        raise InputError(f"{shortened(name)} is no option; expected one of {options}.")
    return found


def written(name: str, text: str) -> Any:
    """The value of a control that a text says: a number, a choice, a file, or `none`; not yet checked."""
    control, text = CONTROLS[name], text.strip()
    if control.default is None and text in ("", NOTHING):
        return None
    if control.low is None and not isinstance(control.default, int):
        return text
    with suppress(ValueError):
        return float(text)
    return text


def listed(name: str, texts: str, options: GenerationOptions) -> list[Any]:
    """The values of a control that a text like "-20, 0, 20" says, checked beside the other options.

    Raises InputError for one that the control cannot have.
    """
    values = [written(name, text) for text in texts.split(",")]
    return [getattr(GenerationOptions.of(options, **{name: value}), name) for value in values]


def colour_of(background: object) -> tuple[int, ...] | None:
    """Red, green and blue of a colour's name or #rrggbb; None if it is neither."""
    if not isinstance(background, str):
        return None
    try:
        colour = ImageColor.getrgb(background)
    except ValueError:
        return None
    return colour if len(colour) == 3 else None


def _all_checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked = {name: _checked(name, value) for name, value in values.items()}
    if checked["background"] is not None and checked["framing"] == PHOTO:
        found = shown(str(checked["background"]))
        raise InputError(f"background is {found}; expected none where the whole photo is shown.")
    return checked


def _checked(name: str, value: Any) -> Any:
    """The value of a control as Python has it. Raises InputError for one that it cannot have."""
    control = CONTROLS[name]
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = int(value)
    elif isinstance(value, Real) and not isinstance(value, bool):
        value = float(value)
    if control.low is not None and control.high is not None:
        return _checked_number(name, value, control.low, control.high)
    if value is None and control.default is None:
        return None
    if not control.choices:
        return _checked_background(value) if name == "background" else _checked_video(name, value)
    if type(value) not in (str, int, float) or value not in control.choices:
        raise InputError(f"{name} is {shown(value)}; expected one of {', '.join(map(str, control.choices))}.")
    return type(control.choices[0])(value)


def _checked_number(name: str, value: Any, low: float | int, high: float | int) -> float | int:
    if type(value) not in (int, float) or not low <= value <= high:  # NaN is nowhere in between
        raise InputError(f"{name} is {shown(value)}; expected a number from {low} to {high}.")
    if name not in WHOLE:
        return float(value)
    if value != int(value):
        raise InputError(f"{name} is {shown(value)}; expected a whole number.")
    return int(value)


def _checked_video(name: str, value: Any) -> str | Path:
    """A style or head pose: a file, or the head pose that has a name."""
    expected = f"{SPIN} or a video file" if name == "head_pose" else "a video file"
    if not isinstance(value, str | Path):
        raise InputError(f"{name} is {shown(value)}; expected {expected}.")
    if (name != "head_pose" or value != SPIN) and not _is_file(value):
        raise InputError(f"{name} is {shown(str(value))}; expected {expected}.")
    return value


def _checked_background(value: Any) -> str | Path:
    expected = f"a colour such as white or #00ff00, an image file, or {TRANSPARENT}"
    if not isinstance(value, str | Path):
        raise InputError(f"background is {shown(value)}; expected {expected}.")
    if value != TRANSPARENT and colour_of(value) is None and not _is_file(value):
        raise InputError(f"background is {shown(str(value))}; expected {expected}.")
    return value


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name that is too long, say
        return False
