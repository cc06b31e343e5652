"""No input, however broken, does anything but give a result or be refused with a sentence (see `attack`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ATTACK = Path(__file__).with_name("attack.py")


def attacked(first: int, count: int, folder: Path) -> None:
    command = [sys.executable, str(ATTACK), str(first), str(count), str(folder)]
    found_here = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | found_here)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == count, f"it ended with {done.returncode} after {outcomes[-1:]}: {done.stderr[-2000:]}"
    assert [found for found in outcomes if found["outcome"] == "failed"] == []
    kinds = Counter(found["outcome"] for found in outcomes)
    assert kinds["refused"] > count / 4
    assert kinds["result"] > count / 50


def test_two_hundred_hostile_inputs(tmp_path: Path) -> None:
    attacked(0, 200, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 2200, 500))
def test_two_thousand_more(tmp_path: Path, first: int) -> None:
    attacked(first, 500, tmp_path)
