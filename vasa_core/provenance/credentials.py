"""Who signs: a certificate chain and its private key, the user's or one made on this machine at first use."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_dir

from vasa_core.errors import InputError
from vasa_core.files import check_source, whole_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, Name

OWN_NAME = "vasa-core (key of one installation)"
OWN_FILE = "signing.pem"
_YEARS = 10
_LARGEST = 1_000_000  # bytes of a file of certificates or of a key


@dataclass(frozen=True)
class Credentials:
    """What a manifest is signed with. chain: certificates as PEM, the signer's first. algorithm: as C2PA names it."""

    chain: bytes
    key: bytes = field(repr=False)
    algorithm: str

    @classmethod
    def of_files(cls, certificate: Path, key: Path) -> Credentials:
        """Those of two PEM files. Raises InputError for files that hold none, or a key of another certificate."""
        for path in (certificate, key):
            check_source(path, "a PEM file")
            if path.stat().st_size > _LARGEST:
                raise InputError(f"{path.name} has {path.stat().st_size} bytes; expected a PEM file.")
        return cls._of(certificate.read_bytes(), key.read_bytes(), certificate.name, key.name)

    @classmethod
    def own(cls) -> Credentials:
        """This installation's own, which are made when they are first asked for, or are out of date.

        They lie in `config_folder()`, in a file that only the user may read. Raises InputError if it cannot be written.
        """
        path = config_folder() / OWN_FILE
        if path.is_file():
            content = path.read_bytes()
            found = cls._of(content, content, str(path), str(path))
            if not _out_of_date(content):
                return found
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                part.touch(0o600)
                part.write_bytes(_new())
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}), where the key that signs videos is kept; "
                "expected a writable folder, or another one in VASA_CONFIG."
            ) from error
        return cls.own()

    @classmethod
    def _of(cls, chain: bytes, key: bytes, chain_name: str, key_name: str) -> Credentials:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        try:
            certificates = x509.load_pem_x509_certificates(chain)
        except ValueError as error:
            raise InputError(f"{chain_name} holds no certificate that can be read; expected a PEM file.") from error
        try:
            private = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError) as error:  # TypeError: it is encrypted
            raise InputError(
                f"{key_name} holds no private key that can be read; expected PEM without a password."
            ) from (error)
        if private.public_key() != certificates[0].public_key():
            raise InputError(f"{key_name} is not the key of {chain_name}; expected the key of its first certificate.")
        pem = serialization.Encoding.PEM
        plain = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return cls(b"".join(each.public_bytes(pem) for each in certificates), plain, _algorithm(private, key_name))


def config_folder() -> Path:
    """Folder of the user's settings: $VASA_CONFIG, else where the system has them."""
    return Path(os.environ.get("VASA_CONFIG") or user_config_dir("vasa-core", appauthor=False))


def _algorithm(private: object, name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ec.EllipticCurvePrivateKey) and private.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[private.key_size]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
        return "ps256"
    raise InputError(f"{name} is a key that C2PA does not take; expected P-256, P-384, P-521, Ed25519 or RSA.")


def _out_of_date(chain: bytes) -> bool:
    from cryptography import x509

    return any(each.not_valid_after_utc <= datetime.now(UTC) for each in x509.load_pem_x509_certificates(chain))


def _new() -> bytes:
    """A new key, its certificate and that of a root whose key nobody keeps, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(text: str) -> Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]
        )

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    roots, own = named(f"{OWN_NAME}, root"), named(OWN_NAME)
    pem = serialization.Encoding.PEM
    certificates = (_certificate(own, key, roots, root, False), _certificate(roots, root, roots, root, True))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return b"".join([*(each.public_bytes(pem) for each in certificates), plain])


def _certificate(
    subject: Name, key: EllipticCurvePrivateKey, issuer: Name, issuers: EllipticCurvePrivateKey, is_root: bool
) -> Certificate:
    """One as C2PA's certificate profile asks for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now, usage = (
        datetime.now(UTC),
        dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment"), False),
    )
    usage |= dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False)
    usage |= {"digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers.public_key()), critical=False)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuers, hashes.SHA256())
