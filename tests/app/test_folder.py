"""Visitors' files go with the process that served them, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from vasa_core.app.folder import visitors_folder
from vasa_core.assets import ASSETS, CHECKOUT

HOLDS = """
import sys, time
from pathlib import Path
from vasa_core.app.folder import visitors_folder
with visitors_folder(Path(sys.argv[1])) as folder:
    (folder / "voice.wav").write_bytes(b"voice")
    print(folder, flush=True)
    time.sleep(60)
"""
START_S = 180  # to load all models on a busy machine


def test_a_folder_goes_with_its_process_and_what_a_killed_one_left_with_the_next(tmp_path: Path) -> None:
    def holder() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], cwd=CHECKOUT, stdout=-1, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (alive, kept), (killed, left) = holder(), holder()
    try:
        killed.kill()
        killed.wait()
        assert (left / "voice.wav").is_file()
        with visitors_folder(tmp_path) as own:
            (own / "face.jpg").write_bytes(b"face")
            assert set(tmp_path.iterdir()) == {own, kept}
            assert (kept / "voice.wav").is_file()
        assert set(tmp_path.iterdir()) == {kept}
    finally:
        alive.kill()
        alive.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_served_app_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                httpx.get(address)
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        speech = {"files": ("speech.wav", (ASSETS / "speech.wav").read_bytes())}
        (path,) = httpx.post(f"{address}/gradio_api/upload", files=speech).json()
        assert Path(path).is_relative_to(tmp_path)
        assert Path(path).is_file()
        process.send_signal(number)
        assert process.wait(START_S) == 128 + number
        assert not list(tmp_path.glob("vasa_app_*"))
    finally:
        process.kill()
        process.wait()
