"""How far a face in a video is from the face in the photo: by its bones, and by dlib's descriptor where installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.errors import MissingModelError
from vasa_core.evaluation.metrics.geometry import HeadFrame
from vasa_core.face.topology import CHEEK_LEFT, CHEEK_RIGHT, STABLE

Descriptor = Callable[[UInt8[np.ndarray, "height width 3"], Float[np.ndarray, "478 3"]], Float[np.ndarray, " 128"]]

CHIP_SIDE = 150  # px, dlib's input
# Where dlib's training chips have the outer and inner eye corners and the nose's base (fractions of the chip,
# from its own five-point mean shape with its padding of 0.25).
_CHIP_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
_PADDING = 0.25
_LANDMARKS = (263, 362, 33, 133, 2)


def shape_distance(head: HeadFrame, reference: HeadFrame) -> float:
    """Mean distance of the points that expression hardly moves, in % of face width, of the mean shapes."""
    stable = list(STABLE)
    mine, theirs = head.shapes.mean(0)[stable], reference.shapes.mean(0)[stable]
    width = np.linalg.norm(reference.shapes.mean(0)[CHEEK_LEFT] - reference.shapes.mean(0)[CHEEK_RIGHT])
    return float(100 * np.linalg.norm(mine - theirs, axis=1).mean() / width)


def open_descriptor() -> Descriptor:
    """dlib's face descriptor; distances under about 0.5 are one person's, above 0.6 two people's.

    Raises MissingModelError if dlib or its model is not installed.
    """
    if importlib.util.find_spec("dlib") is None:
        raise MissingModelError("dlib is not installed; `pip install dlib-bin==20.0.1.post1` gets it.")
    import cv2
    import dlib  # pyright: ignore[reportMissingImports]

    model = dlib.face_recognition_model_v1(str(resolve("identity_descriptor")))
    target = ((_CHIP_POINTS + _PADDING) / (1 + 2 * _PADDING) * CHIP_SIDE).astype(np.float32)

    def describe(
        image: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"]
    ) -> Float[np.ndarray, " 128"]:
        source = landmarks[list(_LANDMARKS), :2].astype(np.float32)
        matrix = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)[0]
        chip = cv2.warpAffine(image, matrix, (CHIP_SIDE, CHIP_SIDE), flags=cv2.INTER_AREA)
        return np.array(model.compute_face_descriptor(chip))

    return describe


def optional_descriptor(missing: list[str]) -> Descriptor | None:
    """The descriptor; None where it is not installed, which is then said in `missing`."""
    try:
        return open_descriptor()
    except MissingModelError as error:
        missing.append(f"identity by descriptor: {error}")
        return None
