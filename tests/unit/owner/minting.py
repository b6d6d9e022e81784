# SPDX-License-Identifier: Apache-2.0
"""A signing chain of our own, as AMD's: ARK, ASK, ASVK, VCEK, VLEK, and reports that they sign."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rktio.owner.roots import Chain, Trust, chain_of, fingerprint
from rktio.owner.snp import OID_CSP_ID, OID_HARDWARE_ID, OID_LEVELS, OID_PRODUCT

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PSS = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
CHIP = bytes(range(64))
MEASUREMENT = bytes.fromhex("5a" * 48)
LEVELS = {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 217}


@dataclass(frozen=True)
class Authority:
    """One certificate that signs others."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class Leaf:
    """What a VCEK or VLEK certificate says; change a field to forge one."""

    common_name: str = "SEV-VCEK"
    product: str = "Milan-B0"
    levels: dict[str, int] = field(default_factory=lambda: dict(LEVELS))
    hardware_id: bytes | None = CHIP
    csp_id: str | None = None
    begin: datetime = NOW - timedelta(days=10)
    end: datetime = NOW + timedelta(days=365)
    curve: ec.EllipticCurve = field(default_factory=ec.SECP384R1)
    without: str | None = None
    serial: int = 77


@dataclass(frozen=True)
class Fields:
    """Fields of a report; offsets are those of the firmware's ABI."""

    version: int = 2
    guest_svn: int = 1
    policy: int = 0x30000
    vmpl: int = 0
    algorithm: int = 1
    key_info: int = 0
    report_data: bytes = bytes(64)
    measurement: bytes = MEASUREMENT
    host_data: bytes = bytes(32)
    reported: bytes = bytes((4, 0, 0, 0, 0, 0, 24, 217))
    committed: bytes = bytes((4, 0, 0, 0, 0, 0, 24, 219))
    family: int = 0
    chip_id: bytes = CHIP


class Mint:
    """One chain for one product; the certificates are made once for all tests."""

    def __init__(self, product: str = "Milan") -> None:
        self.product = product
        self.ark = _authority(f"ARK-{product}", None, 1)
        self.ask = _authority(f"SEV-{product}", self.ark, 2)
        self.asvk = _authority(f"SEV-VLEK-{product}", self.ark, 3)

    def chain(self) -> Chain:
        """Return the chain with its root pinned."""
        certificates = (self.ask.certificate, self.ark.certificate, self.asvk.certificate)
        return chain_of(certificates, self.product, fingerprint(self.ark.certificate))

    def trust(self, *lists: x509.CertificateRevocationList) -> Trust:
        """Return trust in this chain only."""
        return Trust({self.product: self.chain()}, lists)

    def leaf(
        self, leaf: Leaf, key: ec.EllipticCurvePrivateKey, by: Authority | None = None
    ) -> bytes:
        """Return a certificate in DER."""
        issuer = by or (self.asvk if leaf.common_name == "SEV-VLEK" else self.ask)
        builder = _builder(leaf.common_name, issuer.certificate.subject, key.public_key(), leaf)
        for oid, value in _extensions(leaf):
            if oid != leaf.without:
                extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
                builder = builder.add_extension(extension, False)
        signed = builder.sign(issuer.key, hashes.SHA384(), rsa_padding=PSS)
        return signed.public_bytes(serialization.Encoding.DER)

    def revoke(
        self, *serials: int, by: Authority, fresh: bool = True, issuer: x509.Name | None = None
    ) -> x509.CertificateRevocationList:
        """Return a revocation list of an authority."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer or by.certificate.subject)
            .last_update(NOW - timedelta(days=30))
            .next_update(NOW + timedelta(days=30 if fresh else -1))
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(
                entry.revocation_date(NOW - timedelta(days=5)).build()
            )
        return builder.sign(by.key, hashes.SHA384(), rsa_padding=PSS)


@cache
def mint() -> Mint:
    """Return the chain that most tests use."""
    return Mint()


@cache
def chip_key() -> ec.EllipticCurvePrivateKey:
    """Return the key of the one chip that there is."""
    return ec.generate_private_key(ec.SECP384R1())


@cache
def vcek() -> bytes:
    """Return that chip's certificate."""
    return mint().leaf(Leaf(), chip_key())


def unsigned(fields: Fields) -> bytearray:
    """Return a report whose signature is zero."""
    raw = bytearray(1184)
    struct.pack_into("<IIQ", raw, 0, fields.version, fields.guest_svn, fields.policy)
    struct.pack_into("<II", raw, 0x30, fields.vmpl, fields.algorithm)
    struct.pack_into("<I", raw, 0x48, fields.key_info)
    raw[0x188] = fields.family
    for offset, value in (
        (0x38, fields.reported),
        (0x50, fields.report_data),
        (0x90, fields.measurement),
        (0xC0, fields.host_data),
        (0x180, fields.reported),
        (0x1A0, fields.chip_id),
        (0x1E0, fields.committed),
        (0x1F0, fields.committed),
    ):
        raw[offset : offset + len(value)] = value
    return raw


def signed(raw: bytearray, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a report with the signature of a key."""
    r, s = decode_dss_signature(key.sign(bytes(raw[:0x2A0]), ec.ECDSA(hashes.SHA384())))
    raw[0x2A0:0x2D0] = r.to_bytes(48, "little")
    raw[0x2E8:0x318] = s.to_bytes(48, "little")
    return bytes(raw)


def report(fields: Fields | None = None, /, **changes: Any) -> bytes:
    """Return a report of our chip."""
    return signed(unsigned(replace(fields or Fields(), **changes)), chip_key())


def _authority(name: str, by: Authority | None, serial: int) -> Authority:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = by.certificate.subject if by else subject
    leaf = Leaf(end=NOW + timedelta(days=5000), serial=serial)
    builder = _builder(name, issuer, key.public_key(), leaf)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    certificate = builder.sign(by.key if by else key, hashes.SHA384(), rsa_padding=PSS)
    return Authority(key, certificate)


def _builder(
    name: str,
    issuer: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    leaf: Leaf,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(leaf.serial)
        .not_valid_before(leaf.begin)
        .not_valid_after(leaf.end)
    )


def _extensions(leaf: Leaf) -> list[tuple[str, bytes]]:
    product = leaf.product.encode()
    found = [(OID_PRODUCT, bytes((0x16, len(product))) + product)]
    for name, level in leaf.levels.items():
        raw = level.to_bytes(1 if level < 128 else 2, "big")
        found.append((OID_LEVELS[name], bytes((0x02, len(raw))) + raw))
    if leaf.hardware_id is not None:
        found.append((OID_HARDWARE_ID, leaf.hardware_id))
    if leaf.csp_id is not None:
        found.append((OID_CSP_ID, bytes((0x16, len(leaf.csp_id))) + leaf.csp_id.encode()))
    return found
