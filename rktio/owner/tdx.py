# SPDX-License-Identifier: Apache-2.0
"""Verification of TDX quotes by dcap-qvl, with collateral that the owner keeps offline.

Collateral (TCB info, QE identity, revocation lists: all signed by Intel) is one JSON file for each
platform family, `collateral/<FMSPC>.json`, in the form that dcap-qvl and Intel's QVL use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Protocol

import dcap_qvl
from cryptography import x509

from rktio.owner.claims import Claims, refuse
from rktio.owner.roots import fingerprint
from rktio.owner.tdx_quote import TdxQuote, parse_quote

# SHA-256 of the DER of "Intel SGX Root CA".
INTEL_ROOT = "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"

COLLATERAL_BYTES_MAX = 1 << 20

# The chain in a quote is signed, its line breaks are not: one spelling only.
PEM_CHAIN = re.compile(
    rb"(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/]{1,64}={0,2}\n)+"
    rb"-----END CERTIFICATE-----\n?)+\0?"
)


class CollateralSource(Protocol):
    """Finds collateral for a platform family."""

    def __call__(self, fmspc: str) -> str | None:
        """Return the JSON text for an FMSPC (12 hex digits), or None."""


def collateral_in(folder: Path) -> CollateralSource:
    """Return a source that reads `<FMSPC>.json` in a folder."""

    def read(fmspc: str) -> str | None:
        path = folder / f"{fmspc}.json"
        if not path.is_file() or path.stat().st_size > COLLATERAL_BYTES_MAX:
            return None
        return path.read_text(errors="replace")

    return read


def verify_tdx(raw: bytes, report_data: bytes, source: CollateralSource, now: float) -> Claims:
    """Return what a quote proves, TCB status and debug attribute included. Raises RefusedError.

    The caller compares measurements, attributes and TCB status with its reference values.
    """
    quote = parse_quote(raw)
    if quote.report.report_data != report_data:
        raise refuse("report_data", quote.report.report_data, report_data)
    if quote.report.debug:
        raise refuse("debug attribute", quote.report.td_attributes, "bits 0 to 7 clear")
    if any(quote.report.seam_attributes):
        raise refuse("seam_attributes", quote.report.seam_attributes, "zeros")
    fmspc = _fmspc(raw)
    text = source(fmspc)
    if text is None:
        raise refuse("fmspc", fmspc, f"one with collateral; there is no {fmspc}.json")
    verified = _verified(raw, text, now)
    claims = claims_of(quote)
    claims["fmspc"] = fmspc
    claims["tcb_status"] = verified.status
    claims["advisories"] = ",".join(sorted(verified.advisory_ids))
    return claims


def claims_of(quote: TdxQuote) -> Claims:
    """Return the claims of a quote's TD report."""
    claims: Claims = {
        field.name: getattr(quote.report, field.name).hex() for field in fields(quote.report)
    }
    return {"tee": "tdx", "debug": quote.report.debug, "quote_version": quote.version, **claims}


def _fmspc(raw: bytes) -> str:
    """Return the platform family of the PCK certificate; not proven until verified."""
    with _library("PCK certificate", "a chain with Intel's SGX extension"):
        quote = dcap_qvl.parse_quote(raw)
        _check_root(quote.cert_chain_pem_bytes() or b"")
        return str(quote.fmspc()).upper()
    raise AssertionError  # not reached: _library doesn't swallow


def _check_root(chain: bytes) -> None:
    """Refuse a chain that isn't spelt as Intel does or ends in another root than Intel's.

    dcap-qvl has that root itself, and ignores what stands there.
    """
    if not PEM_CHAIN.fullmatch(chain):
        raise refuse("PCK certificate chain", f"{len(chain)} bytes", "PEM, canonical")
    root = fingerprint(x509.load_pem_x509_certificates(chain)[-1])
    if root != INTEL_ROOT:
        raise refuse("root of the PCK certificate chain", root, INTEL_ROOT)


def _verified(raw: bytes, collateral: str, now: float) -> dcap_qvl.VerifiedReport:
    with _library("quote verification", "signatures and TCB of Intel"):
        parsed = dcap_qvl.QuoteCollateralV3.from_json(collateral)
        return dcap_qvl.verify(raw, parsed, int(now))
    raise AssertionError  # not reached: _library doesn't swallow


@contextmanager
def _library(claim: str, expected: str) -> Iterator[None]:
    """Turn errors of dcap-qvl into refusals; a panic of Rust isn't even an Exception."""
    try:
        yield
    except ValueError as error:
        raise refuse(claim, error, expected) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise refuse(claim, f"the verifier failed: {error}", expected) from error
        raise
