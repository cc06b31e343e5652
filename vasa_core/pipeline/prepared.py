"""Photos made ready to be animated, and the face models that do it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.errors import InputError, shortened, shown
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.io.image import read_image
from vasa_core.motion.exported import ONNX_FILE, ExportedMotion
from vasa_core.motion.window import MotionSampler
from vasa_core.options import AUTO, FACES, MAX_IMAGE_PIXELS, MESH, PHOTO, VOLUME, GenerationOptions
from vasa_core.pipeline.background import before
from vasa_core.preprocess.framing import USUAL
from vasa_core.preprocess.paste_back import PasteBack
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import FaceCrop, Preprocessor, crop_side
from vasa_core.preprocess.visibility import visible

SURROUNDINGS = 144 / 512  # of the crop's side, kept of the photo around it: what a distance up to 1.5 brings into view
FINEST = 0.005  # step of distance that is worth a word

Frame = UInt8[np.ndarray, "height width 3"]
Picture = UInt8[np.ndarray, "height width channels"]  # RGB, or RGBA before a transparent background


@dataclass(frozen=True)
class Prepared:
    """A photo made ready once, to be animated many times.

    face: whose face, as asked for. warnings: sentences on what the photo does not allow. background: what the person
    stands before, if it is not the photo's own. source: the photo's file, if it was one.
    """

    original: Frame
    crop: FaceCrop
    portrait: LiftedPhoto
    face: int = 0
    warnings: tuple[str, ...] = ()
    background: str | Path | None = None
    source: Path | None = None

    @property
    def framing(self) -> str:
        """What is shown: "face" or "photo"."""
        return self.crop.framing.mode

    def suits(self, options: GenerationOptions) -> bool:
        """Whether the photo was prepared as the options have it."""
        side = self.crop.tracked.image.shape[0]
        as_large = side >= crop_side(self.crop.framing.side, options.size)
        framed = options.asked_framing in (AUTO, self.framing) and options.face in (0, self.face)
        return as_large and framed and self.background in (None, options.background)

    def before(self, background: str | Path | None) -> Prepared:
        """The person before that background; itself if they are. Raises InputError if that cannot be had."""
        if background == self.background:
            return self
        return replace(self, portrait=before(self.portrait, background), background=background)

    def zoomed(self, distance: float) -> tuple[float, Float[np.ndarray, " 2"]]:
        """The distance nearest to the wanted one from which nothing beyond the photo is seen, and what is zoomed about.

        That point (px of the crop) is the face's middle, or as near to it as the photo's border lets it be.
        """
        centre = self.portrait.centre
        if distance <= 1 or self.framing == PHOTO:
            return min(distance, 1.0), centre
        side, margin = self.portrait.photo.shape[0], self.portrait.margin
        low = np.maximum(self.crop.border[:2], -0.5 - margin)
        high = np.minimum(self.crop.border[2:], side - 0.5 + margin)
        distance = min(distance, float((high - low).min()) / side)
        if distance < 1 + FINEST:
            return 1.0, centre
        least = ((side - 0.5) * distance - high) / (distance - 1)
        return distance, np.clip(centre, least, np.maximum(least, -(low + 0.5 * distance) / (distance - 1)))

    def warnings_for(self, options: GenerationOptions) -> tuple[str, ...]:
        """What there is to say about a video with these options."""
        distance, _ = self.zoomed(options.distance)
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
    options: GenerationOptions | None = None,
) -> Prepared:
    """Find the face of a photo and make it ready. Of the options, framing, face and size count.

    Raises InputError if there is no usable face, or its mouth is covered.
    """
    options = options or GenerationOptions()
    any_framing = options.framing == PHOTO or face_model.name != VOLUME
    framing = options.framing if any_framing else USUAL
    crop = preprocessor(photo, framing, options.face, options.size)
    shows = visible(crop.tracked.image, crop.tracked.landmarks)
    if not shows.mouth:
        raise InputError("The mouth is covered; expected a photo in which it is seen.")
    margin = round(SURROUNDINGS * crop.tracked.image.shape[0])
    canvas = crop.surroundings(photo, margin)
    moved = np.array([margin, margin, 0], np.float32)
    others = crop.others.reshape(-1, 2, 2) @ crop.matrix[:, :2].T + crop.matrix[:, 2] + margin
    matte = person(canvas, crop.tracked.landmarks + moved, others.reshape(-1, 4))
    if shows.drawn:  # flat areas bend unseen, and the person matte knows photographs
        matte = np.full_like(matte, 255)
    portrait = face_model.encode_portrait(crop.tracked, canvas, matte, crop.border, shows.hidden)
    return Prepared(photo, crop, portrait, options.face, shows.warnings)


def open_face(name: str, checkpoints: Path, device: str) -> FaceModel[Any]:
    """The face model of that name, one of FACES. Raises InputError for another name or a missing checkpoint."""
    if name == MESH:
        return MeshFaceModel.load(checkpoints, device)
    if name == VOLUME:
        from vasa_core.face.volume.model import VolumeFaceModel  # which needs torch

        return VolumeFaceModel.load(checkpoints, device)
    raise InputError(f"face_model is {name!r}; expected one of {', '.join(FACES)}.")


def open_motion(folder: Path, device: str) -> MotionSampler:
    """The motion model of a checkpoint folder: in onnxruntime on a CPU if it was exported, else in torch.

    Raises InputError if it is missing or damaged, or the export is of other weights.
    """
    if device == "cpu" and (folder / ONNX_FILE).is_file():
        return ExportedMotion(folder)
    from vasa_core.motion.model import MotionModel

    return MotionModel.load(folder, device)


def frame_size(person: Prepared, options: GenerationOptions) -> tuple[int, int]:
    """(height, width) of the frames, px."""
    paste = paster(person, options)
    return paste.size if paste else (options.size, options.size)


def paster(person: Prepared, options: GenerationOptions) -> PasteBack | None:
    """What puts frames back into the whole photo, if that is shown."""
    if person.framing != PHOTO:
        return None
    distance, centre = person.zoomed(options.distance)
    return PasteBack(person.crop, person.original, 1 / distance, centre)
