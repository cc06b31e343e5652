"""Photos made ready to be animated, and the face models that do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vasa_core.errors import InputError
from vasa_core.face.mesh.model import MeshFaceModel
from vasa_core.face.mesh.photo import LiftedPhoto
from vasa_core.face.model import FaceModel
from vasa_core.face.volume.model import VolumeFaceModel
from vasa_core.options import FACES, MESH, VOLUME
from vasa_core.preprocess.person import PersonMatte
from vasa_core.preprocess.portrait import FaceCrop, Preprocessor

SURROUNDINGS = 144  # px of the photo kept around the crop: what a distance up to 1.5 brings into view

Frame = UInt8[np.ndarray, "height width 3"]
Picture = UInt8[np.ndarray, "height width channels"]  # RGB, or RGBA before a transparent background


@dataclass(frozen=True)
class Prepared:
    """A photo made ready once, to be animated many times."""

    original: Frame
    crop: FaceCrop
    portrait: LiftedPhoto


def prepare_photo(photo: Frame, preprocessor: Preprocessor, person: PersonMatte, face: FaceModel[Any]) -> Prepared:
    """Find the face of a photo and make it ready. Raises InputError if there is no usable face."""
    crop = preprocessor(photo)
    canvas = crop.surroundings(photo, SURROUNDINGS)
    matte = person(canvas, crop.tracked.landmarks + np.array([SURROUNDINGS, SURROUNDINGS, 0], np.float32))
    return Prepared(photo, crop, face.encode_portrait(crop.tracked, canvas, matte))


def open_face(name: str, checkpoints: Path, device: str) -> FaceModel[Any]:
    """The face model of that name, one of FACES. Raises InputError for another name or a missing checkpoint."""
    if name == MESH:
        return MeshFaceModel.load(checkpoints, device)
    if name == VOLUME:
        return VolumeFaceModel.load(checkpoints, device)
    raise InputError(f"face is {name!r}; expected one of {', '.join(FACES)}.")
