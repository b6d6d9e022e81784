# SPDX-License-Identifier: Apache-2.0
"""The client gets keys from a broker that believes it, and from no other; all over real TLS."""

from __future__ import annotations

import json
import random
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from rktio.owner.jwk import to_jwk
from rktio.owner.messages import COOKIE
from tests.native.keys import channel
from tests.native.keys.enclosed import Enclosed, Outcome, Tee
from tests.native.keys.relay import Exchange, Relay, Spoil
from tests.unit.owner import genuine, minting
from tests.unit.owner.brokering import PROCESS_REFERENCES, REFERENCES, Bench, make_bench

pytestmark = pytest.mark.needs("gcc")

SECRETS = {"root": bytes(range(64)), "data-db": bytes(64), "wireguard": b"w" * 32}
POLICY = "version = 1\n" + "".join(
    f'[[grant]]\nresource = "default/redis/{name}"\nreferences = ["redis"]\n' for name in SECRETS
)
INSECURE = "insecure_process = true\n" + POLICY


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a broker that knows one SNP enclave and has three keys for it."""
    made = make_bench(tmp_path / "keys")
    for name, secret in SECRETS.items():
        made.store.put_resource(f"default/redis/{name}", secret, made.clock.now)
    made.rules(REFERENCES, POLICY)
    yield made
    made.http.close()
    made.store.close()


@pytest.fixture
def relay(bench: Bench, tmp_path: Path) -> Iterator[Relay]:
    with Relay(bench, tmp_path) as started:
        yield started


Enclose = Callable[..., Enclosed]


@pytest.fixture
def enclose(client: Path, tmp_path: Path) -> Enclose:
    def make(kind: int = channel.PROCESS, tee: Tee | None = None) -> Enclosed:
        return Enclosed(client, tmp_path / "enclave", kind, minting.MEASUREMENT, tee)

    return make


def snp(certificate: bytes | None = None, guid: bytes = channel.VCEK, **fields: object) -> Tee:
    """Return a chip that signs reports."""

    def vouch(report_data: bytes) -> bytes:
        report = minting.report(**({"report_data": report_data} | fields))
        table = channel.certificate_table((guid, certificate or minting.vcek()))
        return channel.evidence(channel.SNP, report, table)

    return vouch


def released(outcome: Outcome, *names: str) -> None:
    assert (outcome.status, outcome.errors) == (0, "")
    assert outcome.keys == {name: SECRETS[name] for name in names}


def refused(outcome: Outcome, reason: str) -> None:
    """One line, which tells the host nothing but that it was refused."""
    assert (outcome.status, outcome.keys) == (1, {})
    assert outcome.errors.count("\n") == 1 and outcome.errors.startswith("rkt-io: keys: ")
    assert reason in outcome.errors
    assert "measure" not in outcome.errors and "expected" not in outcome.errors


def test_an_snp_enclave_gets_the_keys_that_its_configuration_needs(
    relay: Relay, enclose: Enclose
) -> None:
    enclave = enclose(channel.SNP, snp())
    released(enclave.run(relay.url, relay.fingerprint), "root")
    more = {"data": [{"name": "db"}], "wireguard": {}}
    released(enclave.run(relay.url, relay.fingerprint, **more), "root", "data-db", "wireguard")
    assert len(set(enclave.asked)) == 2  # each session has a nonce and a key of its own


def test_a_process_gets_keys_where_the_policy_names_it(
    bench: Bench, relay: Relay, enclose: Enclose
) -> None:
    bench.rules(PROCESS_REFERENCES, INSECURE)
    released(enclose().run(relay.url, relay.fingerprint), "root")


def test_a_process_is_refused_by_an_ordinary_policy(relay: Relay, enclose: Enclose) -> None:
    refused(enclose().run(relay.url, relay.fingerprint), "refuses the evidence (status 401)")


@pytest.mark.parametrize(
    ("tee", "claim"),
    [
        (snp(measurement=bytes(48)), "measurement"),
        (snp(report_data=bytes(64)), "report_data"),
        (snp(policy=0xB0000), "debug"),
        (snp(vmpl=1), "vmpl"),
        (snp(reported=bytes((3, 0, 0, 0, 0, 0, 24, 217))), "reported_tcb"),
        (snp(version=9), "version"),
        (snp(certificate=b"\0" * 100), "certificate"),
    ],
)
def test_evidence_that_is_not_as_expected_is_refused_and_the_owner_told_why(
    bench: Bench, relay: Relay, enclose: Enclose, tee: Tee, claim: str
) -> None:
    refused(enclose(channel.SNP, tee).run(relay.url, relay.fingerprint), "refuses the evidence")
    assert claim in bench.claim()


def test_certificates_that_expired_or_were_revoked_are_refused(
    bench: Bench, relay: Relay, enclose: Enclose
) -> None:
    early = minting.Leaf(end=minting.NOW - timedelta(days=1))
    expired = minting.mint().leaf(early, minting.chip_key())
    enclave = enclose(channel.SNP, snp(certificate=expired))
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    enclave.tee = snp()
    (bench.folder.path / "crl").mkdir(exist_ok=True)
    listed = minting.mint().revoke(minting.Leaf().serial, by=minting.mint().ask)
    (bench.folder.path / "crl" / "ask.crl").write_bytes(
        listed.public_bytes(serialization.Encoding.DER)
    )
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    assert bench.claim() == "VCEK serial"


def test_genuine_evidence_of_another_request_is_refused(
    bench: Bench, relay: Relay, enclose: Enclose
) -> None:
    report, vcek = genuine.sample("snp-report.bin"), genuine.sample("snp-vcek.der")
    table = channel.certificate_table((channel.VCEK, vcek))
    enclave = enclose(channel.SNP, lambda _: channel.evidence(channel.SNP, report, table))
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    quote = genuine.sample("tdx-tdx_quote")
    (enclave.folder / "tee").write_bytes(channel.TDX.to_bytes(4, "little"))
    enclave.tee = lambda _: channel.evidence(channel.TDX, quote)
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    assert bench.claim() == "report_data"


def test_a_deleted_reference_value_denies(bench: Bench, relay: Relay, enclose: Enclose) -> None:
    bench.rules("version = 1\n", POLICY)
    refused(enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint), "refuses the evidence")


def test_a_reference_value_that_is_deleted_after_the_attestation_denies(
    bench: Bench, relay: Relay, enclose: Enclose
) -> None:
    def delete(exchange: Exchange) -> None:
        if exchange.path.endswith("attest"):
            bench.rules("version = 1\n", POLICY)

    relay.after = delete
    outcome = enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint)
    refused(outcome, "refuses default/redis/root (status 403)")


def test_all_keys_come_or_none(bench: Bench, relay: Relay, enclose: Enclose) -> None:
    bench.store.remove_resource("default/redis/wireguard")
    outcome = enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint, wireguard={})
    refused(outcome, "refuses default/redis/wireguard (status 404)")


def other_nonce(exchange: Exchange) -> None:
    if exchange.path.endswith("auth"):
        head, _, body = exchange.answer.partition(b"\r\n\r\n")
        nonce = json.loads(body)["nonce"].encode()
        exchange.answer = (
            head + b"\r\n\r\n" + body.replace(nonce, nonce[::-1].replace(b"=", b"") + b"=")
        )


def own_key(exchange: Exchange) -> None:
    """Put a key of the man in the middle into the attestation."""
    if exchange.path.endswith("attest"):
        message = json.loads(exchange.body)
        message["runtime-data"]["tee-pubkey"] = to_jwk(minting.chip_key().public_key()) | {
            "alg": "ECDH-ES+A256KW"
        }
        exchange.body = json.dumps(message).encode()


def other_session(bench: Bench) -> Spoil:
    def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith("attest"):
            exchange.cookie = bench.challenge()[0]

    return spoil


def test_another_nonce_key_or_session_is_refused(
    bench: Bench, relay: Relay, enclose: Enclose
) -> None:
    enclave = enclose(channel.SNP, snp())
    relay.after = other_nonce
    refused(enclave.run(relay.url, relay.fingerprint), "")
    relay.after, relay.before = (lambda _: None), own_key
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    assert bench.claim() == "report_data"
    relay.before = other_session(bench)
    refused(enclave.run(relay.url, relay.fingerprint), "refuses the evidence")
    assert bench.claim() == "nonce"


def test_another_certificate_than_the_pinned_one_is_told_nothing(
    relay: Relay, enclose: Enclose
) -> None:
    wrong = relay.fingerprint[:-1] + ("0" if relay.fingerprint[-1] != "0" else "1")
    refused(enclose(channel.SNP, snp()).run(relay.url, wrong), "not the pinned one")
    assert relay.seen == []


def test_tls_below_1_3_is_refused(relay: Relay, enclose: Enclose) -> None:
    relay.version = ssl.TLSVersion.TLSv1_2
    refused(enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint), "no TLS 1.3")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1", "not https://"),
        ("https://broker.example", "an address and no name"),
        ("https://127.0.0.1:0", "not https://"),
        ("https://127.0.0.1:99999", "not https://"),
        ("https://127.0.0.1/path", "not https://"),
        ("https://[::1", "not https://"),
        ("https://" + "1" * 100, "not https://"),
        ("https://127.0.0.1:1", "cannot reach the key broker 127.0.0.1:1: Connection refused"),
    ],
)
def test_an_address_that_cannot_be_a_brokers_is_named(
    enclose: Enclose, url: str, reason: str
) -> None:
    refused(enclose(channel.SNP, snp()).run(url, "ab" * 32), reason)


STAGES = ("auth", "attest", "root")


@pytest.mark.parametrize("stage", STAGES)
def test_spoiled_answers_give_the_right_keys_or_none(
    relay: Relay, enclose: Enclose, stage: str
) -> None:
    """Some bits, in a date or a name of a header that nobody reads, are without meaning."""
    enclave = enclose(channel.SNP, snp())
    chance = random.Random(stage)

    def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith(stage):
            raw = bytearray(exchange.answer)
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            exchange.answer = bytes(raw[: chance.choice((len(raw), len(raw), 40, len(raw) - 1))])

    relay.after = spoil
    verdicts = []
    for _ in range(25):
        outcome = enclave.run(relay.url, relay.fingerprint)
        verdicts.append(outcome.status)
        if outcome.status:
            refused(outcome, "")
        else:
            released(outcome, "root")
    assert verdicts.count(1) >= 12


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n" + b"x" * 70_000,
        b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nLocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b'HTTP/1.1 401 x\r\ncontent-length: 30\r\n\r\n{"detail":"\\u001b[2Jline\\nline"}',
    ],
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_broker_gone_mad_is_refused(
    relay: Relay, enclose: Enclose, stage: str, answer: bytes
) -> None:
    def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith(stage):
            exchange.answer = answer

    relay.after = spoil
    refused(enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint), "the key broker")


def test_the_cookie_of_the_session_comes_along(relay: Relay, enclose: Enclose) -> None:
    cookies = []
    relay.before = lambda exchange: cookies.append(exchange.cookie)
    released(enclose(channel.SNP, snp()).run(relay.url, relay.fingerprint), "root")
    assert cookies[0] is None and cookies[1] and cookies[1] == cookies[2], COOKIE
