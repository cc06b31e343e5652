"""How networks run on this machine's CPU: number format and threads.

The format follows from the instruction sets and never from timing, so that a seed gives one video.
"""

from __future__ import annotations

import torch

# Measured on one Xeon held to each by ONEDNN_MAX_CPU_ISA: processor time of a frame of the bundled volume networks, ms
# in float32 and in bfloat16: amx 49, 38; avx512 48, 65 (52, 78 without its bfloat16 instructions); other 57, 161.
PRECISIONS = {"amx": torch.bfloat16, "avx512": torch.float32, "other": torch.float32}


def instruction_set() -> str:
    """The best of PRECISIONS that the CPU has and torch may use: ATEN_CPU_CAPABILITY=avx2 holds it to "other"."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return "other"
    has_tiles = torch.cpu._is_amx_tile_supported()  # pyright: ignore[reportPrivateUsage] - torch 2.8 has no other way
    return "amx" if has_tiles else "avx512"


def cpu_precision(instructions: str | None = None) -> torch.dtype:
    """The faster of float32 and bfloat16 with these instructions, one of PRECISIONS; None: with this CPU's."""
    return PRECISIONS[instructions or instruction_set()]


def share_cores(device: str) -> None:
    """Leave the cores of a CPU to frames, which are drawn side by side: torch takes one thread in each operation."""
    if device == "cpu":
        torch.set_num_threads(1)
