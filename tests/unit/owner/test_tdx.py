# SPDX-License-Identifier: Apache-2.0
"""TDX quotes: the genuine holds with its collateral; each forgery is refused and named."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from rktio.owner import tdx
from rktio.owner.claims import Claims, RefusedError
from rktio.owner.tdx_quote import parse_quote
from tests.unit.owner import genuine

QUOTE = genuine.sample("tdx-tdx_quote")
REPORT_DATA = parse_quote(QUOTE).report.report_data
REPORT_DATA_OFFSET = 48 + 520
ATTRIBUTES_OFFSET = 48 + 120


def verify(
    raw: bytes,
    data: bytes = REPORT_DATA,
    collateral: str | None = None,
    now: float = genuine.TDX_TIME,
) -> Claims:
    text = genuine.collateral("tdx_quote") if collateral is None else collateral
    return tdx.verify_tdx(raw, data, lambda fmspc: text, now)


def flipped(offset: int, bit: int = 0) -> bytes:
    raw = bytearray(QUOTE)
    raw[offset] ^= 1 << bit
    return bytes(raw)


def test_a_genuine_quote_holds() -> None:
    claims = verify(QUOTE)
    assert claims["tcb_status"] == "UpToDate"
    assert claims["fmspc"] == "B0C06F000000"
    assert str(claims["mr_td"]).startswith("91eb2b44")
    assert claims["debug"] is False


@pytest.mark.parametrize(
    ("name", "version", "debug"),
    [
        ("tdx_quote", 4, False),
        ("tdx_quote_4", 4, True),
        ("tdx_quote_5", 5, False),
        ("tdx_quote_6", 4, False),
        ("tdx_quote_outdated", 5, False),
    ],
)
def test_genuine_quotes_are_parsed(name: str, version: int, debug: bool) -> None:
    quote = parse_quote(genuine.sample(f"tdx-{name}"))
    assert (quote.version, quote.report.debug) == (version, debug)


def test_our_fields_are_those_of_dcap_qvl() -> None:
    import dcap_qvl

    for name in ("tdx_quote", "tdx_quote_5"):
        raw = genuine.sample(f"tdx-{name}")
        ours, theirs = parse_quote(raw).report, dcap_qvl.parse_quote(raw).report
        assert ours.mr_td == theirs.mr_td
        assert ours.rtmr3 == theirs.rt_mr3
        assert ours.td_attributes == theirs.td_attributes
        assert ours.report_data == theirs.report_data


def test_a_genuine_debug_quote_is_refused() -> None:
    raw = genuine.sample("tdx-tdx_quote_4")
    with pytest.raises(RefusedError, match="debug attribute"):
        verify(raw, parse_quote(raw).report.report_data)


@pytest.mark.parametrize("bit", range(8))
def test_each_bit_of_debug_is_refused(bit: int) -> None:
    with pytest.raises(RefusedError, match="debug attribute"):
        verify(flipped(ATTRIBUTES_OFFSET, bit))


def test_report_data_of_another_request_is_refused() -> None:
    with pytest.raises(RefusedError, match="report_data"):
        verify(QUOTE, bytes(64))


@pytest.mark.parametrize("offset", [*range(28, 632, 13), *range(640, 4900, 71)])
def test_a_flipped_bit_is_refused(offset: int) -> None:
    with pytest.raises(RefusedError):
        verify(flipped(offset))


@pytest.mark.parametrize("now", [0.0, genuine.TDX_TIME + 3600 * 24 * 365])
def test_collateral_outside_its_time_is_refused(now: float) -> None:
    with pytest.raises(RefusedError, match="quote verification"):
        verify(QUOTE, now=now)


def test_a_platform_below_every_tcb_level_is_refused() -> None:
    raw = genuine.sample("tdx-tdx_quote_outdated")
    collateral = genuine.collateral("tdx_quote_outdated")
    now = 1771500000.0  # within that collateral's validity
    with pytest.raises(RefusedError, match="TCB level"):
        verify(raw, parse_quote(raw).report.report_data, collateral, now)


def test_collateral_of_another_platform_is_refused() -> None:
    with pytest.raises(RefusedError, match="quote verification"):
        verify(QUOTE, collateral=genuine.collateral("tdx_quote_outdated"), now=1771500000.0)


def test_changed_collateral_is_refused() -> None:
    data = json.loads(genuine.collateral("tdx_quote"))
    data["tcb_info"] = data["tcb_info"].replace('"OutOfDate"', '"UpToDate"', 1)
    with pytest.raises(RefusedError, match="quote verification"):
        verify(QUOTE, collateral=json.dumps(data))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"tcb_info": 1}'])
def test_what_is_no_collateral_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="quote verification"):
        verify(QUOTE, collateral=text)


def test_a_platform_without_collateral_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"B0C06F000000\.json"):
        tdx.verify_tdx(QUOTE, REPORT_DATA, tdx.collateral_in(tmp_path), genuine.TDX_TIME)


def test_collateral_comes_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "B0C06F000000.json").write_text(genuine.collateral("tdx_quote"))
    assert tdx.verify_tdx(QUOTE, REPORT_DATA, tdx.collateral_in(tmp_path), genuine.TDX_TIME)


@pytest.mark.parametrize(
    ("offset", "form", "value", "claim"),
    [
        (0, "<H", 3, "quote version"),
        (0, "<H", 6, "quote version"),
        (2, "<H", 3, "attestation key type"),
        (4, "<I", 0, "tee type"),
        (12, "<H", 0, "quoting enclave vendor"),
        (632, "<I", 99999, "signature length"),
    ],
)
def test_a_wrong_header_is_refused_by_name(offset: int, form: str, value: int, claim: str) -> None:
    raw = bytearray(QUOTE)
    struct.pack_into(form, raw, offset, value)
    with pytest.raises(RefusedError, match=claim):
        verify(bytes(raw))


@pytest.mark.parametrize(
    ("offset", "form", "value", "claim"),
    [(48, "<H", 1, "quote body type"), (50, "<I", 100, "quote body size")],
)
def test_a_wrong_body_of_version_5_is_refused(
    offset: int, form: str, value: int, claim: str
) -> None:
    raw = bytearray(genuine.sample("tdx-tdx_quote_5"))
    struct.pack_into(form, raw, offset, value)
    with pytest.raises(RefusedError, match=claim):
        parse_quote(bytes(raw))


@pytest.mark.parametrize("size", [0, 1, 48, 49, 100, 631, 635, 5007, 20000])
def test_a_truncated_or_padded_quote_is_refused(size: int) -> None:
    with pytest.raises(RefusedError):
        verify(QUOTE.ljust(size, b"\1")[:size])
