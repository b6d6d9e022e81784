# SPDX-License-Identifier: Apache-2.0
"""More than a hundred forgeries against one broker: each refused, and named to the owner."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rktio.owner.jwk import to_jwk
from tests.unit.owner import genuine, minting
from tests.unit.owner.brokering import SECRET, Bench, attestation, snp_evidence
from tests.unit.owner.minting import NOW, Fields, Leaf, Mint, mint

Message = dict[str, Any]


def put(path: str, value: object) -> Callable[[Message], object]:
    """Return a mutation that sets one member, given as a/b/c; numbers index lists."""

    def change(message: Message) -> object:
        place: Any = message
        *way, last = path.split("/")
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value
        return message

    return change


def drop(path: str) -> Callable[[Message], object]:
    """Return a mutation that removes one member."""

    def change(message: Message) -> object:
        place: Any = message
        *way, last = path.split("/")
        for step in way:
            place = place[step]
        del place[last]
        return message

    return change


def raw(change: Callable[[bytes], bytes]) -> Callable[[Message], object]:
    """Return a mutation of the message's text."""
    return lambda message: change(json.dumps(message).encode())


def flip(offset: int) -> Callable[[Message], object]:
    """Return a mutation that flips one bit of the report."""

    def change(message: Message) -> object:
        evidence = message["tee-evidence"]["primary_evidence"]
        report = bytearray(base64.b64decode(evidence["attestation_report"]))
        report[offset] ^= 1 << offset % 8
        evidence["attestation_report"] = base64.b64encode(report).decode()
        return message

    return change


def certificate(der: bytes) -> Callable[[Message], object]:
    return put(f"{EVIDENCE}/cert_chain/0/data", base64.b64encode(der).decode())


def leaf(**changes: Any) -> Callable[[Message], object]:
    return lambda message: certificate(mint().leaf(Leaf(**changes), minting.chip_key()))(message)


def resigned(message: Message) -> object:
    """Sign the right report with the key of a stranger."""
    evidence = message["tee-evidence"]["primary_evidence"]
    report = bytearray(base64.b64decode(evidence["attestation_report"]))
    stranger = ec.generate_private_key(ec.SECP384R1())
    evidence["attestation_report"] = base64.b64encode(minting.signed(report, stranger)).decode()
    return message


EVIDENCE = "tee-evidence/primary_evidence"
KEY = "runtime-data/tee-pubkey"
RSA_KEY = to_jwk(rsa.generate_private_key(65537, 2048).public_key())
OTHER_KEY = to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
NESTED = b'{"a":' * 5000 + b"1" + b"}" * 5000

MESSAGES: list[tuple[str, Callable[[Message], object], str]] = [
    ("empty", lambda m: b"", "attestation"),
    ("not JSON", lambda m: b"\x00\xff\xfe", "attestation"),
    ("a list", lambda m: b"[]", "attestation"),
    ("a number", lambda m: b"1", "attestation"),
    ("nested", lambda m: NESTED, "attestation"),
    ("NaN", raw(lambda t: t.replace(b'""', b"NaN")), "attestation"),
    ("truncated", raw(lambda t: t[:-1]), "attestation"),
    ("followed", raw(lambda t: t + b"{}"), "attestation"),
    ("double key", raw(lambda t: t.replace(b"{", b'{"runtime-data": 1, ', 1)), "attestation"),
    ("unknown key", put("more", 1), "attestation keys"),
    ("init data", put("init-data", {"format": "toml", "body": ""}), "init-data"),
    ("no runtime data", drop("runtime-data"), "attestation.runtime-data"),
    ("no evidence", drop("tee-evidence"), "attestation.tee-evidence"),
    ("runtime data a string", put("runtime-data", ""), "runtime-data"),
    ("no nonce", drop("runtime-data/nonce"), "runtime-data.nonce"),
    ("nonce a number", put("runtime-data/nonce", 5), "runtime-data.nonce"),
    ("nonce long", put("runtime-data/nonce", "A" * 129), "runtime-data.nonce"),
    ("nonce wrong", put("runtime-data/nonce", "A" * 44), "nonce"),
    ("nonce not ASCII", put("runtime-data/nonce", "\u00e9\ud800"), "attestation"),
    ("no key", drop(KEY), "runtime-data.tee-pubkey"),
    ("key null", put(KEY, None), "tee-pubkey"),
    ("key of another", put(KEY, OTHER_KEY), "report_data"),
    ("key of another kind", put(KEY, RSA_KEY), "report_data"),
    ("key kty", put(f"{KEY}/kty", "oct"), "tee-pubkey.kty"),
    ("key kty list", put(f"{KEY}/kty", []), "tee-pubkey.kty"),
    ("key alg", put(f"{KEY}/alg", "RSA1_5"), "tee-pubkey.alg"),
    ("key alg none", put(f"{KEY}/alg", "none"), "tee-pubkey.alg"),
    ("key crv", put(f"{KEY}/crv", "secp256k1"), "tee-pubkey.crv"),
    ("key crv other", put(f"{KEY}/crv", "P-384"), "tee-pubkey coordinates"),
    ("key crv dict", put(f"{KEY}/crv", {}), "tee-pubkey.crv"),
    ("key off the curve", put(f"{KEY}/x", "A" * 43), "tee-pubkey point"),
    ("key x padded", put(f"{KEY}/x", "A" * 43 + "="), "tee-pubkey.x"),
    ("key x short", put(f"{KEY}/x", "AAAA"), "tee-pubkey coordinates"),
    ("key x stray bits", put(f"{KEY}/x", "A" * 42 + "B"), "tee-pubkey.x"),
    ("key x missing", drop(f"{KEY}/x"), "tee-pubkey.x"),
    ("key with more", put(f"{KEY}/d", "secret"), "tee-pubkey keys"),
    ("key RSA small", put(KEY, {**RSA_KEY, "n": "AQAB"}), "tee-pubkey.n"),
    ("key RSA exponent", put(KEY, {**RSA_KEY, "e": "Aw"}), "tee-pubkey.e"),
    ("key RSA PKCS1", put(KEY, {**RSA_KEY, "alg": "RSA1_5"}), "tee-pubkey.alg"),
    ("evidence a list", put("tee-evidence", []), "tee-evidence"),
    ("no primary", drop(EVIDENCE), "tee-evidence.primary_evidence"),
    ("primary a string", put(EVIDENCE, "{}"), "primary_evidence"),
    ("additional", put("tee-evidence/additional_evidence", '{"x":1}'), "additional_evidence"),
    ("additional empty object", put("tee-evidence/additional_evidence", "{}"), "report_data"),
    ("additional null", put("tee-evidence/additional_evidence", None), "additional_evidence"),
    ("no report", drop(f"{EVIDENCE}/attestation_report"), "SNP evidence.attestation_report"),
    ("report null", put(f"{EVIDENCE}/attestation_report", None), "attestation_report"),
    ("report empty", put(f"{EVIDENCE}/attestation_report", ""), "report length"),
    ("report not base64", put(f"{EVIDENCE}/attestation_report", "????"), "attestation_report"),
    ("report of no bytes", put(f"{EVIDENCE}/attestation_report", [256]), "attestation_report"),
    ("report of booleans", put(f"{EVIDENCE}/attestation_report", [True]), "attestation_report"),
    ("report long", put(f"{EVIDENCE}/attestation_report", [0] * 5000), "attestation_report"),
    ("no chain", drop(f"{EVIDENCE}/cert_chain"), "SNP evidence.cert_chain"),
    ("chain empty", put(f"{EVIDENCE}/cert_chain", []), "cert_chain"),
    ("chain null", put(f"{EVIDENCE}/cert_chain", None), "cert_chain"),
    ("chain of text", put(f"{EVIDENCE}/cert_chain", ["x"]), "cert_chain entry"),
    ("chain too long", put(f"{EVIDENCE}/cert_chain", [{}] * 9), "cert_chain"),
    ("certificate type", put(f"{EVIDENCE}/cert_chain/0/cert_type", "CRL"), "cert_type"),
    ("only an ARK", put(f"{EVIDENCE}/cert_chain/0/cert_type", "ARK"), "cert_chain"),
    ("certificate empty", certificate(b""), "certificate"),
    ("certificate long", certificate(bytes(9000)), "cert_chain data"),
    ("certificate zeros", certificate(bytes(1000)), "certificate"),
    ("certificate genuine", certificate(genuine.sample("snp-vcek.der")), "VCEK signature"),
    ("certificate expired", leaf(end=NOW - timedelta(days=1)), "VCEK valid until"),
    ("certificate early", leaf(begin=NOW + timedelta(days=1)), "VCEK valid from"),
    ("certificate level", leaf(levels={**minting.LEVELS, "snp": 23}), "reported_tcb.snp"),
    ("certificate chip", leaf(hardware_id=bytes(64)), "chip_id"),
    ("certificate name", leaf(common_name="SEV-VLEK"), "certificate name"),
    ("certificate product", leaf(product="Rome"), "product"),
    ("report of a stranger", resigned, "report signature"),
]
MESSAGES += [(f"bit of report byte {n:#x}", flip(n), "") for n in range(0, 0x330, 17)]

EVIDENCES: list[tuple[str, dict[str, object], str]] = [
    ("debug", {"policy": 0xB0000}, "debug"),
    ("migration agent", {"policy": 0x70000}, "migration_agent"),
    ("VMPL 1", {"vmpl": 1}, "vmpl"),
    ("no measurement", {"measurement": bytes(48)}, "measurement"),
    ("old nonce", {"report_data": bytes(64)}, "report_data"),
    ("old TCB", {"reported": bytes((3, 0, 0, 0, 0, 0, 24, 217))}, "reported_tcb.bootloader"),
    ("rolled back", {"committed": bytes((4, 0, 0, 0, 0, 0, 24, 1))}, "committed_tcb.microcode"),
]


def check_still_serving(bench: Bench) -> None:
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 200
    assert bench.released(session) == SECRET


def test_there_are_more_than_a_hundred() -> None:
    assert len(MESSAGES) + len(EVIDENCES) > 100


def test_every_forged_message_is_refused_by_name(bench: Bench) -> None:
    reasons = set()
    for name, change, claim in MESSAGES:
        session, nonce = bench.challenge()
        status = bench.attest(session, change(bench.message(nonce)))
        assert status == 401, name
        found = bench.claim()
        assert found == claim or not claim, (name, bench.reason())
        reasons.add(json.dumps(bench.reason().get("refusals")))
        assert bench.resource(session)[0] == 401, name
    assert len(reasons) >= 60
    check_still_serving(bench)


@pytest.mark.parametrize(("name", "changes", "claim"), EVIDENCES)
def test_signed_but_wrong_evidence_is_refused_by_name(
    bench: Bench, name: str, changes: dict[str, object], claim: str
) -> None:
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce, **changes)) == 401
    assert bench.claim() == claim
    check_still_serving(bench)


def test_a_stranger_with_a_whole_chain_of_his_own_is_refused(bench: Bench) -> None:
    stranger, key = Mint(), ec.generate_private_key(ec.SECP384R1())
    session, nonce = bench.challenge()
    right = bench.message(nonce)["runtime-data"]["tee-pubkey"]
    from rktio.owner.messages import report_data

    forged = minting.signed(minting.unsigned(Fields(report_data=report_data(nonce, right))), key)
    evidence = snp_evidence(forged, stranger.leaf(Leaf(), key))
    assert bench.attest(session, attestation(nonce, right, evidence)) == 401
    assert bench.claim() == "VCEK signature"


REQUESTS: list[tuple[bytes, str]] = [
    (b"", "request"),
    (b"{}", "request.extra-params"),
    (b"null", "request"),
    (b'{"version":"0.4.0","tee":"snp"}', "request.extra-params"),
    (b'{"version":"0.4.0","tee":"snp","extra-params":1}', "request.extra-params"),
    (b'{"version":"0.4.0","tee":"sample","extra-params":""}', "request.tee"),
    (b'{"version":"0.4.0","tee":["snp"],"extra-params":""}', "request.tee"),
    (b'{"version":"0.1.1","tee":"snp","extra-params":""}', "request.version"),
    (b'{"version":4,"tee":"snp","extra-params":""}', "request.version"),
    (b'{"version":"0.4.0","tee":"snp","extra-params":"","x":1}', "request keys"),
    (b'{"version":"0.4.0","tee":"snp","tee":"tdx","extra-params":""}', "request"),
]


@pytest.mark.parametrize(("body", "claim"), REQUESTS)
def test_a_malformed_request_is_refused_by_name(bench: Bench, body: bytes, claim: str) -> None:
    assert bench.http.post("/kbs/v0/auth", content=body).status_code == 401
    assert bench.claim() == claim


def test_an_unsuitable_hash_is_refused(bench: Bench) -> None:
    extra = {"supported-hash-algorithms": ["sha256"]}
    body = {"version": "0.4.0", "tee": "snp", "extra-params": extra}
    assert bench.http.post("/kbs/v0/auth", json=body).status_code == 401
    assert "hash" in bench.claim()
