"""What the pipeline asks of a face model: the mesh face model and the volume face model both give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from vasa_core.face.basis import FaceBasis
from vasa_core.face.mesh.photo import Identity, LiftedPhoto
from vasa_core.types import Border, Motion, TrackedImage

P = TypeVar("P", bound=LiftedPhoto)


@runtime_checkable
class FaceModel(Protocol[P]):
    """Encodes faces to motion, and animates portraits of its own kind P; may be called by several threads at once.

    name: one of options.FACES. basis: what its motion's dynamics mean. batch: frames that it draws at once. Of a
    portrait, what `LiftedPhoto` has is everybody's to read.
    """

    name: str
    basis: FaceBasis
    batch: int

    def encode_landmarks(
        self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int], identity: Identity | None = None
    ) -> tuple[Identity, Motion]:
        """Landmarks in px of images of `size` (height, width), all of one person -> who, and how they move."""
        ...

    def encode_driving(self, landmarks: Float[np.ndarray, "n 478 3"], size: tuple[int, int]) -> Motion:
        """Motion of a driving face whose rest is read from its first frame."""
        ...

    def encode_portrait(
        self,
        tracked: TrackedImage,
        canvas: UInt8[np.ndarray, "canvas_height canvas_width 3"] | None = None,
        matte: UInt8[np.ndarray, "canvas_height canvas_width"] | None = None,
        border: Border | None = None,
        hidden: tuple[str, ...] = (),
    ) -> P:
        """Make a photo ready to be animated; canvas: with more around it; matte: opacity of the person in it.

        border: where the whole photo ends, px of the crop. hidden: those of PARTS that are not to be painted.
        """
        ...

    def landmarks(self, portrait: P, motion: Motion) -> Float[np.ndarray, "n 478 3"]:
        """Where the landmarks are meant to be, px of the portrait's crop."""
        ...

    def decode(
        self, portrait: P, motion: Motion, zoom: float = 1.0, paint: bool = True
    ) -> Iterator[UInt8[np.ndarray, "h w channels"]]:
        """Frames of the portrait moving so, at its own size; zoom: of the whole picture, 1 / distance."""
        ...
