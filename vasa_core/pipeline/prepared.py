"""Photos made ready to be animated, and the face models that do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vasa_core.errors import InputError, shortened, shown
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.face.volume.model import VolumeFaceModel
from vasa_core.io.image import read_image
from vasa_core.options import AUTO, FACES, FRAMINGS, MAX_IMAGE_PIXELS, MESH, PHOTO, VOLUME, GenerationOptions
from vasa_core.preprocess.framing import USUAL
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import FaceCrop, Preprocessor
from vasa_core.preprocess.visibility import visible

SURROUNDINGS = 144  # px of the photo kept around the crop: what a distance up to 1.5 brings into view
FINEST = 0.005  # step of distance that is worth a word

Frame = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Prepared:
    """A photo made ready once, to be animated many times.

    face: whose face, as asked for. warnings: sentences on what the photo does not allow. source: the photo's file, if
    it was one.
    """

    original: Frame
    crop: FaceCrop
    portrait: LiftedPhoto
    face: int = 0
    warnings: tuple[str, ...] = ()
    source: Path | None = None

    @property
    def framing(self) -> str:
        """What is shown: "face" or "photo"."""
        return self.crop.framing.mode

    def suits(self, options: GenerationOptions) -> bool:
        """Whether the photo was prepared as the options have it."""
        return options.framing in (AUTO, self.framing) and options.face in (0, self.face)

    def distance(self, wanted: float) -> float:
        """The distance nearest to the wanted one from which nothing beyond the photo comes into view."""
        if wanted <= 1 or self.framing == PHOTO:
            return min(wanted, 1.0)
        centre, far = self.portrait.centre, np.array(self.portrait.photo.shape[1::-1]) - 0.5
        low, high = np.array(self.crop.border[:2]), np.array(self.crop.border[2:])
        most = np.concatenate([(centre - low) / (centre + 0.5), (high - centre) / (far - centre)]).min()
        return float(min(wanted, max(1.0, most)))

    def warnings_for(self, options: GenerationOptions) -> tuple[str, ...]:
        """What there is to say about a video with these options."""
        distance = self.distance(options.distance)
        if distance > options.distance - FINEST:
            return self.warnings
        limit = f"distance is {options.distance:g}, but the photo ends so near the head that {distance:.2f} was taken."
        return (*self.warnings, limit)


def read_photo(photo: str | Path | Frame) -> Frame:
    """The pixels of a photo, a file or pixels already. Raises InputError for what is neither."""
    if isinstance(photo, str | Path):
        return read_image(Path(photo))
    if not isinstance(photo, np.ndarray):
        raise InputError(f"the photo is {shown(photo)}; expected a file, or RGB pixels as a uint8 array.")
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        found = f"{photo.dtype} of shape {photo.shape}"
        raise InputError(f"the photo is {shortened(found)}; expected uint8 of shape (height, width, 3).")
    if photo.size > 3 * MAX_IMAGE_PIXELS:
        most = MAX_IMAGE_PIXELS // 1_000_000
        raise InputError(f"the photo has {photo.shape[1]}x{photo.shape[0]} px; expected at most {most} megapixels.")
    return photo


def photo_file(photo: str | Path | Frame) -> Path | None:
    """Where the photo lies, if it is a file."""
    return Path(photo) if isinstance(photo, str | Path) else None


def prepare_photo(
    photo: Frame,
    preprocessor: Preprocessor,
    person: PersonMatte,
    face_model: FaceModel[Any],
    framing: str = AUTO,
    face: int = 0,
) -> Prepared:
    """Find the face of a photo and make it ready. framing, face: see `GenerationOptions`.

    Raises InputError if there is no usable face, or its mouth is covered.
    """
    if framing not in FRAMINGS:
        raise InputError(f"framing is {framing!r}; expected one of {', '.join(FRAMINGS)}.")
    if isinstance(face_model, VolumeFaceModel) and framing != PHOTO:
        framing = USUAL
    crop = preprocessor(photo, framing, face)
    shows = visible(crop.tracked.image, crop.tracked.landmarks)
    if not shows.mouth:
        raise InputError("The mouth is covered; expected a photo in which it is seen.")
    canvas = crop.surroundings(photo, SURROUNDINGS)
    moved = np.array([SURROUNDINGS, SURROUNDINGS, 0], np.float32)
    others = crop.others.reshape(-1, 2, 2) @ crop.matrix[:, :2].T + crop.matrix[:, 2] + SURROUNDINGS
    matte = person(canvas, crop.tracked.landmarks + moved, others.reshape(-1, 4))
    if shows.drawn:  # flat areas bend unseen, and the person matte knows photographs
        matte = np.full_like(matte, 255)
    hidden = tuple(part for part, hides in (("eyes", not shows.eyes or shows.drawn), ("mouth", shows.drawn)) if hides)
    portrait = face_model.encode_portrait(crop.tracked, canvas, matte, crop.border, hidden)
    return Prepared(photo, crop, portrait, face, shows.warnings)


def open_face(name: str, checkpoints: Path, device: str) -> FaceModel[Any]:
    """The face model of that name, one of FACES. Raises InputError for another name or a missing checkpoint."""
    if name == MESH:
        return MeshFaceModel.load(checkpoints, device)
    if name == VOLUME:
        return VolumeFaceModel.load(checkpoints, device)
    raise InputError(f"face_model is {name!r}; expected one of {', '.join(FACES)}.")


def usable_device(name: str) -> str:
    """The device of that name; "auto": a GPU when there is one. Raises InputError for one that torch cannot use."""
    if not isinstance(name, str):
        raise InputError(f"device is {shown(name)}; expected its name.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device is {shown(name)}; expected auto, cpu or a GPU that torch can use.") from error
    return name
