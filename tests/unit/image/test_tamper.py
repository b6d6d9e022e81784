# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed in a sealed image, verify refuses it and names the check; never a traceback.

Each damage is done to one image in place, and undone.
"""

from __future__ import annotations

import base64
import datetime
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rktio.common.strict_json import canonical
from rktio.image import gpt, luks2, verity
from rktio.image.layout import SIGNATURE_BYTES
from rktio.image.root_signature import RootSignature
from rktio.image.sealed import Check, SealedImage
from tests.unit.image.sealing import (
    KEY,
    Refusal,
    Sealed,
    make_sealed,
    owner_key,
    patched,
    read_at,
)

pytestmark = pytest.mark.needs("e2fsck")

SECTOR = gpt.SECTOR_BYTES
BLOCK = verity.BLOCK_BYTES
Damage = Callable[[Sealed], tuple[int, bytes]]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return make_sealed(tmp_path_factory.mktemp("sealed"))


# --- flipped bits -------------------------------------------------------------------------------

# (part, offset in it as a share of its size or in bytes, check that must notice)
FLIPS: list[tuple[str, float, str]] = [
    *(("mbr", at, Check.TABLE) for at in (0, 100, 440, 446, 450, 458, 462, 500, 510)),
    *(("header", at, Check.TABLE) for at in (0, 8, 12, 16, 20, 24, 32, 40, 48, 56, 72, 80, 84, 88)),
    *(("header", at, Check.TABLE) for at in (92, 511)),
    *(("entries", at, Check.TABLE) for at in (0, 16, 32, 40, 48, 56, 130, 16383)),
    *(("backup entries", at, Check.TABLE) for at in (0, 20, 33, 16000)),
    *(("backup header", at, Check.TABLE) for at in (0, 16, 24, 56, 72, 88, 300)),
    *(("gap 0", at, Check.GAPS) for at in (0, 4000, 900000)),
    *(("gap 2", at, Check.GAPS) for at in (0, 1000)),
    *(("gap 3", at, Check.GAPS) for at in (0, 100000)),
    *(("signature", at, Check.SIGNATURE_JSON) for at in (0, 1, 26, 92, 16000, 16383)),
    *(("superblock", at, Check.SUPERBLOCK) for at in (0, 8, 12, 32, 64, 68, 72, 80, 130, 4000)),
    *(("superblock", at, Check.TREE) for at in (88, 100, 119)),
    *(("tree", at, Check.TREE) for at in (0, 31, 1000, 4096, 9000, 100000)),
    *(("luks", at, Check.LUKS) for at in (6, 8, 16, 24, 72, 104, 168, 448, 4096, 4200, 12000)),
    *(("luks", at, Check.LUKS) for at in (16384, 16390, 16832, 20480, 32000)),
    *(("luks", at, Check.DATA) for at in (32768, 100000, 290815, 500000, 1048575)),
    *(("payload", at, Check.DATA) for at in (0, 4095, 4096, 1048576, 9999999, 16777215)),
]


def start_of(sealed: Sealed, part: str) -> int:
    layout = sealed.layout
    if part.startswith("gap "):
        return layout.gaps(signed=True)[int(part[4:])][0]
    return {
        "mbr": 0,
        "header": SECTOR,
        "entries": 2 * SECTOR,
        "backup entries": layout.total_bytes - gpt.TAIL_SECTORS * SECTOR,
        "backup header": layout.total_bytes - SECTOR,
        "signature": layout.signature_offset,
        "superblock": layout.verity_offset,
        "tree": layout.verity_offset + BLOCK,
        "luks": layout.root_offset,
        "payload": layout.root_offset + (1 << 20),
    }[part]


@pytest.mark.parametrize(("part", "at", "check"), FLIPS)
def test_a_flipped_bit_is_refused(
    sealed: Sealed, refused: Refusal, part: str, at: int, check: str
) -> None:
    offset = start_of(sealed, part) + at
    byte = read_at(sealed.path, offset, 1)[0]
    with patched(sealed.path, offset, bytes([byte ^ 1])):
        refused(sealed.path, sealed.certificate, check)


@pytest.mark.parametrize("at", [27, 30, 60, 90])
def test_another_fingerprint_is_refused(sealed: Sealed, refused: Refusal, at: int) -> None:
    offset = start_of(sealed, "signature") + at
    digit = read_at(sealed.path, offset, 1)
    with patched(sealed.path, offset, b"1" if digit == b"0" else b"0"):
        refused(sealed.path, sealed.certificate, Check.SIGNATURE)


def test_random_flips_anywhere_are_refused(sealed: Sealed) -> None:
    chance = random.Random(20261123)
    public = sealed.owner.public
    for _ in range(40):
        offset = chance.randrange(sealed.layout.total_bytes)
        byte = read_at(sealed.path, offset, 1)[0]
        with (
            patched(sealed.path, offset, bytes([byte ^ 1 << chance.randrange(8)])),
            pytest.raises(Exception, match=r"sealed\.img: ") as caught,
            SealedImage.open(sealed.path) as image,
        ):
            image.verify(public, deep=True)
        assert type(caught.value).__name__ == "SealError", offset


# --- damage by someone who mends the checksums ---------------------------------------------------


def mended_header(raw: bytes, edit: Callable[[bytearray], None]) -> bytes:
    """Edit a GPT header and give it a right CRC."""
    header = bytearray(raw)
    edit(header)
    header[16:20] = bytes(4)
    header[16:20] = zlib.crc32(header[:92]).to_bytes(4, "little")
    return bytes(header)


def put(at: int, data: bytes) -> Callable[[bytearray], None]:
    def edit(raw: bytearray) -> None:
        raw[at : at + len(data)] = data

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        put(8, b"\x00\x00\x02\x00"),  # revision
        put(12, b"\x60\x00\x00\x00"),  # header size
        put(12, b"\xff\xff\xff\xff"),
        put(24, b"\x05"),  # my LBA
        put(32, b"\xff" * 8),  # backup LBA
        put(40, b"\x01"),  # first usable
        put(48, b"\xff" * 8),  # last usable
        put(56, b"\xaa" * 16),  # disk GUID
        put(72, b"\xff" * 8),  # entries' LBA
        put(80, b"\xff\xff\xff\xff"),  # number of entries
        put(80, b"\x00\x00\x00\x00"),
        put(84, b"\x00\x00\x00\x00"),  # size of an entry
        put(84, b"\xff\xff\xff\xff"),
    ],
)
def test_a_mended_gpt_header_is_refused(
    sealed: Sealed, refused: Refusal, edit: Callable[[bytearray], None]
) -> None:
    raw = mended_header(read_at(sealed.path, SECTOR, SECTOR), edit)
    with patched(sealed.path, SECTOR, raw):
        refused(sealed.path, sealed.certificate, Check.TABLE)


@contextmanager
def with_table(sealed: Sealed, edit: Callable[[bytearray], None]) -> Iterator[None]:
    """Edit the entries, with right CRCs in both copies."""
    entries = bytearray(read_at(sealed.path, 2 * SECTOR, 32 * SECTOR))
    edit(entries)
    crc = put(88, zlib.crc32(entries).to_bytes(4, "little"))
    end = sealed.layout.total_bytes
    head = mended_header(read_at(sealed.path, SECTOR, SECTOR), crc) + bytes(entries)
    tail = bytes(entries) + mended_header(read_at(sealed.path, end - SECTOR, SECTOR), crc)
    with patched(sealed.path, SECTOR, head), patched(sealed.path, end - len(tail), tail):
        yield


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (put(0, b"\x11" * 16), Check.LAYOUT),  # another type
        (put(16, b"\x11" * 16), Check.LAYOUT),  # another half of the root hash
        (put(144, b"\x11" * 16), Check.LAYOUT),
        (put(272, b"\x11" * 16), Check.LAYOUT),
        (put(32, b"\x00" * 8), Check.TABLE),  # begins inside the table
        (put(32, b"\xff" * 8), Check.TABLE),
        (put(40, b"\xff" * 8), Check.TABLE),  # ends past the disk
        (put(160, b"\x00\x08"), Check.TABLE),  # overlaps
        (put(40, b"\x08\x80"), Check.LAYOUT),  # shorter
        (put(48, b"\x00" * 8), Check.LAYOUT),  # writable
        (put(56, "ROOT".encode("utf-16-le")), Check.LAYOUT),  # another name
        (put(56, b"\x00\xd8"), Check.TABLE),  # half a surrogate pair
        (put(128, bytes(128)), Check.TABLE),  # no root-verity
        (put(256, bytes(128)), Check.GAPS),  # no signature, but its place is used
        (put(384, b"\x22" * 16 + b"\x33" * 16 + b"\x30\x00" * 8), Check.TABLE),  # one more
    ],
)
def test_a_mended_partition_table_is_refused(
    sealed: Sealed, refused: Refusal, edit: Callable[[bytearray], None], check: str
) -> None:
    with with_table(sealed, edit):
        refused(sealed.path, sealed.certificate, check)


def rewritten_luks(edit: Callable[[dict[str, object]], object]) -> bytes:
    """Return both headers with edited metadata and right checksums."""
    parsed = luks2.parse(KEY.header()[: luks2.HEADERS_BYTES])
    edit(parsed.metadata)
    return luks2.encode(parsed.metadata, parsed.uuid, parsed.label, (bytes(64), bytes(64)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("segments", "0", "encryption"), "cipher_null-ecb"),
        (("segments", "0", "encryption"), "aes-cbc-null"),
        (("segments", "0", "type"), "linear"),
        (("segments", "0", "offset"), "0"),
        (("segments", "0", "offset"), "99999999999999999999999"),
        (("segments", "0", "offset"), 1048576),
        (("segments", "0", "size"), "4096"),
        (("segments", "0", "sector_size"), 3),
        (("segments", "0", "sector_size"), True),
        (("segments", "0", "iv_tweak"), "-1"),
        (("segments", "0", "integrity"), {"type": "none"}),
        (("segments", "1"), {"type": "linear"}),
        (("digests", "0", "iterations"), 4_000_000_000),
        (("digests", "0", "iterations"), 1),
        (("digests", "0", "hash"), "md5"),
        (("digests", "0", "digest"), "AAAA"),
        (("digests", "0", "salt"), "!"),
        (("keyslots", "0", "area"), {}),
        (("keyslots", "0", "key_size"), 16),
        (("config", "requirements"), {"mandatory": ["online-reencrypt-v2"]}),
        (("config", "keyslots_size"), "999999999"),
        (("extra",), {}),
    ],
)
def test_rewritten_luks_metadata_is_refused(
    sealed: Sealed, refused: Refusal, path: tuple[str, ...], value: object
) -> None:
    def edit(metadata: dict[str, object]) -> None:
        place = metadata
        for key in path[:-1]:
            place = place[key]  # type: ignore[assignment]
        place[path[-1]] = value

    with patched(sealed.path, sealed.layout.root_offset, rewritten_luks(edit)):
        refused(sealed.path, sealed.certificate, Check.LUKS)


def test_harmless_luks_metadata_that_is_not_the_signed_one_is_refused(
    sealed: Sealed, refused: Refusal
) -> None:
    raw = rewritten_luks(lambda metadata: metadata.update(tokens={"0": {"type": "x"}}))
    with patched(sealed.path, sealed.layout.root_offset, raw):
        refused(sealed.path, sealed.certificate, Check.DATA)


def test_a_rebuilt_hash_tree_is_refused(sealed: Sealed, refused: Refusal) -> None:
    """Data, tree and table of an attacker fit together; only the owner's signature is missing."""
    layout = sealed.layout
    raw = bytearray(read_at(sealed.path, layout.root_offset, layout.root_bytes))
    raw[5 << 20] ^= 1
    superblock = verity.Superblock.parse(read_at(sealed.path, layout.verity_offset, BLOCK))
    builder = verity.TreeBuilder(superblock.salt)
    builder.update(bytes(raw))
    root_hash, tree = builder.finish()
    table = layout.table(root_hash, signed=True)
    end = layout.total_bytes - len(table.tail())
    with (
        patched(sealed.path, layout.root_offset, bytes(raw)),
        patched(sealed.path, layout.verity_offset + BLOCK, tree),
    ):
        refused(sealed.path, sealed.certificate, Check.TREE)
        with patched(sealed.path, 0, table.head()), patched(sealed.path, end, table.tail()):
            refused(sealed.path, sealed.certificate, Check.SIGNATURE)


# --- signatures ----------------------------------------------------------------------------------


def document(sealed: Sealed, **changed: object) -> bytes:
    raw = read_at(sealed.path, sealed.layout.signature_offset, SIGNATURE_BYTES)
    found = RootSignature.parse(raw)
    whole = {
        "rootHash": found.root_hash.hex(),
        "certificateFingerprint": found.fingerprint,
        "signature": base64.b64encode(found.signature).decode(),
    }
    whole.update(changed)  # type: ignore[arg-type]
    kept = {key: value for key, value in whole.items() if value is not None}
    return canonical(kept)


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"rootHash": "0" * 64}, Check.SIGNATURE),
        ({"rootHash": "A" * 64}, Check.SIGNATURE_JSON),
        ({"rootHash": "00"}, Check.SIGNATURE_JSON),
        ({"rootHash": 5}, Check.SIGNATURE_JSON),
        ({"rootHash": None}, Check.SIGNATURE_JSON),
        ({"certificateFingerprint": "0" * 64}, Check.SIGNATURE),
        ({"certificateFingerprint": []}, Check.SIGNATURE_JSON),
        ({"certificateFingerprint": None}, Check.SIGNATURE_JSON),
        ({"signature": ""}, Check.SIGNATURE),
        ({"signature": "AAAA"}, Check.SIGNATURE),
        ({"signature": "MIAA"}, Check.SIGNATURE),
        ({"signature": "A" * 8000}, Check.SIGNATURE),
        ({"signature": "AAA"}, Check.SIGNATURE_JSON),
        ({"signature": "AB=="}, Check.SIGNATURE_JSON),
        ({"signature": 7}, Check.SIGNATURE_JSON),
        ({"signature": None}, Check.SIGNATURE_JSON),
        ({"more": 1}, Check.SIGNATURE_JSON),
    ],
)
def test_a_changed_signature_document_is_refused(
    sealed: Sealed, refused: Refusal, changed: dict[str, object], check: str
) -> None:
    raw = document(sealed, **changed).ljust(SIGNATURE_BYTES, b"\0")
    with patched(sealed.path, sealed.layout.signature_offset, raw):
        refused(sealed.path, sealed.certificate, check)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"NaN",
        b"\xff\xfe",
        b"[" * 16000,
        b'{"a":' * 3000,
        b"1" * 16000,
        b'{"rootHash":1,"rootHash":2}',
        b'{"a":1.5}',
        b"{}" + b" " * 16381 + b"x",
    ],
)
def test_a_document_that_is_no_json_is_refused(
    sealed: Sealed, refused: Refusal, text: bytes
) -> None:
    raw = text.ljust(SIGNATURE_BYTES, b"\0")
    with patched(sealed.path, sealed.layout.signature_offset, raw):
        refused(sealed.path, sealed.certificate, Check.SIGNATURE_JSON)


def test_a_document_in_another_spelling_is_refused(sealed: Sealed, refused: Refusal) -> None:
    raw = document(sealed).replace(b":", b": ").ljust(SIGNATURE_BYTES, b"\0")
    with patched(sealed.path, sealed.layout.signature_offset, raw):
        refused(sealed.path, sealed.certificate, Check.SIGNATURE_JSON)


def test_a_signature_with_another_key_is_refused(
    sealed: Sealed, refused: Refusal, tmp_path: Path
) -> None:
    """Its fingerprint is the owner's, so only the signature itself gives it away."""
    forged = RootSignature.make(sealed.root_hash, owner_key(tmp_path, "mallory"))
    fingerprint = str(sealed.owner.public.fingerprint)
    raw = RootSignature(forged.root_hash, fingerprint, forged.signature).encode()
    with patched(sealed.path, sealed.layout.signature_offset, raw):
        line = refused(sealed.path, sealed.certificate, Check.SIGNATURE)
    assert "another certificate" in line


def test_every_bit_of_a_signature_counts(sealed: Sealed) -> None:
    raw = read_at(sealed.path, sealed.layout.signature_offset, SIGNATURE_BYTES)
    found = RootSignature.parse(raw)
    for position in range(len(found.signature)):
        changed = bytearray(found.signature)
        changed[position] ^= 1
        broken = RootSignature(found.root_hash, found.fingerprint, bytes(changed))
        with pytest.raises(Exception, match=r".") as caught:
            broken.check(sealed.owner.public)
        assert type(caught.value).__name__ == "SignatureError", position


def test_the_key_of_someone_else_is_refused(
    sealed: Sealed, refused: Refusal, tmp_path: Path
) -> None:
    owner_key(tmp_path, "mallory")
    refused(sealed.path, tmp_path / "mallory.crt", Check.SIGNATURE)


@pytest.mark.parametrize(("days", "word"), [(-1, "expired"), (30, "not valid before")])
def test_a_certificate_out_of_its_time_is_refused(
    sealed: Sealed, days: int, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.datetime.now(datetime.UTC)
    moment += datetime.timedelta(days=4000 if word == "expired" else -30)

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(moment.timestamp(), tz)

    monkeypatch.setattr("rktio.common.signing.datetime.datetime", Clock)
    with SealedImage.open(sealed.path) as image, pytest.raises(Exception, match=word):
        image.verify(sealed.owner.public)
