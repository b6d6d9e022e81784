# SPDX-License-Identifier: Apache-2.0
"""Verification of SEV-SNP evidence: chain, TCB of the certificate, chip, signature, report data.

Certificates: AMD document 57230, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS
Interface Specification", chapter 3 (extensions below 1.3.6.1.4.1.3704.1).
"""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.utils import CryptographyDeprecationWarning

from rktio.owner import snp_report
from rktio.owner.claims import Claims, refuse
from rktio.owner.roots import Chain, Trust, check_issued
from rktio.owner.snp_report import SnpReport, Tcb, parse_report

OID = "1.3.6.1.4.1.3704.1."
OID_PRODUCT = OID + "2"
OID_HARDWARE_ID = OID + "4"
OID_CSP_ID = OID + "5"
OID_LEVELS = {
    "bootloader": OID + "3.1",
    "tee": OID + "3.2",
    "snp": OID + "3.3",
    "microcode": OID + "3.8",
    "fmc": OID + "3.9",
}
COMMON_NAMES = {"vcek": "SEV-VCEK", "vlek": "SEV-VLEK"}
HARDWARE_ID_BYTES = {"Milan": 64, "Genoa": 64, "Turin": 8}
ZEN5 = {"Turin"}
CERTIFICATE_BYTES_MAX = 8192

DER_INTEGER = 0x02
DER_OCTETS = 0x04
DER_IA5 = 0x16


def verify_snp(
    raw_report: bytes, certificate_der: bytes, report_data: bytes, trust: Trust, now: float
) -> Claims:
    """Return what a report proves, its TCB and flags included. Raises RefusedError.

    The caller compares measurement, host data, policy and TCB with its reference values.
    """
    certificate = load_certificate(certificate_der)
    product = product_of(certificate)
    report = parse_report(raw_report, zen5=product in ZEN5)
    chain = _chain(product, trust)
    _check_chain(certificate, report.signing_key, chain, trust, now)
    _check_levels(certificate, report.reported_tcb, product)
    if report.signing_key == "vcek":
        _check_chip(certificate, report.chip_id, product)
    _check_signature(certificate, report)
    if report.report_data != report_data:
        raise refuse("report_data", report.report_data, report_data)
    return _claims(report, certificate, product)


def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a VCEK or VLEK certificate, DER only. AMD gives them the serial number 0."""
    if len(der) > CERTIFICATE_BYTES_MAX:
        raise refuse("certificate length", len(der), f"at most {CERTIFICATE_BYTES_MAX} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(der)
            certificate.extensions  # noqa: B018  parsed lazily, and refused here
            certificate.subject  # noqa: B018
    except ValueError as error:
        raise refuse("certificate", f"malformed: {error}", "X.509 in DER") from error
    return certificate


def product_of(certificate: x509.Certificate) -> str:
    """Return "Milan", "Genoa" or "Turin" of names like "Milan-B0"."""
    name = _extension(certificate, OID_PRODUCT, DER_IA5, "product name")
    return name.decode("ascii", "replace").partition("-")[0]


def _chain(product: str, trust: Trust) -> Chain:
    chain = trust.chains.get(product)
    if chain is None:
        raise refuse("product", product, " or ".join(sorted(trust.chains)))
    return chain


def _check_chain(
    certificate: x509.Certificate, signing_key: str, chain: Chain, trust: Trust, now: float
) -> None:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    expected = COMMON_NAMES[signing_key]
    if [name.value for name in names] != [expected]:
        raise refuse("certificate name", certificate.subject.rfc4514_string(), f"CN={expected}")
    issuer = chain.issuer(signing_key)
    trust.check_lists(chain, now)
    trust.check_valid(chain.ark, "ARK", now)
    trust.check_valid(issuer, "ASK" if signing_key == "vcek" else "ASVK", now)
    check_issued(certificate, issuer, signing_key.upper())
    trust.check_valid(certificate, signing_key.upper(), now)


def _check_levels(certificate: x509.Certificate, tcb: Tcb, product: str) -> None:
    """Refuse a report whose reported TCB isn't the one that the key was derived for."""
    levels = tcb.levels()
    if product not in ZEN5:
        del levels["fmc"]
    for name, level in levels.items():
        certified = _level(certificate, name)
        if certified != level:
            raise refuse(f"reported_tcb.{name}", level, f"{certified} of the certificate")


def _check_chip(certificate: x509.Certificate, chip_id: bytes, product: str) -> None:
    size = HARDWARE_ID_BYTES[product]
    hardware_id = _hardware_id(certificate, size)
    if chip_id != hardware_id.ljust(64, b"\0"):
        raise refuse("chip_id", chip_id, f"{hardware_id.hex()} of the certificate")


def _check_signature(certificate: x509.Certificate, report: SnpReport) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise refuse("certificate key", type(key).__name__, "ECDSA P-384")
    if report.signature_r == 0 or report.signature_s == 0:
        raise refuse("signature", "zero", "an ECDSA signature")
    signature = encode_dss_signature(report.signature_r, report.signature_s)
    try:
        key.verify(signature, report.signed, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        signer = report.signing_key.upper()
        raise refuse("report signature", "wrong", f"by the {signer} over the report") from error


def _extension(certificate: x509.Certificate, oid: str, tag: int, name: str) -> bytes:
    """Return the contents of an extension that is one short DER value."""
    raw = _raw_extension(certificate, oid, name)
    if len(raw) < 2 or raw[0] != tag or raw[1] > 127 or len(raw) != 2 + raw[1]:
        raise refuse(f"certificate extension {name}", raw, f"one DER value of tag {tag:#04x}")
    return raw[2:]


def _raw_extension(certificate: x509.Certificate, oid: str, name: str) -> bytes:
    try:
        extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid))
    except x509.ExtensionNotFound as error:
        raise refuse(f"certificate extension {name}", "absent", oid) from error
    value = extension.value
    if not isinstance(value, x509.UnrecognizedExtension):
        raise refuse(f"certificate extension {name}", type(value).__name__, oid)
    return value.value


def _level(certificate: x509.Certificate, name: str) -> int:
    raw = _extension(certificate, OID_LEVELS[name], DER_INTEGER, name)
    level = int.from_bytes(raw, "big", signed=True)
    if not raw or not 0 <= level <= 255:
        raise refuse(f"certificate extension {name}", level, "0 to 255")
    return level


def _hardware_id(certificate: x509.Certificate, size: int) -> bytes:
    """Return the chip's id: bare in old certificates, an OCTET STRING in newer ones."""
    raw = _raw_extension(certificate, OID_HARDWARE_ID, "hardware id")
    if len(raw) == size:
        return raw
    if raw[:2] == bytes((DER_OCTETS, size)) and len(raw) == 2 + size:
        return raw[2:]
    raise refuse("certificate extension hardware id", raw, f"{size} bytes")


def _claims(report: SnpReport, certificate: x509.Certificate, product: str) -> Claims:
    claims: Claims = {
        "tee": "snp",
        "product": product,
        "endorsement": report.signing_key,
        "measurement": report.measurement.hex(),
        "host_data": report.host_data.hex(),
        "report_data": report.report_data.hex(),
        "id_key_digest": report.id_key_digest.hex(),
        "author_key_digest": report.author_key_digest.hex(),
        "family_id": report.family_id.hex(),
        "image_id": report.image_id.hex(),
        "chip_id": report.chip_id.hex(),
        "guest_svn": report.guest_svn,
        "vmpl": report.vmpl,
        "policy": report.policy,
        "debug": report.debug,
        "migration_agent": bool(report.policy & snp_report.POLICY_MIGRATE_MA),
        "smt_allowed": bool(report.policy & snp_report.POLICY_SMT),
        "single_socket": bool(report.policy & snp_report.POLICY_SINGLE_SOCKET),
        "platform_info": report.platform_info,
    }
    for kind in ("reported", "current", "committed", "launch"):
        for name, level in getattr(report, f"{kind}_tcb").levels().items():
            claims[f"{kind}_tcb.{name}"] = level
    if report.signing_key == "vlek":
        csp = _extension(certificate, OID_CSP_ID, DER_IA5, "csp id")
        claims["csp_id"] = csp.decode("ascii", "replace")
    return claims
