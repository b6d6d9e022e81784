# SPDX-License-Identifier: Apache-2.0
"""Verification of TDX quotes by dcap-qvl, with collateral that the owner keeps offline.

Collateral (TCB info, QE identity, revocation lists: all signed by Intel) is one JSON file for each
platform family, `collateral/<FMSPC>.json`, in the form that dcap-qvl and Intel's QVL use.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Protocol

import dcap_qvl

from rktio.owner.claims import Claims, refuse
from rktio.owner.tdx_quote import TdxQuote, parse_quote

COLLATERAL_BYTES_MAX = 1 << 20


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
    try:
        return str(dcap_qvl.parse_quote(raw).fmspc()).upper()
    except ValueError as error:
        raise refuse("PCK certificate", error, "a chain with Intel's SGX extension") from error


def _verified(raw: bytes, collateral: str, now: float) -> dcap_qvl.VerifiedReport:
    try:
        parsed = dcap_qvl.QuoteCollateralV3.from_json(collateral)
        return dcap_qvl.verify(raw, parsed, int(now))
    except (ValueError, json.JSONDecodeError) as error:
        raise refuse("quote verification", error, "signatures and TCB of Intel") from error
