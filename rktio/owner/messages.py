# SPDX-License-Identifier: Apache-2.0
"""Messages of the Key Broker Service protocol 0.4.0 (Confidential Containers' Trustee).

docs/keys.md gives the exact bytes. Everything here comes from the host: it is parsed strictly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rktio.owner.claims import refuse
from rktio.owner.encoding import base64_bytes, canonical_json, only_keys, parse_object, text
from rktio.owner.jwk import TeePublicKey, parse_jwk

PROTOCOL_VERSION = "0.4.0"
TEES = ("snp", "tdx", "process")
HASH = "sha384"
COOKIE = "kbs-session-id"
NONCE_BYTES = 32
REPORT_DATA_BYTES = 64

AUTH_BYTES_MAX = 4096
ATTEST_BYTES_MAX = 128 * 1024

REPORT_FIELD_BYTES_MAX = 4096
CERTIFICATE_BYTES_MAX = 8192
CERTIFICATES_MAX = 8
QUOTE_BYTES_MAX = 16384
CERTIFICATE_TYPES = ("VCEK", "VLEK", "ASK", "ARK")


@dataclass(frozen=True)
class Attestation:
    """What an enclave sends after the challenge."""

    nonce: str
    tee_pubkey: Mapping[str, Any]
    key: TeePublicKey
    evidence: Mapping[str, Any]
    additional_evidence: str

    @property
    def report_data(self) -> bytes:
        """Return what the evidence must carry: the binding of nonce and key, 64 bytes."""
        return report_data(self.nonce, self.tee_pubkey, self.additional_evidence)


@dataclass(frozen=True)
class SnpEvidence:
    """A report and the certificate of the key that signed it."""

    report: bytes
    certificate: bytes


def report_data(nonce: str, tee_pubkey: Mapping[str, Any], additional_evidence: str = "") -> bytes:
    """Return SHA-384 over the canonical runtime data, padded with zeros to 64 bytes."""
    runtime_data = {
        "additional-evidence": additional_evidence,
        "nonce": nonce,
        "tee-pubkey": dict(tee_pubkey),
    }
    digest = hashlib.sha384(canonical_json(runtime_data)).digest()
    return digest.ljust(REPORT_DATA_BYTES, b"\0")


def parse_request(raw: bytes) -> str:
    """Return the TEE of a Request. Raises RefusedError."""
    _limit("request", raw, AUTH_BYTES_MAX)
    request = parse_object("request", raw)
    only_keys("request", request, {"version", "tee", "extra-params"})
    version = text("request.version", request["version"], 32)
    if version != PROTOCOL_VERSION:
        raise refuse("request.version", version, PROTOCOL_VERSION)
    tee = text("request.tee", request["tee"], 32)
    if tee not in TEES:
        raise refuse("request.tee", tee, " or ".join(TEES))
    _check_extra_params(request["extra-params"])
    return tee


def _check_extra_params(extra: object) -> None:
    """Refuse parameters, of which the protocol knows many, that forbid our hash."""
    if extra == "":
        return
    if not isinstance(extra, Mapping):
        raise refuse("request.extra-params", type(extra).__name__, "a JSON object")
    hashes = extra.get("supported-hash-algorithms", [HASH])
    if not isinstance(hashes, list) or HASH not in hashes:
        raise refuse("request.extra-params.supported-hash-algorithms", hashes, f"with {HASH}")


def parse_attestation(raw: bytes) -> Attestation:
    """Return an Attestation; secrets can be encrypted to its key. Raises RefusedError."""
    _limit("attestation", raw, ATTEST_BYTES_MAX)
    message = parse_object("attestation", raw)
    only_keys("attestation", message, {"runtime-data", "tee-evidence"}, {"init-data"})
    if message.get("init-data") is not None:
        raise refuse("init-data", "present", "absent: the configuration is part of the measurement")
    runtime, evidence = message["runtime-data"], message["tee-evidence"]
    only_keys("runtime-data", runtime, {"nonce", "tee-pubkey"})
    only_keys("tee-evidence", evidence, {"primary_evidence", "additional_evidence"})
    additional = text("additional_evidence", evidence["additional_evidence"], 2)
    if additional not in ("", "{}"):
        raise refuse("additional_evidence", additional, "none: only one TEE is verified")
    primary = evidence["primary_evidence"]
    if not isinstance(primary, dict):
        raise refuse("primary_evidence", type(primary).__name__, "a JSON object")
    return Attestation(
        nonce=text("runtime-data.nonce", runtime["nonce"], 128),
        tee_pubkey=runtime["tee-pubkey"],
        key=parse_jwk(runtime["tee-pubkey"]),
        evidence=primary,
        additional_evidence=additional,
    )


def parse_snp_evidence(evidence: Mapping[str, Any]) -> SnpEvidence:
    """Return the report and the one VCEK or VLEK certificate. Raises RefusedError.

    ASK and ARK may come along and are ignored: the owner's own copies count.
    """
    only_keys("SNP evidence", evidence, {"attestation_report", "cert_chain"})
    chain = evidence["cert_chain"]
    if not isinstance(chain, list) or not 1 <= len(chain) <= CERTIFICATES_MAX:
        count = len(chain) if isinstance(chain, list) else type(chain).__name__
        raise refuse("cert_chain", count, f"1 to {CERTIFICATES_MAX} certificates")
    leaves = []
    for entry in chain:
        only_keys("cert_chain entry", entry, {"cert_type", "data"})
        if entry["cert_type"] not in CERTIFICATE_TYPES:
            raise refuse("cert_type", entry["cert_type"], " or ".join(CERTIFICATE_TYPES))
        if entry["cert_type"] in ("VCEK", "VLEK"):
            leaves.append(octets("cert_chain data", entry["data"], CERTIFICATE_BYTES_MAX))
    if len(leaves) != 1:
        raise refuse("cert_chain", f"{len(leaves)} VCEK or VLEK certificates", "1")
    report = evidence["attestation_report"]
    return SnpEvidence(octets("attestation_report", report, REPORT_FIELD_BYTES_MAX), leaves[0])


def parse_tdx_evidence(evidence: Mapping[str, Any]) -> bytes:
    """Return the quote; an event log may come along and is ignored. Raises RefusedError."""
    only_keys("TDX evidence", evidence, {"quote"}, {"cc_eventlog"})
    return octets("quote", evidence["quote"], QUOTE_BYTES_MAX)


def octets(name: str, value: object, size_max: int) -> bytes:
    """Return bytes given as base64 or as a list of numbers (as Rust's serde writes them)."""
    if not isinstance(value, list):
        return base64_bytes(name, value, size_max)
    if len(value) > size_max:
        raise refuse(name, f"{len(value)} bytes", f"at most {size_max} bytes")
    if not all(type(item) is int and 0 <= item <= 255 for item in value):
        raise refuse(name, "a list", "a list of bytes")
    return bytes(value)


def _limit(name: str, raw: bytes, size_max: int) -> None:
    if len(raw) > size_max:
        raise refuse(f"{name} length", f"{len(raw)} bytes", f"at most {size_max} bytes")
