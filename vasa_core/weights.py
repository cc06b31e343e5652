"""Checkpoints as numpy arrays: what is run without torch reads its weights and numbers here.

A checkpoint is a folder of model.safetensors and config.json, which holds the architecture and the sha256 of the
weights beside it, so that a mismatched pair is an error and never a silently wrong model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open

from vasa_core.assets import file_sha256
from vasa_core.errors import InputError, shortened
from vasa_core.files import parsed_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HASH = "weights_sha256"

Config = TypeVar("Config")


@dataclass(frozen=True)
class Arrays:
    """What a checkpoint folder holds: the config (without the hash), the arrays, floats in float32, and the hash."""

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]
    sha256: str


def load_arrays(folder: Path) -> Arrays:
    """Read a checkpoint folder. Raises InputError if a file is missing, damaged or not the config's partner."""
    config, sha256 = checked_config(folder)
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as stream:
            found = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise damaged(folder / WEIGHTS, error) from error
    arrays = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in found.items()}
    return Arrays(config, arrays, sha256)


def checked_config(folder: Path) -> tuple[dict[str, Any], str]:
    """The config of a checkpoint folder without the hash, and the hash. Raises InputError as `load_arrays` does."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing; expected a checkpoint folder with {CONFIG} and {WEIGHTS}.")
    config = parsed_json((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    expected = config.pop(HASH, None)
    found = file_sha256(folder / WEIGHTS)
    if found != expected:
        raise InputError(
            f"{folder / WEIGHTS} has sha256 {found}; expected {shortened(str(expected))} as {CONFIG} beside it says."
        )
    return config, found


def damaged(path: Path, error: SafetensorError) -> InputError:
    """What is said of a safetensors file that cannot be read."""
    return InputError(f"{path} cannot be read ({error}); expected a safetensors file.")


def config_from(kind: Callable[..., Config], values: Mapping[str, Any]) -> Config:
    """The dataclass `kind` made of `values`. Raises InputError for unknown keys and for missing ones.

    Lists become tuples, since JSON has no tuples and frozen configs hold no lists.
    """
    known = {field.name: field for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    name = getattr(kind, "__name__", str(kind))
    if unknown := sorted(set(values) - set(known)):
        raise InputError(f"{name} has no key {', '.join(unknown)}; expected only {', '.join(known)}.")
    required = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(required - set(values)):
        raise InputError(f"{name} lacks the key {', '.join(missing)}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
