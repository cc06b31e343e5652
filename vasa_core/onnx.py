"""How onnxruntime runs a network here: on the GPU where there is one for it, else on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors  # pyright: ignore[reportAttributeAccessIssue]

from vasa_core.errors import InputError, MissingModelError

_DAMAGED = (errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument, errors.NoSuchFile, errors.Fail)
WEIGHTS_KEY = "weights_sha256"  # of a file's metadata: which weights it was exported from
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def open_session(model: Path | bytes, device: str = "cpu", threads: int = 1) -> onnxruntime.InferenceSession:
    """A session of an ONNX file, or of its bytes. device: "cpu", "cuda" or "cuda:N". threads: on the CPU.

    Raises InputError for a file that is damaged or absent, MissingModelError where two onnxruntime packages are
    installed over one another and a GPU is asked for.
    """
    if device != "cpu":
        _check_one_package()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    chosen = providers(device, onnxruntime.get_available_providers())
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=chosen)
    except _DAMAGED as error:
        name = f"a network of {len(model)} bytes" if isinstance(model, bytes) else str(model)
        raise InputError(f"{name} is damaged or no ONNX network; expected a whole one.") from error


def open_exported(exported: Path, weights_sha256: str, command: str) -> onnxruntime.InferenceSession:
    """A CPU session of a file that a `vasa_core` command exported from the weights beside it.

    Raises InputError as `open_session` does, and for an export of other weights, naming the command.
    """
    session = open_session(exported)
    if session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY) != weights_sha256:
        raise InputError(
            f"{exported} is of other weights than the checkpoint beside it; "
            f"`python -m vasa_core {command}` writes it anew."
        )
    return session


def providers(device: str, available: Sequence[str]) -> list[str | tuple[str, dict[str, int]]]:
    """Execution providers for a device, best first: CUDA's for a GPU where this onnxruntime has it, then the CPU's."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or CUDA not in available:
        return [CPU]
    return [(CUDA, {"device_id": int(number or 0)}), CPU]


def _check_one_package() -> None:
    found = []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if len(found) > 1:
        raise MissingModelError(
            f"{' and '.join(found)} are installed over one another; expected one: "
            "`pip uninstall onnxruntime onnxruntime-gpu`, then `pip install onnxruntime-gpu`."
        )
