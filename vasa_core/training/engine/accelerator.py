"""What every training begins with: the machine's GPUs or its CPU, in one process or many, and the precision."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from vasa_core.cpu import instruction_set
from vasa_core.errors import MissingModelError

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(hours=12)  # of the processes that wait while the main one computes features of the clips


def computes_in_bf16(device: str) -> bool:
    """Whether a device, "cpu" or "cuda", computes in bfloat16 itself.

    A CPU without AVX-512 emulates bfloat16: matrix products then take about 50 times as long as in float32.
    """
    return device != "cpu" or instruction_set() != "other"


def accelerator_of(bf16: bool) -> Accelerator:
    """The machine's GPUs, or its CPU; processes as their launcher (torchrun, accelerate launch) says.

    bf16: bfloat16 where autocast allows it, if the machine computes in it. Raises MissingModelError where the package
    accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from accelerate.utils import InitProcessGroupKwargs
    except ImportError as error:
        raise MissingModelError(
            "accelerate is not installed; `pip install -r requirements-train.txt` gets what trainings need."
        ) from error
    # The state is global, and refuses a second training of another precision.
    AcceleratorState._reset_state()  # pyright: ignore[reportPrivateUsage]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Accelerator(
        mixed_precision="bf16" if bf16 and computes_in_bf16(device) else "no",
        cpu=device == "cpu",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
