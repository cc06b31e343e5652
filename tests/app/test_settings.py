"""What whoever runs the app may set: refused values, the command line, and what the app does with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from vasa_core.app.settings import Settings
from vasa_core.assets import CHECKOUT
from vasa_core.errors import InputError


def test_values_that_cannot_be_are_refused_by_name() -> None:
    refused: dict[str, Any] = {
        "port": 0,
        "max_seconds": 0.0,
        "queue": -1,
        "auth": "me",
        "live": -1,
        "live_seconds": 0.0,
    }
    for name, value in refused.items():
        with pytest.raises(InputError, match=f"{name} is .*; expected"):
            Settings(**{name: value})
    with pytest.raises(InputError) as caught:
        Settings(auth=":secret")
    assert "secret" not in str(caught.value)


def test_the_login_is_split_at_the_first_colon() -> None:
    assert Settings().login is None
    assert Settings(auth="me:se:cret").login == ("me", "se:cret")


@pytest.mark.parametrize("command", [["app.py"], ["-m", "vasa_core", "app"]])
def test_the_options_are_told_at_once(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command, "--help"], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0
    for option in ("--host", "--port", "--auth", "--max-seconds", "--queue", "--live", "--live-seconds"):
        assert option in done.stdout


def test_a_bad_option_is_one_sentence() -> None:
    command = [sys.executable, "app.py", "--max-seconds", "99999"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "max_seconds is 99999; expected a number from 0.1 to 86400.\n")
