# SPDX-License-Identifier: Apache-2.0
"""TDX quotes, versions 4 and 5, parsed strictly: header, TD report, signature data.

Layout: Intel TDX DCAP Quoting Library API, appendix A ("Version 4/5 Quote Format").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields

from rktio.owner.claims import refuse

QUOTE_BYTES_MAX = 16384
HEADER_BYTES = 48
TD10_BYTES = 584
TD15_BYTES = 648
TEE_TDX = 0x81
ECDSA_P256 = 2
INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
BODIES_V5 = {2: TD10_BYTES, 3: TD15_BYTES}  # SGX and service-TD bodies are not ours

ATTRIBUTE_DEBUG = 1 << 0
ATTRIBUTES_UNTRUSTED = 0xFF  # TUD: any of them set means that the TD is under debug


@dataclass(frozen=True)
class TdReport:
    """The fields of a TD report, in their order; bytes as Intel stores them."""

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmr0: bytes
    rtmr1: bytes
    rtmr2: bytes
    rtmr3: bytes
    report_data: bytes
    tee_tcb_svn2: bytes = b""
    mr_service_td: bytes = b""

    @property
    def debug(self) -> bool:
        """Say whether the host may look into the TD."""
        return bool(self.td_attributes[0] & ATTRIBUTES_UNTRUSTED)


SIZES = (16, 48, 48, 8, 8, 8, 48, 48, 48, 48, 48, 48, 48, 48, 64)
SIZES_TD15 = (*SIZES, 16, 48)


@dataclass(frozen=True)
class TdxQuote:
    """One quote; nothing of it is proven until it is verified."""

    raw: bytes
    version: int
    report: TdReport


def parse_quote(raw: bytes) -> TdxQuote:
    """Parse a quote of a TD. Raises RefusedError."""
    if not HEADER_BYTES < len(raw) <= QUOTE_BYTES_MAX:
        raise refuse("quote length", len(raw), f"{HEADER_BYTES} to {QUOTE_BYTES_MAX} bytes")
    version = _check_header(raw)
    start, size = _body(raw, version)
    end = start + size
    if len(raw) < end + 4:
        raise refuse("quote length", len(raw), f"at least {end + 4} bytes")
    (signature_bytes,) = struct.unpack_from("<I", raw, end)
    if signature_bytes > len(raw) - end - 4:
        raise refuse("signature length", signature_bytes, f"at most {len(raw) - end - 4}")
    if any(raw[end + 4 + signature_bytes :]):
        raise refuse("bytes after the signature", "not zero", "zeros or nothing")
    return TdxQuote(raw, version, _td_report(raw[start:end]))


def _check_header(raw: bytes) -> int:
    version: int
    version, key_type, tee = struct.unpack_from("<HHI", raw, 0)
    if version not in (4, 5):
        raise refuse("quote version", version, "4 or 5")
    if key_type != ECDSA_P256:
        raise refuse("attestation key type", key_type, f"{ECDSA_P256} (ECDSA P-256)")
    if tee != TEE_TDX:
        raise refuse("tee type", hex(tee), f"{TEE_TDX:#x} (TDX)")
    if raw[12:28] != INTEL_QE_VENDOR:
        raise refuse("quoting enclave vendor", raw[12:28], INTEL_QE_VENDOR)
    return version


def _body(raw: bytes, version: int) -> tuple[int, int]:
    """Return offset and size of the TD report; version 5 says its type and size."""
    if version == 4:
        return HEADER_BYTES, TD10_BYTES
    if len(raw) < HEADER_BYTES + 6:
        raise refuse("quote length", len(raw), f"at least {HEADER_BYTES + 6} bytes")
    kind, size = struct.unpack_from("<HI", raw, HEADER_BYTES)
    if kind not in BODIES_V5:
        raise refuse("quote body type", kind, "2 (TD report 1.0) or 3 (TD report 1.5)")
    if size != BODIES_V5[kind]:
        raise refuse("quote body size", size, BODIES_V5[kind])
    return HEADER_BYTES + 6, size


def _td_report(body: bytes) -> TdReport:
    values, offset = [], 0
    for size in SIZES if len(body) == TD10_BYTES else SIZES_TD15:
        values.append(body[offset : offset + size])
        offset += size
    return TdReport(**dict(zip((f.name for f in fields(TdReport)), values, strict=False)))
