# SPDX-License-Identifier: Apache-2.0
"""The key broker: a right handshake gets the secret; everything else is denied and written down."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.owner.broker import CHALLENGE_SECONDS, SESSION_SECONDS
from rktio.owner.messages import COOKIE
from rktio.owner.service import RateLimit
from rktio.owner.store import check_audit
from tests.unit.owner import minting
from tests.unit.owner.brokering import (
    AUTH,
    POLICY,
    PROCESS_REFERENCES,
    REFERENCES,
    RESOURCE,
    SECRET,
    Bench,
    make_bench,
)


def test_an_attested_enclave_gets_the_secret(bench: Bench) -> None:
    session = bench.attested()
    assert bench.released(session) == SECRET
    assert bench.released(session) == SECRET  # as often as it likes, within the session


def test_a_challenge_has_a_cookie_and_a_nonce(bench: Bench) -> None:
    answer = bench.http.post("/kbs/v0/auth", json=AUTH)
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in (COOKIE, "HttpOnly", "Secure", "SameSite=strict"))
    assert answer.json()["extra-params"] == {"selected-hash-algorithm": "sha384"}
    assert bench.challenge() != bench.challenge()


def test_a_denial_tells_the_owner_why_and_the_host_nothing(bench: Bench) -> None:
    session, nonce = bench.challenge()
    message = json.dumps(bench.message(nonce, measurement=b"\xee" * 48))
    answer = bench.http.post(
        "/kbs/v0/attest", content=message, headers={"Cookie": f"{COOKIE}={session}"}
    )
    assert answer.status_code == 401
    assert set(answer.json()) == {"type", "detail"}
    assert "ee" * 20 not in answer.text
    assert "measurement" not in answer.text
    refusal = bench.reason()["refusals"][0]
    assert refusal["claim"] == "measurement"
    assert refusal["measured"] == "ee" * 48
    assert minting.MEASUREMENT.hex() in refusal["expected"]


def test_a_nonce_is_used_once(bench: Bench) -> None:
    session, nonce = bench.challenge()
    message = bench.message(nonce)
    assert bench.attest(session, message) == 200
    assert bench.attest(session, message) == 401
    assert bench.claim() == "session"


def test_a_failed_attempt_uses_the_nonce_up(bench: Bench) -> None:
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce, vmpl=1)) == 401
    assert bench.attest(session, bench.message(nonce)) == 401
    assert bench.claim() == "session"
    assert bench.resource(session)[0] == 401


def test_the_nonce_of_another_session_is_refused(bench: Bench) -> None:
    session, _ = bench.challenge()
    _, other = bench.challenge()
    assert bench.attest(session, bench.message(other)) == 401
    assert bench.claim() == "nonce"


def test_a_swapped_key_is_refused(bench: Bench) -> None:
    session, nonce = bench.challenge()
    message = bench.message(nonce)
    bench.key = type(bench)(bench.folder, bench.store, bench.clock, bench.http).key
    message["runtime-data"]["tee-pubkey"] = bench.message(nonce)["runtime-data"]["tee-pubkey"]
    assert bench.attest(session, message) == 401
    assert bench.claim() == "report_data"


def test_challenges_and_sessions_expire(bench: Bench) -> None:
    session, nonce = bench.challenge()
    bench.clock.now += CHALLENGE_SECONDS + 1
    assert bench.attest(session, bench.message(nonce)) == 401
    session = bench.attested()
    bench.clock.now += SESSION_SECONDS + 1
    assert bench.resource(session)[0] == 401
    assert bench.claim() == "session"


def test_an_unattested_session_gets_nothing(bench: Bench) -> None:
    session, _ = bench.challenge()
    for cookie in (session, None, "", "unknown", "x" * 500):
        assert bench.resource(cookie)[0] == 401


def test_only_granted_resources_are_given(bench: Bench) -> None:
    bench.store.put_resource("default/disk-key/other", b"another secret", 0)
    session = bench.attested()
    assert bench.resource(session, "default/disk-key/other")[0] == 403
    assert bench.claim() == "resource"
    assert bench.resource(session, "default/disk-key/absent")[0] == 403


def test_a_granted_resource_that_is_not_there_is_404(bench: Bench) -> None:
    bench.store.remove_resource(RESOURCE)
    assert bench.resource(bench.attested())[0] == 404


def test_a_deleted_reference_value_denies_at_once(bench: Bench) -> None:
    session = bench.attested()
    bench.rules(references="version = 1\n")
    assert bench.resource(session)[0] == 403
    assert bench.reason()["refusals"][0] == {
        "claim": "reference value",
        "measured": "deleted or missing",
        "expected": "redis",
    }
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 401


def test_a_deleted_grant_denies_at_once(bench: Bench) -> None:
    session = bench.attested()
    bench.rules(policy="version = 1\n")
    assert bench.resource(session)[0] == 403


@pytest.mark.parametrize(
    "name", ["policy.toml", "references.toml", "policy.toml.sig", "references.toml.sig"]
)
def test_missing_or_changed_rules_deny_everything(bench: Bench, name: str) -> None:
    session = bench.attested()
    path = bench.folder.path / name
    changed = bytearray(path.read_bytes())
    changed[5] ^= 1
    path.write_bytes(changed)
    assert bench.resource(session)[0] == 403
    path.unlink()
    assert bench.resource(session)[0] == 403
    assert name in bench.claim()


def test_signatures_of_policy_and_references_are_not_interchangeable(bench: Bench) -> None:
    session = bench.attested()
    for suffix in ("", ".sig"):
        source = bench.folder.path / f"references.toml{suffix}"
        (bench.folder.path / f"policy.toml{suffix}").write_bytes(source.read_bytes())
    assert bench.resource(session)[0] == 403
    assert "signature" in bench.claim()


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"policy": 0xB0000}, "debug"),
        ({"policy": 0x70000}, "migration_agent"),
        ({"vmpl": 2}, "vmpl"),
        ({"committed": bytes((4, 0, 0, 0, 0, 0, 23, 219))}, "committed_tcb.snp"),
        ({"measurement": bytes(48)}, "measurement"),
    ],
)
def test_a_claim_that_the_reference_does_not_allow_is_refused(
    bench: Bench, changes: dict[str, object], claim: str
) -> None:
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce, **changes)) == 401
    assert bench.claim() == claim


def test_a_tcb_below_the_minimum_is_refused(bench: Bench) -> None:
    bench.rules(references=REFERENCES.replace("microcode = 217", "microcode = 218"))
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 401
    refusal = bench.reason()["refusals"][0]
    assert refusal["claim"] == "reported_tcb.microcode"
    assert (refusal["measured"], refusal["expected"][:12]) == ("217", "at least 218")


def test_host_data_must_match_where_it_is_demanded(bench: Bench) -> None:
    bench.rules(references=REFERENCES + f'host_data = ["{"12" * 32}"]\n')
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 401
    assert bench.claim() == "host_data"
    assert bench.attested(host_data=b"\x12" * 32)


def test_a_providers_key_must_be_allowed_by_name(bench: Bench) -> None:
    leaf = minting.Leaf("SEV-VLEK", "Milan", hardware_id=None, csp_id="CN=example")
    certificate = base64.b64encode(minting.mint().leaf(leaf, minting.chip_key())).decode()
    entry = {"cert_type": "VLEK", "data": certificate}

    def attest() -> int:
        session, nonce = bench.challenge()
        message = bench.message(nonce, key_info=4, chip_id=bytes(64))
        message["tee-evidence"]["primary_evidence"]["cert_chain"] = [entry]
        return bench.attest(session, message)

    assert attest() == 401
    assert bench.claim() == "endorsement"
    bench.rules(references=REFERENCES + 'endorsement = ["vlek"]\n')
    assert attest() == 200


def test_a_revoked_certificate_is_refused(bench: Bench) -> None:
    from rktio.owner.roots import fingerprint
    from rktio.owner.snp import load_certificate

    mark = fingerprint(load_certificate(minting.vcek()))
    bench.rules(policy=f'version = 1\nrevoked_certificates = ["{mark}"]\n')
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 401
    assert bench.claim() == "VCEK fingerprint"


def test_a_revocation_list_in_the_folder_counts(bench: Bench) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    own = minting.mint()
    revoked = own.revoke(2, by=own.ark).public_bytes(Encoding.DER)
    (bench.folder.path / "crl" / "milan.crl").write_bytes(revoked)
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 401
    assert bench.claim() == "ASK serial"


def test_process_evidence_needs_a_policy_that_names_it(bench: Bench) -> None:
    bench.rules(references=PROCESS_REFERENCES)
    session, nonce = bench.challenge("process")
    assert bench.attest(session, bench.process_message(nonce)) == 401
    assert bench.claim() == "tee"
    bench.rules(references=PROCESS_REFERENCES, policy="insecure_process = true\n" + POLICY)
    session, nonce = bench.challenge("process")
    assert bench.attest(session, bench.process_message(nonce)) == 200
    assert bench.released(session) == SECRET


def test_process_evidence_does_not_pass_for_a_tee(bench: Bench) -> None:
    bench.rules(references=PROCESS_REFERENCES, policy="insecure_process = true\n" + POLICY)
    session, nonce = bench.challenge("snp")
    assert bench.attest(session, bench.process_message(nonce)) == 401
    assert bench.claim().startswith("SNP evidence")


def test_long_bodies_are_refused(bench: Bench) -> None:
    assert bench.http.post("/kbs/v0/auth", content=b" " * 5000).status_code == 413
    assert bench.http.post("/kbs/v0/attest", content=b" " * 200_000).status_code == 413


def test_a_client_that_hurries_is_slowed_down(tmp_path: Path) -> None:
    now = [0.0]
    limited = make_bench(tmp_path / "keys", RateLimit(1, 3, lambda: now[0]))
    codes = [limited.http.post("/kbs/v0/auth", json=AUTH).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    now[0] = 1.5
    assert limited.http.post("/kbs/v0/auth", json=AUTH).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/kbs/v0/auth", 405),
        ("POST", "/kbs/v0/resource/a/b/c", 405),
        ("GET", "/kbs/v0/resource/a/b", 404),
        ("GET", "/kbs/v0/resource/a/b/c/d", 404),
        ("GET", "/kbs/v0/resource/..%2f/b/c", 404),
    ],
)
def test_other_paths_give_errors_of_the_protocol(
    bench: Bench, method: str, path: str, status: int
) -> None:
    answer = bench.http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"type", "detail"}


def test_an_internal_error_is_denied_and_written_down(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr("rktio.owner.broker.verify_snp", broken)
    session, nonce = bench.challenge()
    assert bench.attest(session, bench.message(nonce)) == 500
    assert "ZeroDivisionError" in bench.claim()


def test_nothing_is_given_that_cannot_be_written_down(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = bench.attested()

    def full(*_: object) -> int:
        raise RktioError("the disk is full")

    monkeypatch.setattr(bench.store, "append", full)
    status, answer = bench.resource(session)
    assert status == 500
    assert "ciphertext" not in answer


def test_the_audit_log_is_one_unbroken_chain(bench: Bench) -> None:
    bench.attested()
    bench.resource(None)
    entries = bench.store.audit()
    check_audit(entries)
    assert [entry.verdict for entry in entries] == ["granted", "granted", "denied"]
