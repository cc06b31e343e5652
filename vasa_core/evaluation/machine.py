"""What figures of speed were measured on."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from vasa_core.cpu import instruction_set

_SHOWN = ("avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd")


def described_cpu() -> dict[str, object]:
    """cpu: its name. instruction_sets: those that matter here and the CPU has. instructions: see `vasa_core.cpu`."""
    listed = Path("/proc/cpuinfo")
    text = listed.read_text() if listed.is_file() else ""
    name = re.search(r"^model name\s*: (.+)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*: (.+)$", text, re.M)
    had = set(flags[1].split()) if flags else set[str]()
    return {
        "cpu": name[1] if name else platform.processor() or platform.machine(),
        "instruction_sets": [flag for flag in _SHOWN if flag in had],
        "instructions": instruction_set(),
    }
