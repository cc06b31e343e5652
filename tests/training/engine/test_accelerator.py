"""Half precision only where the machine computes in it: elsewhere it is emulated, and training all but stands still."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from vasa_core.training.engine.accelerator import accelerator_of, computes_in_bf16

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.is_file() or platform.machine() != "x86_64", reason="reads Linux's list of a PC's CPU")
def test_a_cpu_without_avx512_trains_in_full_precision() -> None:
    wide = "avx512bw" in CPUINFO.read_text().split()
    assert computes_in_bf16("cpu") == wide
    assert computes_in_bf16("cuda")


@pytest.mark.parametrize("bf16", [False, True])
def test_autocast_is_as_asked_where_the_machine_can(bf16: bool) -> None:
    accelerator = accelerator_of(bf16)
    with accelerator.autocast():
        product = torch.ones(2, 2, device=accelerator.device) @ torch.ones(2, 2, device=accelerator.device)
    assert product.dtype == (torch.bfloat16 if bf16 and computes_in_bf16(accelerator.device.type) else torch.float32)
