# SPDX-License-Identifier: Apache-2.0
"""The broker's own certificate, for those who have none: self-signed, pinned by fingerprint."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rktio.common.errors import RktioError
from rktio.owner.signed import write_whole

DAYS = 825


def make_certificate(key_path: Path, certificate_path: Path, names: list[str]) -> None:
    """Write a new key and a self-signed certificate for host names and addresses."""
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(key, hashes.SHA384())
    )
    write_whole(key_path, private_pem(key), 0o600)
    write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))


def certificate_fingerprint(path: Path) -> str:
    """Return SHA-256 over the DER of the first certificate of a PEM file, in hex."""
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise RktioError(f"{path}: not a certificate in PEM: {error}") from error
    return certificate.fingerprint(hashes.SHA256()).hex()


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
