"""Weights of other projects' networks, read from local files without running anything that is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vasa_core.errors import InputError, MissingModelError

_DAMAGED = (SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError)


@dataclass(frozen=True)
class Source:
    """Where a file comes from. name: as published. what: what it is. page: where to get it. inside: the entry of the
    file that holds the weights, if it holds more; prefix: of every weight's name, dropped where it is there."""

    name: str
    what: str
    page: str
    inside: str | None = None
    prefix: str = "module."


def existing(path: Path, source: Source) -> Path:
    """The path. Raises MissingModelError if there is no such file."""
    if not path.is_file():
        raise MissingModelError(f"{path} ({source.what}) is missing: get {source.name} from {source.page}")
    return path


def load_weights(network: nn.Module, path: Path, source: Source) -> None:
    """Fill a network from a state dict in a safetensors file or a PyTorch file of bare tensors.

    Raises MissingModelError if the file is absent; InputError, naming the first weight that is missing, surplus or of
    another shape, if it holds another network, or if it is no such file.
    """
    state = _read(existing(path, source), source)
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state:
            if name.endswith("num_batches_tracked"):  # a counter that only training uses
                continue
            raise InputError(f"{path} has no weight {name!r}; expected the weights of {source.name}.")
        if state[name].shape != tensor.shape:
            found, wanted = tuple(state[name].shape), tuple(tensor.shape)
            raise InputError(f"{path}: {name} has shape {found}; expected {wanted}, as in {source.name}.")
    if surplus := [name for name in state if name not in own]:
        raise InputError(f"{path} has a weight {surplus[0]!r}; expected only those of {source.name}.")
    network.load_state_dict(state, strict=False)


def _read(path: Path, source: Source) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise InputError(f"{path} cannot be read as bare tensors; expected the weights of {source.name}.") from error
    if source.inside is not None and isinstance(content, dict) and source.inside in content:
        content = content[source.inside]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        entry = f"{source.inside!r} with tensors" if source.inside else "nothing but tensors"
        raise InputError(f"{path} is no state dict; expected {entry}, as in {source.name}.")
    if not all(isinstance(name, str) for name in content):
        raise InputError(f"{path} has weights without names; expected the weights of {source.name}.")
    if content and all(name.startswith(source.prefix) for name in content):
        content = {name.removeprefix(source.prefix): tensor for name, tensor in content.items()}
    return content
