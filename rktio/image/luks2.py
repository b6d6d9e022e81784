# SPDX-License-Identifier: Apache-2.0
"""LUKS2 headers (LUKS2 On-Disk Format Specification 1.1): written for our images, read strictly."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rktio.common.strict_json import JsonError, canonical, parse_object

BINARY_BYTES = 4096
HEADER_BYTES = 16384  # binary header and JSON area; there are two, one after the other
JSON_BYTES = HEADER_BYTES - BINARY_BYTES
HEADERS_BYTES = 2 * HEADER_BYTES
MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
CIPHER = "aes-xts-plain64"
KEY_BYTES = 64  # AES-256 in XTS takes two keys
MAX_KEYSLOTS = 32
MAX_DIGEST_ITERATIONS = 10_000_000  # about 5 s of PBKDF2: more is an attack on who opens it
SECTOR_SIZES = (512, 1024, 2048, 4096)
MAX_OFFSET = 1 << 30
_BINARY = struct.Struct(">6sHQQ48s32s64s40s48sQ184s64s")
_CHECKSUM_AT = 448


class Luks2Error(ValueError):
    """The header is damaged or not of a kind that is opened; the text says where."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a volume key is checked against: PBKDF2-SHA256 of it."""

    salt: bytes
    iterations: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a LUKS2 header says about its volume."""

    uuid: str
    label: str
    offset: int  # of the payload, in bytes
    sector_bytes: int
    iv_tweak: int
    keyslots: int
    digest: Digest
    metadata: dict[str, Any]


def encode(metadata: dict[str, Any], uuid: str, label: str, salts: tuple[bytes, bytes]) -> bytes:
    """Return both headers of a volume."""
    text = canonical(metadata)
    if len(text) >= JSON_BYTES:
        raise Luks2Error("the metadata does not fit")
    area = text.ljust(JSON_BYTES, b"\0")
    return b"".join(
        _binary(magic, uuid, label, salt, number * HEADER_BYTES, area) + area
        for number, (magic, salt) in enumerate(zip(MAGICS, salts, strict=True))
    )


def _binary(magic: bytes, uuid: str, label: str, salt: bytes, offset: int, area: bytes) -> bytes:
    names = (label.encode(), b"sha256", salt, uuid.encode(), b"")
    raw = _BINARY.pack(magic, 2, HEADER_BYTES, 1, *names, offset, b"", b"")
    raw = raw.ljust(BINARY_BYTES, b"\0")
    checksum = sha256(raw + area).digest()
    return raw[:_CHECKSUM_AT] + checksum + raw[_CHECKSUM_AT + len(checksum) :]


def parse(raw: bytes) -> Header:
    """Parse the first 32 KiB of a volume; both headers must be whole and agree.

    Raises Luks2Error.
    """
    if len(raw) != HEADERS_BYTES:
        raise Luks2Error("cut off in the LUKS2 header")
    first = _checked("primary", raw[:HEADER_BYTES], MAGICS[0], 0)
    second = _checked("secondary", raw[HEADER_BYTES:], MAGICS[1], HEADER_BYTES)
    if first != second:
        raise Luks2Error("the primary and the secondary header differ")
    uuid, label, area = first
    text, _, rest = area.partition(b"\0")
    if any(rest):
        raise Luks2Error("the metadata is followed by bytes that mean nothing")
    try:
        metadata = parse_object(text, JSON_BYTES)
    except JsonError as error:
        raise Luks2Error(f"the metadata: {error}") from error
    return _described(metadata, uuid, label)


def _checked(which: str, raw: bytes, magic: bytes, offset: int) -> tuple[str, str, bytes]:
    fields = _BINARY.unpack_from(raw)
    if fields[0] != magic:
        raise Luks2Error(f"the {which} header has no LUKS magic")
    if fields[1:3] != (2, HEADER_BYTES):
        raise Luks2Error(f"the {which} header is not LUKS2 of {HEADER_BYTES} bytes")
    if fields[5].rstrip(b"\0") != b"sha256" or fields[9] != offset:
        raise Luks2Error(f"the {which} header has another checksum or place than expected")
    zeroed = raw[:_CHECKSUM_AT] + bytes(64) + raw[_CHECKSUM_AT + 64 :]
    if sha256(zeroed).digest().ljust(64, b"\0") != fields[11]:
        raise Luks2Error(f"the {which} header has a wrong checksum")
    return _text(fields[7]), _text(fields[4]), raw[BINARY_BYTES:]


def _text(raw: bytes) -> str:
    try:
        return raw.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError as error:
        raise Luks2Error("the header's label or UUID is not ASCII") from error


def _described(metadata: dict[str, Any], uuid: str, label: str) -> Header:
    known = {"keyslots", "tokens", "segments", "digests", "config"}
    if set(metadata) != known:
        raise Luks2Error("the metadata has not exactly the sections of LUKS2")
    config = _object(metadata, "config")
    if config.get("requirements"):
        raise Luks2Error("the volume needs features that are not known (a re-encryption?)")
    if config.get("json_size") != str(JSON_BYTES):
        raise Luks2Error("config.json_size is wrong")
    keyslots = _object(metadata, "keyslots")
    if len(keyslots) > MAX_KEYSLOTS:
        raise Luks2Error(f"{len(keyslots)} key slots; {MAX_KEYSLOTS} are the most")
    segment = _only(_object(metadata, "segments"), "segments")
    offset, sector_bytes, iv_tweak = _segment(segment)
    area_bytes = _number(config, "keyslots_size", MAX_OFFSET)
    if HEADERS_BYTES + area_bytes > offset:
        raise Luks2Error("the key slots reach into the payload")
    for name, slot in keyslots.items():
        _check_keyslot(name, slot, HEADERS_BYTES + area_bytes)
    digest = _digest(_only(_object(metadata, "digests"), "digests"))
    return Header(uuid, label, offset, sector_bytes, iv_tweak, len(keyslots), digest, metadata)


def _segment(segment: dict[str, Any]) -> tuple[int, int, int]:
    if segment.get("type") != "crypt":
        raise Luks2Error("the segment is not encrypted")
    if segment.get("encryption") != CIPHER:
        raise Luks2Error(f"the segment's cipher is not {CIPHER}")
    if "integrity" in segment or segment.get("flags"):
        raise Luks2Error("the segment has an integrity or flags section")
    if segment.get("size") != "dynamic":
        raise Luks2Error("the segment does not reach to the end")
    sector_bytes = segment.get("sector_size")
    if isinstance(sector_bytes, bool) or sector_bytes not in SECTOR_SIZES:
        raise Luks2Error("the segment has sectors of a size that dm-crypt has not")
    offset = _number(segment, "offset", MAX_OFFSET)
    if offset % 4096 or offset < HEADERS_BYTES:
        raise Luks2Error("the segment does not begin at a block after the header")
    return offset, sector_bytes, _number(segment, "iv_tweak", (1 << 63) - 1)


def _check_keyslot(name: str, slot: Any, limit: int) -> None:
    if not isinstance(slot, dict) or slot.get("type") != "luks2":
        raise Luks2Error(f"key slot {name[:8]} is not of LUKS2")
    if slot.get("key_size") != KEY_BYTES:
        raise Luks2Error(f"key slot {name[:8]} holds no key of {KEY_BYTES} bytes")
    area = _object(slot, "area")
    offset = _number(area, "offset", MAX_OFFSET)
    if offset < HEADERS_BYTES or offset + _number(area, "size", MAX_OFFSET) > limit:
        raise Luks2Error(f"key slot {name[:8]} lies outside of the key slots' area")


def _digest(digest: dict[str, Any]) -> Digest:
    if (digest.get("type"), digest.get("hash")) != ("pbkdf2", "sha256"):
        raise Luks2Error("the digest is not PBKDF2 with SHA-256")
    iterations = digest.get("iterations")
    if isinstance(iterations, bool) or not isinstance(iterations, int):
        raise Luks2Error("the digest's iterations are no number")
    if not 1000 <= iterations <= MAX_DIGEST_ITERATIONS:
        raise Luks2Error(f"a digest of {iterations} iterations")
    salt, value = _bytes(digest, "salt", 256), _bytes(digest, "digest", 32)
    if len(value) != 32 or len(salt) < 16:
        raise Luks2Error("the digest or its salt is too short")
    return Digest(salt, iterations, value)


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise Luks2Error(f"{key} is not an object")
    return value


def _only(parent: dict[str, Any], what: str) -> dict[str, Any]:
    if list(parent) != ["0"]:
        raise Luks2Error(f"{len(parent)} {what}; exactly one, named 0, is opened")
    return _object(parent, "0")


def _number(parent: dict[str, Any], key: str, limit: int) -> int:
    value = parent.get(key)
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        raise Luks2Error(f"{key} is not a number in a string")
    if len(value) > 20 or int(value) > limit:
        raise Luks2Error(f"{key} is too large")
    return int(value)


def _bytes(parent: dict[str, Any], key: str, limit: int) -> bytes:
    value = parent.get(key)
    if not isinstance(value, str) or len(value) > limit * 2:
        raise Luks2Error(f"{key} is not a short string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Luks2Error(f"{key} is not base64") from error
