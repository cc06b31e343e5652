"""The number format follows from the CPU's instruction sets alone."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from vasa_core.cpu import PRECISIONS, cpu_precision, instruction_set

CPUINFO = Path("/proc/cpuinfo")
on_a_linux_pc = pytest.mark.skipif(
    not CPUINFO.is_file() or platform.machine() != "x86_64", reason="reads Linux's list of a PC's CPU"
)


@on_a_linux_pc
def test_the_best_instruction_set_is_the_one_that_linux_lists() -> None:
    listed = CPUINFO.read_text().split()
    expected = "other" if "avx512bw" not in listed else "amx" if "amx_tile" in listed else "avx512"
    assert instruction_set() == expected


@on_a_linux_pc
def test_torch_held_to_avx2_counts_as_no_more() -> None:
    script = "from vasa_core.cpu import instruction_set; print(instruction_set())"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "other"


def test_bfloat16_is_for_cpus_that_multiply_tiles_of_it() -> None:
    assert {name for name in PRECISIONS if cpu_precision(name) == "bfloat16"} == {"amx"}
    assert cpu_precision() == PRECISIONS[instruction_set()]
