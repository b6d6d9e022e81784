# SPDX-License-Identifier: Apache-2.0
"""AMD's certificate chains: ARK signs ASK (of VCEKs) and ASVK (of VLEKs), pinned by fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from rktio.common.errors import RktioError
from rktio.owner.claims import refuse, utc

FOLDER = Path(__file__).with_name("amd")

# SHA-256 of the DER of each root (https://kdsintf.amd.com/vcek/v1/<product>/cert_chain).
ROOTS = {
    "Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
}


@dataclass(frozen=True)
class Chain:
    """The three certificates above the ones of chips of one product."""

    product: str
    ark: x509.Certificate
    ask: x509.Certificate
    asvk: x509.Certificate

    def issuer(self, signing_key: str) -> x509.Certificate:
        """Return the certificate that signs "vcek" or "vlek" certificates."""
        return self.ask if signing_key == "vcek" else self.asvk


@dataclass(frozen=True)
class Trust:
    """What the owner trusts: chains by product, revocation lists, and certificates named bad."""

    chains: Mapping[str, Chain]
    revocation_lists: tuple[x509.CertificateRevocationList, ...] = ()
    revoked_fingerprints: frozenset[str] = field(default_factory=frozenset)

    def check_valid(self, certificate: x509.Certificate, name: str, now: float) -> None:
        """Refuse a certificate that is not yet or no longer valid, or revoked."""
        moment = utc(now)
        if moment < certificate.not_valid_before_utc:
            raise refuse(f"{name} valid from", certificate.not_valid_before_utc, f"<= {moment}")
        if moment > certificate.not_valid_after_utc:
            raise refuse(f"{name} valid until", certificate.not_valid_after_utc, f">= {moment}")
        mark = fingerprint(certificate)
        if mark in self.revoked_fingerprints:
            raise refuse(f"{name} fingerprint", mark, "one that the policy does not revoke")
        for revocations in self.revocation_lists:
            if revocations.issuer == certificate.issuer:
                _check_not_listed(revocations, certificate, name, now)

    def check_lists(self, chain: Chain, now: float) -> None:
        """Refuse to go on with a revocation list of the chain that is stale or not signed by it."""
        for revocations in self.revocation_lists:
            for issuer in (chain.ark, chain.ask, chain.asvk):
                if revocations.issuer == issuer.subject:
                    _check_list(revocations, issuer, now)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return SHA-256 over the DER, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_issued(certificate: x509.Certificate, issuer: x509.Certificate, name: str) -> None:
    """Refuse a certificate that another did not sign."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError) as error:
        signer = issuer.subject.rfc4514_string()
        raise refuse(f"{name} signature", "not by the issuer", f"by {signer}") from error


@cache
def amd_trust() -> Trust:
    """Return AMD's published chains, each root compared with the fingerprint above."""
    return Trust({product: _load(product) for product in ROOTS})


def chain_of(certificates: Iterable[x509.Certificate], product: str, pinned: str) -> Chain:
    """Return a checked chain out of ASK, ARK and ASVK, in that order."""
    ask, ark, asvk = certificates
    if fingerprint(ark) != pinned:
        raise refuse(f"ARK of {product}", fingerprint(ark), pinned)
    check_issued(ark, ark, "ARK")
    check_issued(ask, ark, "ASK")
    check_issued(asvk, ark, "ASVK")
    return Chain(product, ark, ask, asvk)


def read_revocation_list(path: Path) -> x509.CertificateRevocationList:
    """Read a CRL in DER or PEM. Raises RktioError."""
    try:
        raw = path.read_bytes()
        if raw.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_crl(raw)
        return x509.load_der_x509_crl(raw)
    except (OSError, ValueError) as error:
        raise RktioError(f"{path}: not a certificate revocation list: {error}") from error


def _load(product: str) -> Chain:
    pem = (FOLDER / f"{product.lower()}.pem").read_bytes()
    return chain_of(x509.load_pem_x509_certificates(pem), product, ROOTS[product])


def _check_list(
    revocations: x509.CertificateRevocationList, issuer: x509.Certificate, now: float
) -> None:
    name = f"revocation list of {issuer.subject.rfc4514_string()}"
    if not _signed_by(revocations, issuer):
        raise refuse(f"{name} signature", "wrong", "by that issuer")
    if revocations.next_update_utc is None or revocations.next_update_utc < utc(now):
        raise refuse(f"{name} next update", revocations.next_update_utc, f">= {utc(now)}")


def _signed_by(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    algorithm = revocations.signature_hash_algorithm
    if not isinstance(key, rsa.RSAPublicKey) or algorithm is None:
        return False
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if revocations.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSASSA_PSS:
        scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
    try:
        key.verify(revocations.signature, revocations.tbs_certlist_bytes, scheme, algorithm)
    except InvalidSignature:
        return False
    return True


def _check_not_listed(
    revocations: x509.CertificateRevocationList,
    certificate: x509.Certificate,
    name: str,
    now: float,
) -> None:
    entry = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is not None and entry.revocation_date_utc <= utc(now):
        raise refuse(f"{name} serial", certificate.serial_number, "one that is not revoked")
