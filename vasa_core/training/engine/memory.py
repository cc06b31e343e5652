"""Whether a training fits into memory, told before its first step and not by the end of the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vasa_core.errors import InputError

# Measured on the motion model of size paper in bfloat16 on a CPU: what a backward pass holds besides, of what was saved
# for it, and what libraries keep for themselves.
_BACKWARD = 0.3
_LIBRARIES = 256 * 2**20


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of one process. weights: parameters, buffers and averaged weights, which are there before the first step.
    moments: gradients and the optimiser's moments. saved: what autograd keeps of a micro-batch."""

    weights: int
    moments: int
    saved: int

    @property
    def total(self) -> int:
        """With what a backward pass and libraries take besides."""
        return self.weights + self.moments + round((1 + _BACKWARD) * self.saved) + _LIBRARIES


def memory_needed(
    modules: Sequence[nn.Module], forward: Callable[[int], object], batch: int, averaged: bool = True
) -> MemoryNeed:
    """What training these modules with AdamW needs.

    forward: one training forward of so many examples, to the losses; what it returns holds the graph. It is called with
    one and with two, since some of what is kept (weights cast to bfloat16, say) is not per example. batch: examples of
    a micro-batch of one process. averaged: an average of the parameters is kept.
    """
    parameters = [parameter for module in modules for parameter in module.parameters()]
    buffers = [buffer for module in modules for buffer in module.buffers()]
    trained = _bytes(parameter for parameter in parameters if parameter.requires_grad)
    own = {tensor.untyped_storage().data_ptr() for tensor in (*parameters, *buffers)}
    one, two = (_saved(lambda count=count: forward(count), own) for count in (1, 2))
    weights = _bytes(parameters) * (2 if averaged else 1) + _bytes(buffers)
    return MemoryNeed(weights, 3 * trained, one + (batch - 1) * (two - one))


def available_memory(device: torch.device) -> int:
    """Bytes that the process can still have on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    import psutil

    return psutil.virtual_memory().available


def check_memory(need: MemoryNeed, device: torch.device, batch: int) -> None:
    """Raise InputError, naming what is needed and what there is, if a training with its weights in place cannot fit.

    batch: examples of a micro-batch of one process.
    """
    there = available_memory(device) + need.weights
    if need.total > there:
        raise InputError(
            f"Training with {batch} examples at once needs {gigabytes(need.total)} of memory, {gigabytes(need.saved)} "
            f"of it for the examples, and {gigabytes(there)} are free on {device}; expected a smaller --batch, or a "
            "larger --accumulate to take it in smaller parts."
        )


def gigabytes(count: int) -> str:
    """A number of bytes to read."""
    return f"{count / 2**30:.2f} GiB"


def _saved(forward: Callable[[], object], own: set[int]) -> int:
    """Bytes of the distinct storages that autograd keeps, without those at the addresses `own`."""
    kept: dict[int, torch.UntypedStorage] = {}  # holding a storage keeps its address from being used again

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        graph = forward()
    del graph
    return sum(storage.nbytes() for storage in kept.values())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
