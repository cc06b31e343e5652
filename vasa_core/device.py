"""Which device networks run on; torch is imported only where there may be a GPU."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vasa_core.errors import InputError, shown

_NVIDIA = ("libcuda.so.1", "nvcuda.dll")  # the driver's library
_AMD = Path("/dev/kfd")  # its driver
_CPU_ONLY = "+cpu"  # in the version of a torch that knows no GPU


def usable_device(name: str) -> str:
    """The device of that name; "auto": a GPU when there is one. Raises InputError for one that torch cannot use."""
    if not isinstance(name, str):
        raise InputError(f"device is {shown(name)}; expected its name.")
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device is {shown(name)}; expected auto, cpu or a GPU that torch can use.") from error
    return name


def may_have_gpu() -> bool:
    """Whether torch is worth asking for a GPU: it is imported already, or knows GPUs and there is a driver of one."""
    if "torch" in sys.modules:
        return True
    with suppress(PackageNotFoundError):
        if version("torch").endswith(_CPU_ONLY):
            return False
    return _AMD.exists() or any(_loads(library) for library in _NVIDIA)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
