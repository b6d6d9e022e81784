# SPDX-License-Identifier: Apache-2.0
"""Detached PKCS#7 signatures (RFC 5652) as dm-verity and systemd take them.

One signer, SHA-256, no attributes, no certificates: what `openssl smime -sign -binary -noattr
-nocerts -outform der` writes. The signed bytes are then the message itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from rktio.common import der

MAX_BYTES = 4096

_DATA = der.object_identifier("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.object_identifier("1.2.840.113549.1.7.2")
_SHA256 = der.object_identifier("2.16.840.1.101.3.4.2.1")
_NULL = der.encode(der.NULL)
_ECDSA_SHA256 = der.object_identifier("1.2.840.10045.4.3.2")
_RSA = der.object_identifier("1.2.840.113549.1.1.1")
_RSA_SHA256 = der.object_identifier("1.2.840.113549.1.1.11")
# Writers differ: OpenSSL leaves NULL out after SHA-256, others write it (RFC 5754 allows both).
_DIGESTS = {der.encode(der.SEQUENCE, _SHA256), der.encode(der.SEQUENCE, _SHA256, _NULL)}
_ALGORITHMS = {
    der.encode(der.SEQUENCE, _ECDSA_SHA256): "ecdsa",
    der.encode(der.SEQUENCE, _RSA, _NULL): "rsa",
    der.encode(der.SEQUENCE, _RSA_SHA256, _NULL): "rsa",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a detached signature says; `issuer` is the DER name of the signer's certificate."""

    issuer: bytes
    serial: int
    algorithm: str  # "ecdsa" or "rsa", over SHA-256
    value: bytes


def encode(signature: Signature) -> bytes:
    """Return the DER of a signature."""
    digest = der.encode(der.SEQUENCE, _SHA256)
    algorithm = next(raw for raw, name in _ALGORITHMS.items() if name == signature.algorithm)
    signer = der.encode(
        der.SEQUENCE,
        der.integer(1),
        der.encode(der.SEQUENCE, signature.issuer, der.integer(signature.serial)),
        digest,
        algorithm,
        der.encode(der.OCTETS, signature.value),
    )
    signed = der.encode(
        der.SEQUENCE,
        der.integer(1),
        der.encode(der.SET, digest),
        der.encode(der.SEQUENCE, _DATA),
        der.encode(der.SET, signer),
    )
    return der.encode(der.SEQUENCE, _SIGNED_DATA, der.encode(der.CONTEXT_0, signed))


def decode(data: bytes) -> Signature:
    """Return what `data` says, checking every byte of it. Raises der.DerError."""
    if len(data) > MAX_BYTES:
        raise der.DerError(f"{len(data)} bytes; a signature has at most {MAX_BYTES}")
    outer = der.only(data, der.SEQUENCE)
    kind, wrapped = der.shaped(outer.content, der.OID, der.CONTEXT_0)
    if kind.raw != _SIGNED_DATA:
        raise der.DerError("not a PKCS#7 signature")
    signed = der.only(wrapped.content, der.SEQUENCE)
    version, digests, content, signers = der.shaped(
        signed.content, der.INTEGER, der.SET, der.SEQUENCE, der.SET
    )
    if version.raw != der.integer(1):
        raise der.DerError("not version 1 of PKCS#7 signatures")
    _check_digest(der.only(digests.content, der.SEQUENCE))
    if content.content != _DATA:
        raise der.DerError("not a detached signature over data")
    return _signer(der.only(signers.content, der.SEQUENCE))


def _signer(signer: der.Element) -> Signature:
    version, identity, digest, algorithm, value = der.shaped(
        signer.content, der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.OCTETS
    )
    if version.raw != der.integer(1):
        raise der.DerError("the signer is not named by issuer and serial number")
    _check_digest(digest)
    name = _ALGORITHMS.get(algorithm.raw)
    if name is None:
        raise der.DerError("neither ECDSA nor RSA over SHA-256")
    issuer, serial = der.shaped(identity.content, der.SEQUENCE, der.INTEGER)
    number = int.from_bytes(serial.content, "big", signed=True)
    if number < 0 or der.integer(number) != serial.raw:
        raise der.DerError("a serial number that no certificate has")
    return Signature(issuer.raw, number, name, value.content)


def _check_digest(element: der.Element) -> None:
    if element.raw not in _DIGESTS:
        raise der.DerError("the digest is not SHA-256")
