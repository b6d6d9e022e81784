# SPDX-License-Identifier: Apache-2.0
"""The parsers of what comes from outside fail in one way only, whatever they are fed."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rktio.common import der, pkcs7
from rktio.common.strict_json import JsonError, canonical, parse_object
from rktio.image import gpt, luks2, verity
from rktio.image.layout import Layout
from rktio.image.root_signature import RootSignature, SignatureJsonError
from tests.unit.image.sealing import KEY

LAYOUT = Layout(17 << 20)
TABLE = LAYOUT.table(bytes(range(32)), signed=True)
HEADERS = KEY.header()[: luks2.HEADERS_BYTES]
SUPERBLOCK = verity.Superblock(UUID(int=5), LAYOUT.data_blocks, bytes(32)).encode()
SIGNATURE = pkcs7.encode(
    pkcs7.Signature(der.encode(der.SEQUENCE, b"x"), 2**130, "ecdsa", bytes(70))
)
DOCUMENT = RootSignature(bytes(32), "ab" * 32, SIGNATURE).encode()

# (offset, byte) pairs that are written over something valid.
edits = st.lists(st.tuples(st.integers(0, 1 << 15), st.integers(0, 255)), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
quick = settings(max_examples=150, deadline=None)


def edited(raw: bytes, changes: list[tuple[int, int]]) -> bytes:
    found = bytearray(raw)
    for offset, byte in changes:
        found[offset % len(found)] = byte
    return bytes(found)


def expect(error: type[Exception], work: Callable[[], object]) -> None:
    with contextlib.suppress(error):
        work()


@quick
@given(edits, edits)
def test_partition_tables(head: list[tuple[int, int]], tail: list[tuple[int, int]]) -> None:
    def work() -> None:
        found = gpt.parse(edited(TABLE.head(), head), edited(TABLE.tail(), tail), TABLE.sectors)
        assert found == TABLE

    expect(gpt.GptError, work)


@quick
@given(st.binary(max_size=128), st.integers(0, 127), st.integers(0, 1 << 40))
def test_partition_tables_with_right_checksums(entry: bytes, number: int, sectors: int) -> None:
    entries = bytearray(32 * 512)
    entries[number * 128 : number * 128 + len(entry)] = entry
    head = bytearray(TABLE.head()[:1024])
    head[512 + 88 : 512 + 92] = zlib.crc32(entries).to_bytes(4, "little")
    head[512 + 16 : 512 + 20] = bytes(4)
    head[512 + 16 : 512 + 20] = zlib.crc32(head[512 : 512 + 92]).to_bytes(4, "little")
    expect(gpt.GptError, lambda: gpt.parse(bytes(head + entries), TABLE.tail(), TABLE.sectors))
    expect(gpt.GptError, lambda: gpt.parse(bytes(head + entries), TABLE.tail(), sectors))


@quick
@given(edits)
def test_luks_headers(changes: list[tuple[int, int]]) -> None:
    expect(luks2.Luks2Error, lambda: luks2.parse(edited(HEADERS, changes)))


@quick
@given(st.sampled_from(["keyslots", "segments", "digests", "config", "tokens"]), json_values)
def test_luks_metadata_of_any_shape(section: str, value: Any) -> None:
    def work() -> None:
        metadata = luks2.parse(HEADERS).metadata | {section: value}
        try:
            raw = luks2.encode(metadata, "uuid", "label", (b"", b""))
        except ValueError:
            return  # NaN has no JSON
        luks2.parse(raw)

    expect(luks2.Luks2Error, work)


@quick
@given(
    st.sampled_from(["keyslots", "segments", "digests"]),
    st.sampled_from(["offset", "size", "sector_size", "iterations", "salt", "area", "digest"]),
    json_values,
)
def test_luks_metadata_with_any_value(section: str, key: str, value: Any) -> None:
    metadata = luks2.parse(HEADERS).metadata
    metadata[section]["0"][key] = value

    def work() -> None:
        try:
            raw = luks2.encode(metadata, "uuid", "label", (b"", b""))
        except ValueError:
            return
        found = luks2.parse(raw)
        assert found.offset >= luks2.HEADERS_BYTES

    expect(luks2.Luks2Error, work)


@quick
@given(edits)
def test_verity_superblocks(changes: list[tuple[int, int]]) -> None:
    def work() -> None:
        raw = edited(SUPERBLOCK, changes)
        assert verity.Superblock.parse(raw).encode() == raw

    expect(verity.VerityError, work)


@quick
@given(edits)
def test_signature_documents(changes: list[tuple[int, int]]) -> None:
    expect(SignatureJsonError, lambda: RootSignature.parse(edited(DOCUMENT, changes)))


@quick
@given(st.dictionaries(st.text(max_size=20), json_values))
def test_signature_documents_of_any_shape(document: dict[str, Any]) -> None:
    raw = json.dumps(document).encode()
    expect(SignatureJsonError, lambda: RootSignature.parse(raw))


@quick
@given(edits)
def test_signatures(changes: list[tuple[int, int]]) -> None:
    expect(der.DerError, lambda: pkcs7.decode(edited(SIGNATURE, changes)))


@quick
@given(st.binary(max_size=5000))
def test_signatures_of_any_bytes(raw: bytes) -> None:
    expect(der.DerError, lambda: pkcs7.decode(raw))


@quick
@given(st.binary(max_size=300))
def test_der_that_is_taken_is_written_the_same(raw: bytes) -> None:
    def work() -> None:
        found = der.elements(raw)
        assert b"".join(der.encode(item.tag, item.content) for item in found) == raw

    expect(der.DerError, work)


@quick
@given(st.binary(max_size=300))
def test_json_of_any_bytes(raw: bytes) -> None:
    expect(JsonError, lambda: parse_object(raw, 200))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "malformed"),
        (b"[1]", "not a JSON object"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":1e5}', "not an integer"),
        (b'{"a":Infinity}', "not an integer"),
        (b"\xff", "UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested|malformed"),
        (b'{"a":' + b"9" * 100_000 + b"}", "malformed"),
        (b" " * 200_001, "more than"),
    ],
)
def test_bad_json_says_what_is_wrong(raw: bytes, message: str) -> None:
    with pytest.raises(JsonError, match=message):
        parse_object(raw, 200_000)


def test_canonical_json_has_one_spelling() -> None:
    assert canonical({"b": "é", "a": [1, True]}) == b'{"a":[1,true],"b":"\\u00e9"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"\x30",
        b"\x30\x80\x00\x00",  # BER's indefinite length
        b"\x30\x81\x01\x00",  # a length that is too long
        b"\x30\x84\x00\x00\x00\x01\x00",
        b"\x1f\x01\x00",  # a tag of several bytes
        b"\x30\x05\x00",
        b"\x02\x01\x00" * 65,
    ],
)
def test_der_has_one_spelling(raw: bytes) -> None:
    with pytest.raises(der.DerError):
        der.elements(raw)


def test_a_signature_survives_encoding() -> None:
    assert base64.b64encode(SIGNATURE)
    found = pkcs7.decode(SIGNATURE)
    assert pkcs7.encode(found) == SIGNATURE
    assert found.serial == 2**130
