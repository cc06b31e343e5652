"""Which labeller for which condition: the bundled ones, or networks of other projects from the user's own files."""

from __future__ import annotations

from pathlib import Path

from vasa_core.assets import resolve
from vasa_core.errors import InputError
from vasa_core.preprocess.labellers.deep3d import Deep3DDistance
from vasa_core.preprocess.labellers.emotions import FerEmotion, HSEmotion
from vasa_core.preprocess.labellers.l2cs import L2CSGaze
from vasa_core.preprocess.labellers.labels import Labellers
from vasa_core.preprocess.labellers.landmarks import FaceEncoder, LandmarkDistance, LandmarkGaze


def open_labellers(
    gaze: str = "landmarks",
    distance: str = "landmarks",
    emotion: str = "fer",
    *,
    face: FaceEncoder | None = None,
    device: str = "cpu",
) -> Labellers:
    """Labellers by name.

    gaze: "landmarks" or "l2cs:FILE". distance: "landmarks" or "deep3d:FILE". emotion: "fer" or "hsemotion:FILE". face:
    the mesh face model, which "landmarks" reads with. device: of the PyTorch networks.
    Raises InputError if a name is unknown, `face` is lacking or a file holds something else; MissingModelError if a
    file is absent.
    """
    return Labellers(
        gaze=LandmarkGaze(_needed("gaze", face))
        if gaze == "landmarks"
        else L2CSGaze(_file("gaze", gaze, "landmarks", "l2cs"), device),
        distance=LandmarkDistance(_needed("distance", face))
        if distance == "landmarks"
        else Deep3DDistance(_file("distance", distance, "landmarks", "deep3d"), device),
        emotion=FerEmotion(resolve("emotion_classifier"))
        if emotion == "fer"
        else HSEmotion(_file("emotion", emotion, "fer", "hsemotion")),
    )


def _file(condition: str, choice: str, bundled: str, backend: str) -> Path:
    name, _, file = choice.partition(":")
    if name != backend or not file:
        raise InputError(f"{condition} is {choice!r}; expected '{bundled}' or '{backend}:FILE'.")
    return Path(file)


def _needed(condition: str, face: FaceEncoder | None) -> FaceEncoder:
    if face is None:
        raise InputError(f"{condition} is 'landmarks' and no face model was given; expected one to read them with.")
    return face
