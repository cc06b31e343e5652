"""Measure how far a face in a video is from the face in the photo: by bones, and by dlib's descriptor if installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.data.descriptors.dlib import LANDMARKS, MEAN_FACE, PADDING, SIDE
from vasa_core.errors import MissingModelError
from vasa_core.evaluation.metrics.geometry import HeadFrame
from vasa_core.evaluation.setup import optional
from vasa_core.face.measure import face_width
from vasa_core.face.topology import STABLE

Descriptor = Callable[[UInt8[np.ndarray, "height width 3"], Float[np.ndarray, "478 3"]], Float[np.ndarray, " 128"]]


def shape_distance(head: HeadFrame, reference: HeadFrame) -> float:
    """Average the distance of the points that expression hardly moves, in % of face width, of the mean shapes."""
    stable = list(STABLE)
    mine, theirs = head.shapes.mean(0), reference.shapes.mean(0)
    return float(100 * np.linalg.norm(mine[stable] - theirs[stable], axis=1).mean() / face_width(theirs))


def open_descriptor() -> Descriptor:
    """Open dlib's face descriptor; distances under about 0.5 are one person's, above 0.6 two people's.

    Raises MissingModelError if dlib or its model is not installed.
    """
    if importlib.util.find_spec("dlib") is None:
        raise MissingModelError("dlib is not installed; `pip install dlib-bin==20.0.1.post1` gets it.")
    import dlib  # pyright: ignore[reportMissingImports]

    model = dlib.face_recognition_model_v1(str(resolve("identity_descriptor")))
    target = ((np.array(MEAN_FACE) + PADDING) / (1 + 2 * PADDING) * SIDE).astype(np.float32)

    def describe(
        image: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"]
    ) -> Float[np.ndarray, " 128"]:
        source = landmarks[list(LANDMARKS), :2].astype(np.float32)
        matrix = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)[0]
        chip = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)
        return np.array(model.compute_face_descriptor(chip))

    return describe


def optional_descriptor(missing: list[str]) -> Descriptor | None:
    """Open the descriptor; None, with a line in `missing`, where it is not installed."""
    return optional(open_descriptor, missing, "identity by descriptor")
