# SPDX-License-Identifier: Apache-2.0
"""Parsers of evidence and messages, fuzzed: whatever comes, they parse or refuse, and never crash.

`--hypothesis-seed` repeats a run; RKT_IO_FUZZ=N makes N examples of each (200 by default).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rktio.common.errors import RktioError
from rktio.owner import messages, snp, tdx
from rktio.owner.claims import RefusedError
from rktio.owner.encoding import parse_object
from rktio.owner.jwe import decrypt
from rktio.owner.jwk import parse_jwk
from rktio.owner.kbs_client import new_key
from rktio.owner.policy import load_rules
from rktio.owner.process import verify_process
from rktio.owner.signed import sign_file
from rktio.owner.snp_report import parse_report
from rktio.owner.tdx_quote import parse_quote
from tests.unit.owner import genuine, minting
from tests.unit.owner.brokering import AUTH, REFERENCES, Bench
from tests.unit.owner.test_policy import OWNER

FUZZ = settings(
    max_examples=int(os.environ.get("RKT_IO_FUZZ", "200")),
    deadline=None,
    derandomize="RKT_IO_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
QUOTE = genuine.sample("tdx-tdx_quote")
QUOTE_5 = genuine.sample("tdx-tdx_quote_5")
REPORT = genuine.sample("snp-report.bin")
VCEK = genuine.sample("snp-vcek.der")
COLLATERAL = genuine.collateral("tdx_quote")
KEY = new_key()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kty", "alg", "crv", "x", "y", "n", "e", "data", "quote", "warning"])
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn, original: bytes) -> bytes:
    """Return bytes that differ from the original in a few places, or in length."""
    raw = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "truncate"]))
        if kind == "set" and start < len(raw):
            raw[start] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del raw[start : start + draw(st.integers(1, 64))]
        elif kind == "insert":
            raw[start:start] = draw(st.binary(min_size=1, max_size=64))
        elif kind == "truncate":
            del raw[start:]
    return bytes(raw)


@FUZZ
@given(damaged(REPORT))
def test_damaged_reports(raw: bytes) -> None:
    if raw == REPORT:
        return
    data = genuine.snp_report_data(REPORT)
    with pytest.raises(RefusedError):
        snp.verify_snp(raw, VCEK, data, minting.mint().trust(), genuine.SNP_TIME)


@FUZZ
@given(st.binary(max_size=1300), st.booleans())
def test_arbitrary_reports(raw: bytes, zen5: bool) -> None:
    with pytest.raises(RefusedError):
        parse_report(raw, zen5=zen5)


@FUZZ
@given(damaged(VCEK))
def test_damaged_certificates(raw: bytes) -> None:
    if raw == VCEK:
        return
    from rktio.owner.roots import amd_trust

    data = genuine.snp_report_data(REPORT)
    with pytest.raises(RefusedError):
        snp.verify_snp(REPORT, raw, data, amd_trust(), genuine.SNP_TIME)


@FUZZ
@given(damaged(QUOTE))
def test_damaged_quotes(raw: bytes) -> None:
    data = parse_quote(QUOTE).report.report_data
    try:
        claims = tdx.verify_tdx(raw, data, lambda _: COLLATERAL, genuine.TDX_TIME)
    except RefusedError:
        return
    assert raw.rstrip(b"\0") == QUOTE.rstrip(b"\0"), claims  # zeros may follow a quote


@FUZZ
@given(damaged(QUOTE_5) | st.binary(max_size=700))
def test_damaged_quotes_of_version_5(raw: bytes) -> None:
    with contextlib.suppress(RefusedError):
        parse_quote(raw)


@FUZZ
@given(damaged(COLLATERAL.encode()))
def test_damaged_collateral(raw: bytes) -> None:
    data = parse_quote(QUOTE).report.report_data
    text = raw.decode(errors="replace")
    with contextlib.suppress(RefusedError):
        tdx.verify_tdx(QUOTE, data, lambda _: text, genuine.TDX_TIME)


@FUZZ
@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_arbitrary_messages(raw: bytes) -> None:
    for parse in (messages.parse_request, messages.parse_attestation):
        with pytest.raises(RefusedError):
            parse(raw)
    with contextlib.suppress(RefusedError):
        assert isinstance(parse_object("message", raw), dict)


@FUZZ
@given(JSON)
def test_arbitrary_members(value: Any) -> None:
    with pytest.raises(RefusedError):
        parse_jwk(value)
    with pytest.raises(RefusedError):
        decrypt(value, KEY)
    if isinstance(value, dict):
        with pytest.raises(RefusedError):
            messages.parse_snp_evidence(value)
        with pytest.raises(RefusedError):
            verify_process(value, bytes(64))
        with contextlib.suppress(RefusedError):
            messages.parse_tdx_evidence(value)


@FUZZ
@given(damaged(REFERENCES.encode()))
def test_damaged_rules(tmp_path: Path, raw: bytes) -> None:
    for name, contents in (("references", raw), ("policy", b"version = 1\n")):
        (tmp_path / f"{name}.toml").write_bytes(contents)
        sign_file(tmp_path / f"{name}.toml", name, OWNER)
    try:
        found = load_rules(tmp_path, OWNER.public_key())
    except RktioError:
        return
    assert all(r.values["measurement"] for r in found.references.values())


@settings(FUZZ, max_examples=60)
@given(st.data())
def test_a_broker_survives_damaged_attestations(bench: Bench, data: st.DataObject) -> None:
    session, nonce = bench.challenge()
    right = json.dumps(bench.message(nonce)).encode()
    raw = data.draw(damaged(right))
    status = bench.attest(session, raw)
    if status == 200:  # only what spells the same message
        assert json.loads(raw) == json.loads(right)
    else:
        assert status == 401, bench.reason()


@settings(FUZZ, max_examples=60)
@given(JSON | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_a_broker_survives_arbitrary_requests(bench: Bench, value: Any) -> None:
    body = json.dumps({**AUTH, "extra-params": value}).encode()
    assert bench.http.post("/kbs/v0/auth", content=body).status_code in (200, 401)
    assert bench.http.post("/kbs/v0/attest", content=body).status_code == 401
