"""Who may import whom, and what importing may do: nothing but define names."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

import vasa_core

ROOT = Path(__file__).resolve().parent.parent
BASE = {"errors", "options", "files", "rates", "types"}
MODEL_FILES = {"assets", "checkpoint", "cpu", "device", "onnx", "weights"}
PARTS = {"face", "audio", "motion", "preprocess", "io", "provenance"}
MAY_IMPORT = {
    "errors": set(),
    "options": {"errors"},
    "files": {"errors"},
    "rates": set(),
    "types": BASE,
    "assets": BASE,
    "checkpoint": BASE | {"assets", "weights"},
    "cpu": BASE,
    "device": BASE,
    "weights": BASE | {"assets"},
    "onnx": BASE,
    **dict.fromkeys(PARTS, BASE | MODEL_FILES),
    "pipeline": BASE | MODEL_FILES | PARTS,
    "data": BASE | MODEL_FILES | PARTS - {"provenance"},
    "training": BASE | MODEL_FILES | PARTS - {"provenance"} | {"data"},
    "evaluation": BASE | MODEL_FILES | PARTS | {"data", "pipeline"},
    "cli": BASE | MODEL_FILES | {"app", "data", "evaluation", "io", "pipeline", "provenance", "training"},
    "__main__": BASE | {"cli"},
    "app": BASE | MODEL_FILES | {"io", "pipeline", "preprocess"},
    "launcher": {"__main__"},
    "__init__": BASE | {"pipeline"},
}
SOURCES = [ROOT / "app.py", *sorted((ROOT / "vasa_core").rglob("*.py"))]

IMPORT_EVERYTHING = """
import importlib, json, os, pkgutil, random, sys
import numpy, torch, onnxruntime, scipy.optimize, safetensors.torch, numba, cv2
seen = []
def watch(event, arguments):
    if event == "socket.connect" or event == "subprocess.Popen":
        seen.append([event, str(arguments)])
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if "__pycache__" not in str(arguments[0]):
            seen.append([event, str(arguments[0])])
def state():
    cpu = torch.get_rng_state().numpy().tobytes(), torch.get_num_threads(), torch.is_grad_enabled()
    numbers = repr(random.getstate()), repr(numpy.random.get_state()), repr(cpu), str(torch.get_default_dtype())
    return {**os.environ, "random numbers and torch": repr(numbers)}
before = state()
sys.addaudithook(watch)
import vasa_core
names = [module.name for module in pkgutil.walk_packages(vasa_core.__path__, "vasa_core.")]
names = [name for name in names if not name.startswith("vasa_core.app.")]
for name in names:
    importlib.import_module(name)
heavy = [name for name in ("gradio", "spaces", "mediapipe", "transformers", "ai_edge_litert") if name in sys.modules]
changed = [name for name, value in state().items() if value != before.get(name)]
print(json.dumps({"names": names, "seen": seen, "heavy": heavy, "changed": changed}))
"""


def part_of(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("").parts
    return inside[1] if inside[0] == "vasa_core" else "launcher"


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == "vasa_core" else [module]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_part_imports_only_what_it_may(path: Path) -> None:
    part = part_of(path)
    used = {name.split(".")[1] for name in imported_modules(path) if name.startswith("vasa_core.")}
    assert used - {part} <= MAY_IMPORT[part]


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if part_of(path) != "app"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_library_knows_no_gradio(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported_modules(path)} & {"gradio", "spaces", "gradio_client"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert not text or ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert len(text.splitlines()) < 400


def test_importing_touches_nothing() -> None:
    found = json.loads(
        subprocess.run(
            [sys.executable, "-B", "-c", IMPORT_EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=True
        )
        .stdout.strip()
        .splitlines()[-1]
    )
    assert "vasa_core.__main__" in found["names"]
    assert len(found["names"]) > 30
    assert found["seen"] == []
    assert found["heavy"] == []
    assert set(found["changed"]) <= set(vasa_core.NO_TELEMETRY)


REPORTS = """
import os, sys, threading, time
from pathlib import Path
import vasa_core
from vasa_core.assets import CHECKPOINTS
from vasa_core.onnx import open_session
sockets, done = set(), threading.Event()
def watch():
    while not done.wait(0.002):
        for entry in Path("/proc/self/fd").iterdir():
            try:
                target = os.readlink(entry)
            except OSError:
                continue
            if target.startswith("socket:"):
                sockets.add(target)
watcher = threading.Thread(target=watch)
watcher.start()
open_session(next(CHECKPOINTS.rglob("*.onnx")))
vasa_core.load("cpu")
time.sleep(1)
done.set()
watcher.join()
print(sorted(sockets))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sockets are seen in Linux's /proc")
def test_loading_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """Neither a device id under the user's folders nor a socket, whatever the shell says about telemetry."""
    environment = {name: value for name, value in os.environ.items() if name not in vasa_core.NO_TELEMETRY}
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        environment[name] = str(tmp_path / name)
    command = [sys.executable, "-c", REPORTS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "matplotlib" not in path.parts]  # its fonts
    assert written == []


@pytest.mark.parametrize("module", ["gradio", "transformers"])
def test_what_the_app_brings_reports_nothing(module: str) -> None:
    script = f"import vasa_core, {module}, huggingface_hub.constants as hub; print(hub.HF_HUB_DISABLE_TELEMETRY)"
    if module == "gradio":
        script += "; import gradio.analytics as a; print(a.analytics_enabled())"
    environment = {name: value for name, value in os.environ.items() if name not in vasa_core.NO_TELEMETRY}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "True"
    assert "True" not in done.stdout.split()[1:]


def test_the_command_line_starts_light() -> None:
    script = "import sys, vasa_core.__main__; print([m for m in ('torch', 'numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


GENERATE_LIGHT = """
import contextlib, json, sys
from vasa_core.__main__ import main
with contextlib.suppress(SystemExit):
    main(["generate", *sys.argv[1:], "--size", "256"])
heavy = ("torch", "transformers", "scipy.signal", "scipy.io", "matplotlib", "sounddevice")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_generating_imports_none_of_the_heavy_packages(tmp_path: Path) -> None:
    """On a CPU whose painters are onnxruntime's; one with tiles of bfloat16 is held to less."""
    speech = tmp_path / "speech.wav"
    with wave.open(str(speech), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 8_000))
    files = [str(ROOT / "assets" / "portrait.jpg"), str(speech), str(tmp_path / "out.mp4")]
    command = [sys.executable, "-c", GENERATE_LIGHT, *files, "--device", "cpu"]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (tmp_path / "out.mp4").is_file(), done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
