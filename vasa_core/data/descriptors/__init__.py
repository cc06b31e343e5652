"""Differentiable identity descriptors for training losses: whom a picture shows, as unit vectors."""

from __future__ import annotations

from pathlib import Path

from vasa_core.assets import resolve
from vasa_core.data.descriptors.descriptor import IdentityDescriptor
from vasa_core.errors import InputError

__all__ = ["DESCRIPTORS", "IdentityDescriptor", "open_descriptor"]

DESCRIPTORS = ("dlib", "arcface", "none")


def open_descriptor(name: str, model: Path | None = None) -> IdentityDescriptor | None:
    """The descriptor of a name of DESCRIPTORS, frozen, on the CPU; None for "none".

    model: ArcFace's ONNX file; the others take none. Raises InputError for another name, for a file that is not needed
    or cannot be used, MissingModelError if the model is not on this machine.
    """
    if name not in DESCRIPTORS:
        raise InputError(f"The identity descriptor is {name!r}; expected one of {', '.join(DESCRIPTORS)}.")
    if name == "arcface":
        from vasa_core.data.descriptors.arcface import open_arcface

        return open_arcface(model)
    if model is not None:
        raise InputError(
            f"The identity model is {model} with the descriptor {name!r}; expected one with 'arcface' only."
        )
    if name == "none":
        return None
    from vasa_core.data.descriptors.dlib import open_dlib

    return open_dlib(resolve("identity_descriptor"))
