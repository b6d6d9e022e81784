# SPDX-License-Identifier: Apache-2.0
"""Spoiled messages of a broker are refused with a reason, and never crash the client."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rktio.owner.encoding import base64url
from tests.native.keys import channel
from tests.native.keys.channel import Parser, compact

pytestmark = pytest.mark.needs("gcc")


@pytest.fixture(scope="module")
def parser(messages: Path) -> Iterator[Parser]:
    with Parser(messages) as started:
        yield started


def mutations(message: bytes, count: int) -> Iterator[bytes]:
    """Yield copies with a flipped bit, a cut, a repetition, or foreign bytes, always the same."""
    chance = random.Random(len(message))
    for _ in range(count):
        at = chance.randrange(len(message))
        spoiled = bytearray(message)
        match chance.randrange(4):
            case 0:
                spoiled[at] ^= 1 << chance.randrange(8)
            case 1:
                del spoiled[at:]
            case 2:
                spoiled[at:at] = spoiled[at // 2 : at]
            case 3:
                spoiled[at : at + 4] = chance.randbytes(4)
        yield bytes(spoiled)


def test_right_messages_are_taken(parser: Parser) -> None:
    for kind, message in channel.right_messages(parser).items():
        assert parser.parse(kind, message) == "taken", kind


@pytest.mark.parametrize("kind", "ACTREPD")
def test_random_mutations_never_crash(parser: Parser, kind: str) -> None:
    message = channel.right_messages(parser).get(kind, b'{"detail":"x"}')
    for spoiled in mutations(message, 400):
        assert parser.parse(kind, spoiled)


def test_every_flipped_bit_of_a_secret_is_refused(parser: Parser) -> None:
    """In JSON's own characters a bit may be without meaning; in the members none is."""
    right = parser.secret()
    for name, text in right.items():
        raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        for bit in range(0, 8 * len(raw), 5):
            raw[bit // 8] ^= 1 << bit % 8
            spoiled = right | {name: base64url(bytes(raw))}
            assert parser.parse("R", compact(spoiled)) != "taken", (name, bit)
            raw[bit // 8] ^= 1 << bit % 8


Change = Callable[[dict[str, Any]], object]


def header(**changes: object) -> Change:
    """Return what changes the protected header of a secret."""

    def change(jwe: dict[str, Any]) -> object:
        text = jwe["protected"]
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        kept = {k: v for k, v in (values | changes).items() if v is not None}
        return jwe.update(protected=base64url(compact(kept)))

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda jwe: jwe.pop("tag"), "has no 'tag'"),
        (lambda jwe: jwe.update(tag=5), "'tag' of a wrong type"),
        (lambda jwe: jwe.update(tag=""), "'tag' of a wrong type or length"),
        (lambda jwe: jwe.update(tag="AAAA"), "member 'tag' is malformed"),
        (lambda jwe: jwe.update(tag=jwe["tag"] + "="), "member 'tag' is malformed"),
        (lambda jwe: jwe.update(iv="AAAA"), "member 'iv' is malformed"),
        (lambda jwe: jwe.update(iv="A" * 9000), "'iv' of a wrong type or length"),
        (lambda jwe: jwe.update(ciphertext="AAAA"), "fails its authentication"),
        (lambda jwe: jwe.update(ciphertext="A" * 172), "'ciphertext' is malformed or too long"),
        (lambda jwe: jwe.update(ciphertext="\u00e9"), "'ciphertext' is malformed"),
        (lambda jwe: jwe.update(encrypted_key="A" * 54), "not encrypted to this enclave's key"),
        (lambda jwe: jwe.update(encrypted_key="AAAA"), "'encrypted_key' is malformed"),
        (lambda jwe: jwe.update(aad="AAAA"), "additional data of its own"),
        (lambda jwe: jwe.update(aad=[]), "additional data of its own"),
        (lambda jwe: jwe.update(recipients=[]), "not in the protocol"),
        (header(alg="RSA-OAEP-256"), "not encrypted by ECDH-ES"),
        (header(alg="dir"), "not encrypted by ECDH-ES"),
        (header(alg=None), "has no 'alg'"),
        (header(enc="A128GCM"), "not encrypted by ECDH-ES"),
        (header(zip="DEF"), "not in the protocol"),
        (header(epk=[]), "not one on P-256"),
        (header(epk={"kty": "EC", "crv": "P-521", "x": "A", "y": "A"}), "not one on P-256"),
        (header(epk={"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": 1}), "'y' of a wrong type"),
        (
            header(epk={"kty": "EC", "crv": "P-256", "x": "A" * 42 + "E", "y": "A" * 42 + "E"}),
            "not on its curve",
        ),
        (header(epk={"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), "'epk.x'"),
    ],
)
def test_a_wrong_secret_names_what_is_wrong(parser: Parser, change: Change, reason: str) -> None:
    jwe: dict[str, Any] = dict(parser.secret())
    change(jwe)
    assert reason in parser.parse("R", compact(jwe))


def test_a_secret_for_another_key_is_refused(parser: Parser, messages: Path) -> None:
    with Parser(messages) as other:
        assert "not encrypted to this" in parser.parse("R", compact(other.secret()))


@pytest.mark.parametrize(
    ("kind", "message", "reason"),
    [
        ("C", b"", "not a JSON object"),
        ("C", b"[]", "not a JSON object"),
        ("C", b"{}", "has no 'nonce'"),
        ("C", b"[" * 60000, "not a JSON object"),
        ("C", b'{"nonce":"QUJDRA==","extra-params":""}', "16 to 64 bytes"),
        ("C", b'{"nonce":7,"extra-params":""}', "wrong type"),
        ("C", b'{"nonce":"' + b"A" * 200 + b'","extra-params":""}', "wrong type or length"),
        ("C", b'{"nonce":"' + b"A" * 128 + b'","extra-params":""}', "16 to 64 bytes"),
        ("C", b'{"nonce":"' + b'\\"' * 32 + b'","extra-params":""}', "16 to 64 bytes"),
        ("C", b'{"nonce":"a","nonce":"b","extra-params":""}', "not a JSON object"),
        ("C", b'{"nonce":"' + b"A" * 44 + b'","extra-params":"","x":1}', "not in the protocol"),
        ("C", b'{"nonce":"' + b"A" * 44 + b'","extra-params":"md5"}', "another hash"),
        (
            "C",
            b'{"nonce":"' + b"A" * 44 + b'","extra-params":{"selected-hash-algorithm":"sha256"}}',
            "another hash",
        ),
        ("C", b'{"nonce":"' + b"A" * 44 + b'","extra-params":""}x', "not a JSON object"),
        ("T", b'{"token":""}', "wrong type or length"),
        ("T", b'{"token":{}}', "wrong type"),
        ("T", b'{"token":"a","more":1}', "not in the protocol"),
        ("T", b'{"token":"a\\u0000"}', "not a JSON object"),
        ("A", b"", "ends in its head"),
        ("A", b"HTTP/1.1 200 OK\r\n", "ends in its head"),
        ("A", b"HTTP/2 200\r\n\r\n", "not HTTP/1"),
        ("A", b"HTTP/1.1 99 x\r\n\r\n", "not HTTP/1"),
        ("A", b"HTTP/1.1 200 OK\r\n\r\n", "does not say its length"),
        ("A", channel.http_answer(b"x") + b"y", "not as long as it says"),
        ("A", channel.http_answer(b"x")[:-1], "not as long as it says"),
        ("A", channel.http_answer(b"x", "Content-Length: 1"), "no good Content-Length"),
        ("A", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "no good Content-Length"),
        ("A", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "no good Content-Length"),
        ("A", b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n", "above 64 KiB"),
        ("A", channel.http_answer(b"", "Transfer-Encoding: chunked"), "wasn't asked for"),
        ("A", channel.http_answer(b"", "no colon"), "malformed header"),
        ("A", channel.http_answer(b"", "a b: c"), "malformed header"),
        ("A", channel.http_answer(b"", "a: \0"), "malformed header"),
        ("A", channel.http_answer(b"", *["a: b"] * 70), "more than 64"),
        ("A", channel.http_answer(b"", "a: " + "b" * 9000), "above 8 KiB"),
        ("A", channel.http_answer(b"", "Set-Cookie: kbs-session-id=a\rb"), "that no cookie has"),
        ("A", channel.http_answer(b"", "Set-Cookie: kbs-session-id="), "empty, too long"),
        ("A", channel.http_answer(b"", "Set-Cookie: kbs-session-id=" + "a" * 161), "too long"),
        ("A", channel.http_answer(b"", *["Set-Cookie: kbs-session-id=a"] * 2), "given twice"),
        ("E", b"", "cut off"),
        ("E", bytes(15), "cut off"),
        ("E", channel.evidence(3, b"x"), "malformed"),
        ("E", channel.evidence(1, b"x", reserved=1), "malformed"),
        ("E", channel.evidence(1, bytes(32769)), "malformed"),
        ("E", channel.evidence(1, b"x")[:-1], "malformed"),
        ("E", channel.evidence(1, b"x") + b"y", "malformed"),
        ("E", channel.evidence(0, bytes(47)), "not 48 bytes"),
        ("E", channel.evidence(1, b""), "is empty"),
        ("E", channel.evidence(2, b""), "is empty"),
        ("E", channel.evidence(1, b"x"), "no VCEK or VLEK"),
        ("E", channel.evidence(1, b"x", bytes(24)), "no VCEK or VLEK"),
        ("E", channel.evidence(1, b"x", channel.VCEK), "no VCEK or VLEK"),
        ("E", channel.evidence(1, b"x", channel.VCEK + b"\xff" * 8), "points out of itself"),
        (
            "E",
            channel.evidence(1, b"x", channel.certificate_table((channel.VLEK, b""))),
            "0 bytes; 1 to 8192",
        ),
        (
            "E",
            channel.evidence(1, b"x", channel.certificate_table((channel.VCEK, bytes(8193)))),
            "8193 bytes; 1 to 8192",
        ),
        ("P", b"", "there is none"),
        ("P", b"version=1\0", "there is none"),
        ("P", b"sealed_config=one line\0", "there is none"),
        ("P", b"sealed_config=a\n[]\nMIA=\n\0", "not a JSON object"),
        ("P", channel.launch_record(keys=None), "no good fingerprint"),
        ("P", channel.launch_record(keys={"fingerprint": "ab"}), "no good fingerprint"),
        ("P", channel.launch_record(data=[{}]), "without a name"),
        ("P", channel.launch_record(data=[{"name": "x" * 99}]), "too long"),
        ("P", channel.launch_record(data=[{"name": "x"}] * 40), "more than 32 keys"),
        ("P", channel.launch_record(root={}, data=[]), "needs no keys"),
    ],
)
def test_a_wrong_message_names_what_is_wrong(
    parser: Parser, kind: str, message: bytes, reason: str
) -> None:
    assert reason in parser.parse(kind, message)


def test_what_is_said_of_a_message_is_printable(parser: Parser) -> None:
    record = channel.launch_record(keys={"fingerprint": "ab" * 32, "resources": "\x1b[2J/x"})
    assert parser.parse("P", record).isprintable()


@pytest.mark.needs("clang")
def test_a_fuzzer_finds_nothing(fuzzer: Path, messages: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    with Parser(messages) as parser:
        for kind, message in channel.right_messages(parser).items():
            (corpus / kind).write_bytes(kind.encode() + message)
    options = ("-runs=40000", "-seed=1", "-max_len=4096", "-timeout=10", "-print_final_stats=1")
    done = subprocess.run(
        [fuzzer, *options, corpus],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        cwd=tmp_path,
        env=os.environ | {"ASAN_OPTIONS": "detect_leaks=1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "number_of_executed_units: 40000" in done.stderr
