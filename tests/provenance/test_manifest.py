"""Signed manifests: keys that stay the user's, files that say how they were made, and changes that are found."""

from __future__ import annotations

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vasa_core.errors import InputError
from vasa_core.io.ffmpeg import executable
from vasa_core.io.video import VideoWriter, read_frames
from vasa_core.options import GenerationOptions
from vasa_core.provenance.credentials import OWN_FILE, OWN_NAME, Credentials
from vasa_core.provenance.manifest import INVALID, NONE, UNREADABLE, VALID, Origin, check_credentials, read_manifest

PEM = serialization.Encoding.PEM


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VASA_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def write_video(target: Path, origin: Origin | None) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), np.uint8)
    seal = None if origin is None else origin.signing(".mp4")
    with VideoWriter(target, (64, 64), seal=seal) as writer:
        for frame in frames:
            writer.write(frame)
    return target


def test_the_own_key_is_made_once_and_only_the_user_may_read_it(config: Path) -> None:
    first = Credentials.own()
    assert [path.name for path in config.iterdir()] == [OWN_FILE]
    assert stat.S_IMODE((config / OWN_FILE).stat().st_mode) == 0o600
    assert Credentials.own() == first
    assert first.key.decode() not in repr(first)
    own, root = x509.load_pem_x509_certificates(first.chain)
    own.verify_directly_issued_by(root)
    (config / OWN_FILE).unlink()
    assert Credentials.own().key != first.key


def test_a_key_that_cannot_be_kept_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("VASA_CONFIG", str(tmp_path / "file"))
    with pytest.raises(InputError, match="signing.pem cannot be written .* expected a writable folder, or another one"):
        Origin().signing(".mp4")
    assert Origin().signing(".gif") is None


def test_a_video_says_how_it_was_made_and_by_whom(config: Path, tmp_path: Path) -> None:
    options = GenerationOptions(seed=7, style=str(Path(__file__)))
    target = write_video(tmp_path / "out.mp4", Origin.of("mesh", options, None))
    found = read_manifest(target)
    assert found.state == VALID
    assert found.ai_made
    assert found.signer == OWN_NAME
    assert found.generator.startswith("vasa-core ")
    assert found.settings["seed"] == 7
    assert found.settings["face_model"] == "mesh"
    assert found.settings["style"] == "a video"
    assert "not in a trust list" in found.says
    assert len(list(read_frames(target))) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "out.mp4"]


def test_every_change_is_found(config: Path, tmp_path: Path) -> None:
    target = write_video(tmp_path / "out.mp4", Origin())
    content = bytearray(target.read_bytes())
    content[content.index(b"mdat") + 200] ^= 1
    (tmp_path / "changed.mp4").write_bytes(content)
    changed = read_manifest(tmp_path / "changed.mp4")
    assert changed.state == INVALID
    assert "assertion.bmffHash.mismatch" in changed.says
    copy = [executable(), "-v", "error", "-i", str(target), "-c", "copy", str(tmp_path / "copied.mp4")]
    subprocess.run(copy, check=True)
    assert read_manifest(tmp_path / "copied.mp4").state == NONE
    (tmp_path / "half.mp4").write_bytes(target.read_bytes()[:2000])
    assert read_manifest(tmp_path / "half.mp4").state in (INVALID, UNREADABLE)
    assert read_manifest(write_video(tmp_path / "plain.mp4", None)).state == NONE
    (tmp_path / "notes.webm").write_bytes(b"none")
    assert "this kind of file holds none" in read_manifest(tmp_path / "notes.webm").says


def test_manifests_of_inputs_go_along(config: Path, tmp_path: Path) -> None:
    signed, plain = write_video(tmp_path / "driving.mp4", Origin()), write_video(tmp_path / "plain.mp4", None)
    (tmp_path / "half.mp4").write_bytes(signed.read_bytes()[:2000])
    inputs = (signed, plain, signed, tmp_path / "half.mp4", tmp_path / "none.mp4")
    target = write_video(tmp_path / "out.mp4", Origin({}, None, inputs))
    found = read_manifest(target)
    assert (found.state, found.inputs) == (VALID, 1)
    assert read_manifest(signed).inputs == 0
    store = json.loads(c2pa.Reader(target).json())
    assert len(store["manifests"]) == 2
    (ingredient,) = store["manifests"][store["active_manifest"]]["ingredients"]
    assert ingredient["relationship"] == "inputTo"
    assert ingredient["active_manifest"] in store["manifests"]
    assert b"driving" not in target.read_bytes()
    assert "thumbnail" not in ingredient


def test_a_file_makes_nobody_ask_an_address_that_it_names(config: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        own = Credentials.own()
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(own.algorithm, own.chain, own.key, None))
        builder = c2pa.Builder({"claim_generator_info": [{"name": "somebody"}], "assertions": []})
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest")
        builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE)
        source = write_video(tmp_path / "plain.mp4", None)
        with source.open("rb") as plain, (tmp_path / "remote.mp4").open("w+b") as target:
            builder.sign(signer, "video/mp4", plain, target)
        asked.clear()
        found = read_manifest(tmp_path / "remote.mp4")
        server.shutdown()
    assert found.state == NONE
    assert "names an address of one, which is not asked for" in found.says
    assert asked == []


def test_a_failed_signature_leaves_no_file(config: Path, tmp_path: Path) -> None:
    own = Credentials.own()
    broken = Credentials(own.chain, ec_key(), own.algorithm)
    with pytest.raises(OSError, match="could not be signed"):
        write_video(tmp_path / "out.mp4", Origin({}, broken))
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def ec_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_a_user_s_own_certificate_signs(config: Path, tmp_path: Path) -> None:
    own = Credentials.own()
    (tmp_path / "chain.pem").write_bytes(own.chain)
    (tmp_path / "key.pem").write_bytes(own.key)
    (config / OWN_FILE).unlink()
    given = Credentials.of_files(tmp_path / "chain.pem", tmp_path / "key.pem")
    check_credentials(given, "chain.pem")
    assert read_manifest(write_video(tmp_path / "out.mp4", Origin({}, given))).state == VALID
    assert not (config / OWN_FILE).exists()


def test_files_that_cannot_sign_are_named(config: Path, tmp_path: Path) -> None:
    own = Credentials.own()
    chain, key, other, text = (tmp_path / name for name in ("chain.pem", "key.pem", "other.pem", "text.pem"))
    chain.write_bytes(own.chain)
    key.write_bytes(own.key)
    other.write_bytes(ec_key())
    text.write_text("no certificate")
    for given, sentence in (
        ((chain, other), "other.pem is not the key of chain.pem"),
        ((text, key), "text.pem holds no certificate"),
        ((chain, text), "text.pem holds no private key"),
        ((chain, tmp_path / "none.pem"), "none.pem does not exist; expected a PEM file"),
    ):
        with pytest.raises(InputError, match=sentence):
            Credentials.of_files(*given)
    server = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a web server")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(server.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    plain = server.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(builder.sign(server, hashes.SHA256()).public_bytes(PEM))
    key.write_bytes(plain)
    with pytest.raises(InputError, match="chain.pem cannot sign"):
        check_credentials(Credentials.of_files(chain, key), "chain.pem")
