"""Signed manifests (C2PA): what a file says of how it was made, which a change of the file makes invalid."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import vasa_core
from vasa_core.errors import InputError, MissingModelError
from vasa_core.files import whole_file
from vasa_core.options import SPIN, GenerationOptions
from vasa_core.provenance.credentials import OWN_NAME, Credentials

AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FORMATS = {".mp4": "video/mp4", ".mov": "video/quicktime"}  # of the files that are signed
SETTINGS = "org.vasa-core.generation"  # label of the assertion with model and settings
_UNTRUSTED = "signingCredential.untrusted"
_CONTEXT = {  # a file must not make us ask anybody, nor carry pictures of another
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
NONE, VALID, TRUSTED, INVALID, UNREADABLE = "none", "valid", "trusted", "invalid", "unreadable"


@dataclass(frozen=True)
class Origin:
    """How a file was made, and who signs that. settings: of the generation. credentials: None are this machine's.

    inputs: files that it was made of; their manifests go along.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    credentials: Credentials | None = None
    inputs: tuple[Path, ...] = ()

    @classmethod
    def of(cls, face_model: str, options: GenerationOptions, credentials: Credentials | None, **more: Any) -> Origin:
        """What there is to say of a generation; names of files are the user's own affair."""
        settings = {name: value for name, value in vars(options).items() if value is not None}
        for name in ("style", "head_pose"):
            if settings.get(name, SPIN) != SPIN:
                settings[name] = "a video"
        return cls({"face_model": face_model, **settings, **more}, credentials)

    def signing(self, suffix: str) -> Callable[[Path], None] | None:
        """What signs a file of that kind in place, all that it needs at hand; None for a kind that is not signed.

        Raises MissingModelError if c2pa-python is not installed, InputError if the own key cannot be kept.
        """
        if suffix.lower() not in FORMATS:
            return None
        _library()
        ready = replace(self, credentials=self.credentials or Credentials.own())
        return partial(ready.sign, suffix=suffix.lower())

    def sign(self, path: Path, suffix: str) -> None:
        """Sign a file in place; nothing may be written to it after that. suffix: one of FORMATS.

        Raises MissingModelError if c2pa-python is not installed, OSError if the file cannot be signed.
        """
        c2pa = _library()
        signer = _signer(self.credentials or Credentials.own())
        with whole_file(path) as part, path.open("rb") as source, part.open("w+b") as target:
            try:
                builder = _builder(self.settings)
                for file in dict.fromkeys(self.inputs):
                    _carry(builder, file)
                builder.sign(signer, FORMATS[suffix], source, target)
            except c2pa.C2paError as error:
                raise OSError(f"the manifest of {path.name} could not be signed: {error}") from error


@dataclass(frozen=True)
class ManifestState:
    """What a file's manifest is worth. state: NONE, VALID, TRUSTED, INVALID or UNREADABLE. says: that in a sentence.

    signer, generator: names that the manifest gives. ai_made: whether it says so. settings: of a generation. inputs:
    how many files with manifests of their own went into it.
    """

    state: str
    says: str
    signer: str = ""
    generator: str = ""
    ai_made: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: int = 0


def check_credentials(credentials: Credentials, name: str) -> None:
    """Sign a small picture. Raises InputError, which names the certificate, if that does not give a valid manifest."""
    import cv2
    import numpy as np

    c2pa = _library()
    picture, signed = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes(), io.BytesIO()
    try:
        _builder({}).sign(_signer(credentials), "image/png", io.BytesIO(picture), signed)
        found = json.loads(c2pa.Reader("image/png", signed).json())
        reasons = _reasons(found) if found.get("validation_state") == "Invalid" else []
    except c2pa.C2paError as error:
        reasons = [str(error)]
    if reasons:
        raise InputError(f"{name} cannot sign ({', '.join(reasons)}); expected one as C2PA's profile has it.")


def read_manifest(path: Path) -> ManifestState:
    """What the manifest of a file says and is worth. Raises MissingModelError if c2pa-python is not installed."""
    c2pa = _library()
    try:
        reader = c2pa.Reader.try_create(path, context=c2pa.Context.from_dict(_CONTEXT))
        if reader is None:
            return ManifestState(NONE, "no manifest: nothing signed says how the file was made")
        with reader:
            found = json.loads(reader.json())
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):
            return ManifestState(NONE, "no manifest in the file: it names an address of one, which is not asked for")
        if str(error).startswith("NotSupported"):
            return ManifestState(NONE, "no manifest: this kind of file holds none")
        return ManifestState(UNREADABLE, f"a manifest that cannot be read ({error})")
    return _state(found)


def _state(found: dict[str, Any]) -> ManifestState:
    active = found.get("manifests", {}).get(found.get("active_manifest"), {})
    signature = active.get("signature_info", {})
    signer = signature.get("common_name") or signature.get("issuer") or "an unnamed signer"
    generator = " ".join(
        str(active.get("claim_generator_info", [{}])[0].get(key, "")) for key in ("name", "version")
    ).strip()
    said = {each["label"]: each.get("data", {}) for each in active.get("assertions", []) if "label" in each}
    actions = [action for label, data in said.items() if "actions" in label for action in data.get("actions", [])]
    ai_made = any(action.get("digitalSourceType") == AI_MADE for action in actions)
    state = {"Valid": VALID, "Trusted": TRUSTED}.get(found.get("validation_state", ""), INVALID)
    own = signer == OWN_NAME
    sentence = {
        VALID: f"a valid manifest: the file is as {'an installation of vasa-core' if own else signer} signed it; "
        f"the signer is not in a trust list, so who that is rests on the name alone",
        TRUSTED: f"a valid manifest: the file is as {signer} signed it, who is in the trust list",
        INVALID: f"an invalid manifest ({', '.join(_reasons(found))}): the file is not as it was signed",
    }[state]
    inputs = len(active.get("ingredients", []))
    return ManifestState(state, sentence, signer, generator, ai_made, said.get(SETTINGS, {}), inputs)


def _reasons(found: dict[str, Any]) -> list[str]:
    """Codes of what is wrong, beside a signer whom nobody knows."""
    failures = found.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    return [each["code"] for each in failures if each["code"] != _UNTRUSTED] or ["no reason given"]


def _manifest(settings: Mapping[str, Any]) -> dict[str, Any]:
    program = {"name": "vasa-core", "version": vasa_core.__version__}
    created = {"action": "c2pa.created", "digitalSourceType": AI_MADE, "softwareAgent": program}
    return {
        "claim_generator_info": [program],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": SETTINGS, "data": dict(settings)},
        ],
    }


def _builder(settings: Mapping[str, Any]) -> Any:
    c2pa = _library()
    return c2pa.Builder(_manifest(settings), c2pa.Context.from_dict(_CONTEXT))


def _carry(builder: Any, path: Path) -> None:
    """Let an input's manifest, if it has one that can be read, go along as an ingredient."""
    if path.is_file() and read_manifest(path).state not in (NONE, UNREADABLE):
        with path.open("rb") as stream:
            builder.add_ingredient({"title": "input", "relationship": "inputTo"}, path.suffix[1:].lower(), stream)


def _signer(credentials: Credentials) -> Any:
    c2pa = _library()
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(credentials.algorithm, credentials.chain, credentials.key, None))


def _library() -> Any:
    try:
        import c2pa
    except ModuleNotFoundError as error:
        raise MissingModelError("signed manifests need c2pa-python; `pip install c2pa-python` gets it.") from error
    return c2pa
