# SPDX-License-Identifier: Apache-2.0
"""The owner's keys: made, loaded, used to sign and to verify.

A private key is a PEM file, or a PKCS#11 URI (a token, an HSM, a TPM by tpm2-pkcs11), which
openssl's engine uses without the key leaving its device.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rktio.common import der, pkcs7
from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    AnyPublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

KEY_BYTES_MAX = 64 * 1024
RSA_BITS_MIN = 2048
COMMON_NAME = "rkt-io owner"
VALID_DAYS = 3650


class SignatureError(RktioError):
    """A signature is not one of the owner's over these bytes."""


def need_cryptography() -> None:
    """Raise RktioError where pyca/cryptography is missing."""
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        raise RktioError(
            "keys and encryption need the Python module cryptography",
            hint="pip install 'rkt-io[keys]', or apt-get install python3-cryptography",
        ) from error


@dataclass(frozen=True)
class PublicKey:
    """The owner's public key; from a certificate, also what that says."""

    key: AnyPublicKey
    certificate: x509.Certificate | None
    source: str

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """Read a PEM certificate or public key. Raises RktioError."""
        return cls.parse(read_limited(path), str(path))

    @classmethod
    def parse(cls, pem: bytes, source: str) -> PublicKey:
        """Parse a PEM certificate or public key. Raises RktioError."""
        need_cryptography()
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        if b" PRIVATE KEY-----" in pem:
            raise RktioError(
                f"{source} is a private key; verifying takes the certificate",
                hint="keygen wrote it beside the key, with the suffix .crt",
            )
        certificate = None
        try:
            if b"-----BEGIN CERTIFICATE-----" in pem:
                certificate = x509.load_pem_x509_certificate(pem)
                key = certificate.public_key()
            else:
                key = serialization.load_pem_public_key(pem)  # type: ignore[assignment]
        except Exception as error:  # the library's own, of several kinds
            raise RktioError(
                f"{source} holds neither a certificate nor a public key in PEM",
                hint="rkt-io-disk keygen makes a key and its certificate",
            ) from error
        return cls(_supported(key, source), certificate, source)

    @property
    def spki(self) -> bytes:
        """The SubjectPublicKeyInfo in DER: what is measured."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the certificate, in hex, as systemd names it."""
        from cryptography.hazmat.primitives import hashes

        return self.certificate.fingerprint(hashes.SHA256()).hex() if self.certificate else None

    def check_validity(self) -> None:
        """Raise SignatureError where the certificate is not valid now."""
        if self.certificate is None:
            return
        now = datetime.datetime.now(datetime.UTC)
        first, last = (
            getattr(self.certificate, f"{name}_utc", None)
            or getattr(self.certificate, name).replace(tzinfo=datetime.UTC)
            for name in ("not_valid_before", "not_valid_after")
        )
        if now < first:
            raise SignatureError(f"certificate {self.source} is not valid before {first:%Y-%m-%d}")
        if now > last:
            raise SignatureError(
                f"certificate {self.source} expired on {last:%Y-%m-%d}",
                hint="make a new key and sign again",
            )

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureError unless `signature` (PKCS#7, DER) is this key's over `message`."""
        try:
            parsed = pkcs7.decode(signature)
        except der.DerError as error:
            raise SignatureError(f"malformed PKCS#7 signature: {error}") from error
        if self.certificate is not None:
            issuer = self.certificate.issuer.public_bytes()
            if (parsed.issuer, parsed.serial) != (issuer, self.certificate.serial_number):
                raise SignatureError(f"signed by another certificate than {self.source}")
        self._verify_value(message, parsed)

    def _verify_value(self, message: bytes, parsed: pkcs7.Signature) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding

        try:
            if isinstance(self.key, ec.EllipticCurvePublicKey):
                if parsed.algorithm != "ecdsa":
                    raise InvalidSignature
                self.key.verify(parsed.value, message, ec.ECDSA(hashes.SHA256()))
            else:
                if parsed.algorithm != "rsa":
                    raise InvalidSignature
                self.key.verify(parsed.value, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise SignatureError(f"the signature is not one of {self.source}") from error


class SigningKey(Protocol):
    """Something that signs, with the certificate that names it."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Return a bare signature over `message` with SHA-256."""


@dataclass(frozen=True)
class FileKey:
    """A private key out of a PEM file."""

    public: PublicKey
    private: PrivateKey

    def sign(self, message: bytes) -> bytes:
        """Return a bare signature over `message` with SHA-256."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding

        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(message, ec.ECDSA(hashes.SHA256()))
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def sign_detached(key: SigningKey, message: bytes) -> bytes:
    """Return a detached PKCS#7 signature in DER, after verifying it. Raises RktioError."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key.public.check_validity()
    certificate = key.public.certificate
    assert certificate is not None
    algorithm = "ecdsa" if isinstance(key.public.key, ec.EllipticCurvePublicKey) else "rsa"
    signature = pkcs7.encode(
        pkcs7.Signature(
            certificate.issuer.public_bytes(),
            certificate.serial_number,
            algorithm,
            key.sign(message),
        )
    )
    key.public.verify(message, signature)
    return signature


def load_signing_key(name: str, certificate: Path | None = None) -> SigningKey:
    """Load a private key: a PEM file, or a PKCS#11 URI.

    The certificate of `owner.key` is `owner.crt` unless named. Raises RktioError.
    """
    need_cryptography()
    if name.startswith("pkcs11:"):
        from rktio.common.pkcs11 import TokenKey

        return TokenKey.load(name, certificate)
    path = Path(name)
    private = load_private(path)
    public = certificate_of(certificate or path.with_suffix(".crt"))
    if private.public_key() != public.key:
        raise RktioError(f"{public.source} is not the certificate of {path}")
    return FileKey(public, private)


def certificate_of(path: Path) -> PublicKey:
    """Load a certificate, not a bare public key. Raises RktioError."""
    if not path.exists():
        raise RktioError(
            f"the certificate {path} does not exist", hint="--certificate FILE names it"
        )
    public = PublicKey.load(path)
    if public.certificate is None:
        raise RktioError(f"{path} is a bare public key; signing needs the certificate")
    return public


def load_private(path: Path) -> PrivateKey:
    """Read a private key from a PEM file that only its owner may read. Raises RktioError."""
    from cryptography.hazmat.primitives import serialization

    pem = read_limited(path)
    mode = path.stat().st_mode & 0o077
    if mode:
        raise RktioError(
            f"{path} can be read by others (mode {path.stat().st_mode & 0o777:04o})",
            hint=f"chmod 600 {path}",
        )
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise RktioError(
            f"{path} is encrypted with a passphrase, which is not supported",
            hint="keep the key on a token and name it by its pkcs11: URI",
        ) from error
    except Exception as error:  # the library's own, of several kinds
        raise RktioError(
            f"{path} holds no private key in PEM", hint="rkt-io-disk keygen makes one"
        ) from error
    _supported(key.public_key(), str(path))
    return key  # type: ignore[return-value]


def make_key(stem: Path, *, name: str = COMMON_NAME, days: int = VALID_DAYS) -> PublicKey:
    """Write `stem`.key (0600) and `stem`.crt; neither may exist. Raises RktioError.

    ECDSA on P-256: Linux's keyring and dm-verity, systemd, TPM 2.0, PKCS#11 tokens and cloud KMSs
    all have it, signatures take 70 bytes and 50 us, and a 128-bit strength needs no 3072-bit RSA.
    """
    need_cryptography()
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate = _self_signed(private, name, days)
    certificate_path = stem.with_name(f"{stem.name}.crt")
    if certificate_path.exists():
        raise _exists(certificate_path)
    write_new(stem.with_name(f"{stem.name}.key"), pem, 0o600)
    write_new(certificate_path, certificate, 0o644)
    return PublicKey.parse(certificate, str(certificate_path))


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist yet; never readable by more than `mode`."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise RktioError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)


def read_limited(path: Path, limit: int = KEY_BYTES_MAX) -> bytes:
    """Read a small file; one that is larger than `limit` is refused."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > limit:
        raise RktioError(f"{path} is larger than {limit} bytes")
    return content


def _exists(path: Path) -> RktioError:
    return RktioError(f"{path} exists already", hint="a key is never replaced; remove it yourself")


def _self_signed(private: ec.EllipticCurvePrivateKey, name: str, days: int) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False)
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def _supported(key: object, source: str) -> AnyPublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return key
    raise RktioError(
        f"{source} is not a key that images are signed with",
        hint=f"ECDSA on P-256 (keygen makes it) or P-384, or RSA of at least {RSA_BITS_MIN} bits",
    )
