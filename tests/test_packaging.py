"""What is said twice is the same: README, requirements, Dockerfile, Makefile, pyproject."""

from __future__ import annotations

import contextlib
import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vasa_core
from vasa_core.app.page import LAUNCH
from vasa_core.app.settings import Settings
from vasa_core.app.tabs.speak import TAKES
from vasa_core.assets import ASSETS
from vasa_core.files import LONGEST_NAME
from vasa_core.io.video import MAX_SIDE
from vasa_core.options import (
    CONTROLS,
    MAX_AUDIO_SECONDS,
    MAX_IMAGE_PIXELS,
    MAX_UPLOAD_MB,
    MIN_AUDIO_SECONDS,
    MIN_FACE_PX,
    PICTURES,
    GenerationOptions,
)
from vasa_core.preprocess.portrait import MAX_YAW

ROOT = ASSETS.parent


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = (re.match(r"([a-z0-9-]+)(.*)", line) for line in lines if line and not line.startswith("#"))
    return {match[1]: match[2] for match in found if match}


def test_the_readme_s_table_is_the_table_of_controls() -> None:
    rows = re.findall(r"^\| `--([a-z-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", (ROOT / "README.md").read_text(), re.M)
    expected = []
    for name, control in CONTROLS.items():
        default = getattr(GenerationOptions(), name)
        shown = "" if default is None else default if isinstance(default, str) else f"{default:g}"
        reach = "on or off" if isinstance(default, bool) else control.meaning or "a video"
        expected.append((name.replace("_", "-"), reach, shown, control.help))
    assert [(a, b, c.strip(), d) for a, b, c, d in rows] == expected


def test_readme_docs_and_app_name_the_same_files_and_limits() -> None:
    limit = f"at most {MAX_IMAGE_PIXELS // 1_000_000} megapixels"
    for name in ("README.md", "docs/usage.md"):
        text = " ".join((ROOT / name).read_text().split())
        assert f"Portraits: {PICTURES} of {limit}" in text
        assert f"at least {MIN_FACE_PX} px, turned no more than {MAX_YAW:.0f} degrees" in text
        assert f"{MIN_AUDIO_SECONDS} s to {MAX_AUDIO_SECONDS // 3600} hours" in text
    assert f"files of at most {MAX_UPLOAD_MB} MB" in " ".join((ROOT / "README.md").read_text().split())
    security = " ".join((ROOT / "SECURITY.md").read_text().split())
    for said in (
        f"{MAX_IMAGE_PIXELS // 1_000_000} megapixels",
        f"{MIN_AUDIO_SECONDS} s to {MAX_AUDIO_SECONDS // 3600} hours",
        f"{MAX_UPLOAD_MB} MB a file",
        f"{MAX_SIDE} px a side",
        f"{LONGEST_NAME} bytes",
    ):
        assert said in security
    assert f"{Settings().queue} requests wait" in security
    assert PICTURES in TAKES
    assert LAUNCH["max_file_size"] == f"{MAX_UPLOAD_MB}mb"


def test_the_readme_s_python_runs_as_it_stands_in_the_package() -> None:
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(import vasa_core\n.*?)```", readme, re.S)
    calls = set(re.findall(r"(?:vasa_core|pipeline|video)\.([a-z_]+)", example))
    assert calls <= {"load", "animate", "save"}
    assert all(hasattr(vasa_core.Pipeline, name) or name in ("load", "save") for name in calls)


def test_pinned_requirements_are_in_the_package_s_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.match(r"[a-z0-9-]+", line)[0] for line in project["dependencies"]}  # pyright: ignore
    extras = {"opencv-contrib-python", "gradio", "websockets", "transformers", "hibari-tts"}
    assert asked == set(pins("requirements.txt")) - extras
    trained = {re.match(r"[a-z0-9-]+", line)[0] for line in project["optional-dependencies"]["train"]}  # pyright: ignore
    assert set(pins("requirements-train.txt")) <= trained


def test_a_gpu_machine_gets_the_same_with_one_onnxruntime() -> None:
    cpu, gpu = pins("requirements.txt"), pins("requirements-gpu.txt")
    assert "onnxruntime" not in gpu
    assert gpu.pop("onnxruntime-gpu") == cpu.pop("onnxruntime")
    assert gpu == cpu


def test_the_docker_file_takes_the_makefile_s_steps() -> None:
    recipe, makefile = (ROOT / "Dockerfile").read_text(), (ROOT / "Makefile").read_text()
    for step in ("-m pip install", "-m vasa_core fetch-models", "$(cat packages.txt)", "app.py"):
        assert step in recipe
        assert step.replace("$(", "$$(") in makefile or step in makefile
    for copied in ("packages.txt", "requirements.lock"):
        assert f"COPY {copied} " in recipe
        assert Path(ROOT / copied).is_file()


def test_the_lock_holds_what_is_pinned_and_all_that_it_needs_by_hash() -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text().partition("\n#")[2].partition("\n")[2])
    assert all(block.count("--hash=sha256:") > 0 for block in blocks)
    found = [re.match(r"([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\", block) for block in blocks]
    locked = {match[1]: match[2] for match in found if match and (not match[3] or Marker(match[3]).evaluate())}
    assert all(found)
    for name, versions in pins("requirements.txt").items():
        assert locked[name] in SpecifierSet(versions), name
    for name, version in locked.items():
        with contextlib.suppress(metadata.PackageNotFoundError):  # another build of torch needs other packages
            installed = metadata.distribution(name)
            needed = [Requirement(line) for line in installed.requires or []] if installed.version == version else []
            names = [canonicalize_name(r.name) for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
            assert set(names) <= set(locked), name


def test_versions_agree() -> None:
    assert f"version: {vasa_core.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {vasa_core.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    space = re.search(r"^sdk_version: (.*)$", (ROOT / "README.md").read_text(), re.M)
    assert space
    assert pins("requirements.txt")["gradio"] == f"=={space[1]}"
