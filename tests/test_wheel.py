"""The wheel alone, outside any checkout: the command line, the Python API, and what it brings along."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from vasa_core.assets import ASSETS, model_folder
from vasa_core.io.audio import AudioFile
from vasa_core.io.video import read_frames

API = """
import sys
import vasa_core

portrait, speech, out = sys.argv[1:]
pipeline = vasa_core.load("cpu")
person = pipeline.prepare(portrait)
motion = pipeline.motion(person, speech, seed=7, steps=2)
assert motion.pose.shape == (15, 6) and len(motion.dynamics) == 15
pipeline.render(person, motion, size=256).save(out)
assert "site-packages" in vasa_core.__file__, vasa_core.__file__
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel; what the wheel needs comes from the tests' own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ASSETS.parent)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    programs = folder / "env" / "bin"
    subprocess.run([*pip, "--python", str(programs / "python"), "install", "--no-deps", str(wheel)], check=True)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "of_the_tests.pth").write_text("\n".join(site.getsitepackages()))
    return programs


def run(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VASA_MODELS": str(model_folder())}
    return subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_makes_a_video(installed: Path, tmp_path: Path, portrait: Path, brief_speech: Path) -> None:
    assert run(installed, tmp_path, "vasa", "--version").stdout.startswith("vasa ")
    options = ("--size", "256", "--steps", "2", "--gaze-yaw", "15")
    done = run(installed, tmp_path, "vasa", "generate", str(portrait), str(brief_speech), "out.mp4", *options)
    assert done.returncode == 0, done.stderr
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 15
    assert AudioFile.open(tmp_path / "out.mp4").seconds == pytest.approx(0.6, abs=0.03)


def test_the_python_api_works(installed: Path, tmp_path: Path, portrait: Path, brief_speech: Path) -> None:
    done = run(installed, tmp_path, "python", "-c", API, str(portrait), str(brief_speech), "out.mp4")
    assert done.returncode == 0, done.stderr
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 15


def test_bundled_and_other_files_are_found_where_users_have_them(installed: Path, tmp_path: Path) -> None:
    script = "from vasa_core.assets import *; print(CHECKPOINTS, ASSETS, model_folder(), sep='\\n')"
    environment = {name: value for name, value in os.environ.items() if name != "VASA_MODELS"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path)}
    command = [str(installed / "python"), "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    checkpoints, assets, models = map(Path, done.stdout.split())
    assert (checkpoints / "motion" / "config.json").is_file()
    assert (assets / "portrait.jpg").is_file()
    assert "site-packages" in str(checkpoints)
    assert models == tmp_path / "vasa-core" / "models"
