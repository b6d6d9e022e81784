# SPDX-License-Identifier: Apache-2.0
"""Extended attributes as ext4 stores them: in the inode's tail or in one block.

Names are those of the system calls (`user.note`), values too, apart from POSIX ACLs,
which are shorter on disk.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from rktio.common.errors import RktioError
from rktio.image.crc32c import crc32c
from rktio.image.ondisk import XATTR_ENTRY, XATTR_MAGIC

# Longest first, so that an ACL is not taken for a plain system.* attribute.
PREFIXES = (
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
    (7, b"system."),
    (1, b"user."),
)
ACL_INDICES = (2, 3)
ACL_NAMED = (0x02, 0x08)  # ACL_USER, ACL_GROUP: the tags that carry an id
BLOCK_HEADER = struct.Struct("<IIIII12x")  # magic, references, blocks, hash, checksum
MAX_VALUE_BYTES = 1 << 16

Xattrs = Mapping[str, bytes]


def pack_inline(xattrs: Xattrs, space: int) -> bytes | None:
    """Return the inode's tail of `space` bytes, or None where they don't fit in it."""
    if not xattrs:
        return b""
    body = _pack_body(xattrs, space - 4, 0, hashed=False)
    return None if body is None else struct.pack("<I", XATTR_MAGIC) + body


def pack_block(xattrs: Xattrs, block_bytes: int, number: int, checksum_seed: int) -> bytes:
    """Return the attribute block that lies at block `number`."""
    body = _pack_body(xattrs, block_bytes - BLOCK_HEADER.size, BLOCK_HEADER.size, hashed=True)
    if body is None:
        total = sum(len(value) for value in xattrs.values())
        raise RktioError(f"extended attributes of {total} bytes don't fit in one block")
    digest = 0
    for _name, _index, _at, _value_inode, _size, entry_hash in _entries(body):
        digest = (digest << 16 ^ digest >> 16 ^ entry_hash) & 0xFFFFFFFF
    raw = bytearray(BLOCK_HEADER.pack(XATTR_MAGIC, 1, 1, digest, 0) + body)
    checksum = crc32c(crc32c(checksum_seed, struct.pack("<Q", number)), raw)
    struct.pack_into("<I", raw, 16, checksum)
    return bytes(raw)


def parse_inline(tail: bytes) -> dict[str, bytes]:
    """Return the attributes in an inode's tail."""
    if len(tail) < 8 or struct.unpack_from("<I", tail)[0] != XATTR_MAGIC:
        return {}
    return _parse_body(tail[4:], 0)


def parse_block(raw: bytes) -> dict[str, bytes]:
    """Return the attributes of an attribute block."""
    if struct.unpack_from("<I", raw)[0] != XATTR_MAGIC:
        return {}
    return _parse_body(raw[BLOCK_HEADER.size :], BLOCK_HEADER.size)


def _pack_body(xattrs: Xattrs, space: int, base: int, *, hashed: bool) -> bytes | None:
    """Pack entries from the front and values from the back; value offsets count from `base`."""
    known = [_to_disk(name, value) for name, value in xattrs.items()]
    known.sort(key=lambda item: (item[0], len(item[1]), item[1]))
    raw = bytearray(space)
    front, back = 0, space
    for index, name, value in known:
        back -= _padded(len(value))
        entry_bytes = XATTR_ENTRY.size + _padded(len(name))
        if len(name) > 255 or front + entry_bytes + 4 > back:
            return None
        entry_hash = _hash(name, value) if hashed else 0
        at = base + back if value else 0
        XATTR_ENTRY.pack_into(raw, front, len(name), index, at, 0, len(value), entry_hash)
        raw[front + XATTR_ENTRY.size : front + XATTR_ENTRY.size + len(name)] = name
        raw[back : back + len(value)] = value
        front += entry_bytes
    return bytes(raw)


def _entries(body: bytes) -> list[tuple[bytes, int, int, int, int, int]]:
    """Return (name, index, value at, value inode, size, hash) of all entries."""
    found = []
    at = 0
    while at + XATTR_ENTRY.size <= len(body) and body[at : at + 4] != bytes(4):
        length, index, *rest = XATTR_ENTRY.unpack_from(body, at)
        name = body[at + XATTR_ENTRY.size : at + XATTR_ENTRY.size + length]
        found.append((name, index, rest[0], rest[1], rest[2], rest[3]))
        at += XATTR_ENTRY.size + _padded(length)
    return found


def _parse_body(body: bytes, base: int) -> dict[str, bytes]:
    found = {}
    prefixes = dict(PREFIXES)
    for name, index, at, value_inode, size, _entry_hash in _entries(body):
        start = at - base
        if index not in prefixes or value_inode or size > MAX_VALUE_BYTES:
            continue
        if size and not 0 <= start <= len(body) - size:
            continue
        value = body[start : start + size] if size else b""
        if index in ACL_INDICES:
            value = _acl_from_disk(value)
        found[(prefixes[index] + name).decode(errors="surrogateescape")] = value
    return found


def _to_disk(name: str, value: bytes) -> tuple[int, bytes, bytes]:
    raw = name.encode(errors="surrogateescape")
    for index, prefix in PREFIXES:
        if raw.startswith(prefix):
            if index in ACL_INDICES:
                return index, b"", _acl_to_disk(value)
            return index, raw[len(prefix) :], value
    raise RktioError(f"ext4 can't hold the extended attribute {name!r}")


def supported(name: str) -> bool:
    """Tell whether ext4 can hold an attribute of this name."""
    return any(name.encode(errors="surrogateescape").startswith(prefix) for _, prefix in PREFIXES)


def _acl_to_disk(value: bytes) -> bytes:
    """Convert struct posix_acl_xattr (version 2) to ext4_acl (version 1)."""
    raw = bytearray(struct.pack("<I", 1))
    for at in range(4, len(value) - 7, 8):
        tag, permissions, identity = struct.unpack_from("<HHI", value, at)
        raw += struct.pack("<HH", tag, permissions)
        if tag in ACL_NAMED:
            raw += struct.pack("<I", identity)
    return bytes(raw)


def _acl_from_disk(value: bytes) -> bytes:
    raw = bytearray(struct.pack("<I", 2))
    at = 4
    while at + 4 <= len(value):
        tag, permissions = struct.unpack_from("<HH", value, at)
        at += 4
        identity = 0xFFFFFFFF
        if tag in ACL_NAMED and at + 4 <= len(value):
            (identity,) = struct.unpack_from("<I", value, at)
            at += 4
        raw += struct.pack("<HHI", tag, permissions, identity)
    return bytes(raw)


def _hash(name: bytes, value: bytes) -> int:
    """ext4_xattr_hash_entry() of fs/ext4/xattr.c."""
    digest = 0
    for byte in name:
        digest = (digest << 5 ^ digest >> 27 ^ byte) & 0xFFFFFFFF
    padded = value + bytes(-len(value) % 4)
    for (word,) in struct.iter_unpack("<I", padded):
        digest = (digest << 16 ^ digest >> 16 ^ word) & 0xFFFFFFFF
    return digest


def _padded(length: int) -> int:
    return -(-length // 4) * 4
