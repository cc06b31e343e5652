"""Checkpoints: a folder of model.safetensors and config.json, written atomically and read strictly.

Weights are stored in half precision and loaded in single precision; config.json holds the architecture and the
sha256 of the weights beside it, so that a mismatched pair is an error and never a silently wrong model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from vasa_core.assets import file_sha256
from vasa_core.files import whole_file
from vasa_core.weights import CONFIG, HASH, WEIGHTS, checked_config, damaged

_MODE = 0o644  # the format's writer makes files that only their owner can read


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds: the config (without the hash) and the tensors, floats in float32."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]


def save_checkpoint(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], half: bool = True) -> None:
    """Write a checkpoint folder; an old one there stays whole until the new files are complete.

    half: store floating-point tensors as float16. Raises ValueError if a value does not fit in float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = {name: _half(name, value) if half else value for name, value in tensors.items()}
    with whole_file(folder / CONFIG) as about, whole_file(folder / WEIGHTS) as weights:
        save_file({name: value.detach().cpu().contiguous() for name, value in stored.items()}, weights)
        weights.chmod(_MODE)
        about.write_text(json.dumps({**config, HASH: file_sha256(weights)}, indent=2) + "\n")


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder. Raises InputError if a file is missing, damaged or not the config's partner."""
    config, _ = checked_config(folder)
    tensors, _ = load_tensors(folder / WEIGHTS)
    return Checkpoint(config, {name: v.float() if v.is_floating_point() else v for name, v in tensors.items()})


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write one safetensors file as it is (no change of precision), whole or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        # Tensors that share memory are refused by the format: clones are independent.
        save_file({n: v.detach().cpu().clone().contiguous() for n, v in tensors.items()}, part, dict(metadata or {}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of one safetensors file. Raises InputError if the file is damaged."""
    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, dict(stream.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise damaged(path, error) from error


def optimizer_tensors(part: str, optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's moments as tensors named "part.parameter.moment", for `save_tensors`."""
    return {
        f"{part}.{index}.{name}": torch.as_tensor(value)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimizer(part: str, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer the moments that `optimizer_tensors` named; its rates stay its own."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.split(".", 1)[0] == part:
            _, index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _half(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    stored = value.to(torch.float16)
    if not torch.isfinite(stored).all():
        raise ValueError(f"{name} reaches {value.abs().max().item():g}; expected at most 65504, to fit in float16")
    return stored
