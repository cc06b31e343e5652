"""Measure how far a face in a video is from the face in the photo: by its bones, and by dlib's descriptor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from vasa_core.assets import resolve
from vasa_core.data.descriptors.dlib import open_dlib
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

    Raises MissingModelError if its model file is not on this machine.
    """
    dlib = open_dlib(resolve("identity_descriptor"))

    def describe(
        image: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"]
    ) -> Float[np.ndarray, " 128"]:
        picture = torch.from_numpy(image / np.float32(127.5) - 1).permute(2, 0, 1)[None]
        points = torch.from_numpy(landmarks[None, :, :2].astype(np.float32))
        with torch.inference_mode():
            return dlib.network(dlib.alignment(picture, points))[0].numpy()

    return describe


def optional_descriptor(missing: list[str]) -> Descriptor | None:
    """Open the descriptor; None, with a line in `missing`, where it is not on this machine."""
    return optional(open_descriptor, missing, "identity by descriptor")
