"""How networks run on this machine's CPU: number format and threads. Nothing here needs torch to be imported.

The format follows from the instruction sets and never from timing, so that a seed gives one video.
"""

from __future__ import annotations

import os
import sys

from llvmlite import binding

# Measured on one Xeon held to each by ONEDNN_MAX_CPU_ISA: processor time of a frame of the bundled volume networks, ms
# in float32 and in bfloat16: amx 49, 38; avx512 48, 65 (52, 78 without its bfloat16 instructions); other 57, 161.
PRECISIONS = {"amx": "bfloat16", "avx512": "float32", "other": "float32"}

_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "fma")  # what torch asks for
_HELD = "ATEN_CPU_CAPABILITY"  # of torch: "avx2" or "default" hold it to less than the CPU has


def instruction_set() -> str:
    """The best of PRECISIONS that the CPU has and torch may use: ATEN_CPU_CAPABILITY=avx2 holds it to "other"."""
    has = binding.get_host_cpu_features()
    if os.environ.get(_HELD) in ("avx2", "default") or not all(has.get(name) for name in _AVX512):
        return "other"
    return "amx" if has.get("amx-tile") else "avx512"


def cpu_precision(instructions: str | None = None) -> str:
    """The faster of "float32" and "bfloat16" with these instructions, one of PRECISIONS; None: with this CPU's."""
    return PRECISIONS[instructions or instruction_set()]


def share_cores(device: str) -> None:
    """Leave the cores of a CPU to frames, which are drawn side by side: torch takes one thread in each operation.

    Where torch is not imported yet, the environment tells it.
    """
    if device != "cpu":
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
