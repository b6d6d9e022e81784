# SPDX-License-Identifier: Apache-2.0
"""dm-verity's hash partition: superblock and hash tree, byte for byte as veritysetup writes them.

Version 1, SHA-256, salt before the data, blocks of 4096 bytes (Documentation/admin-guide/
device-mapper/verity.rst; cryptsetup's lib/verity/verity.c for the superblock).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

BLOCK_BYTES = 4096
DIGEST_BYTES = 32
FANOUT = BLOCK_BYTES // DIGEST_BYTES
SALT_BYTES = 32
MAX_DATA_BLOCKS = 1 << 36  # 256 TiB
_SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6s256s168s")


class VerityError(ValueError):
    """The superblock or the tree is not what it should be; the text says what."""


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the hash partition's first block says."""

    uuid: UUID
    data_blocks: int
    salt: bytes

    def encode(self) -> bytes:
        """Return the first block of the hash partition."""
        raw = _SUPERBLOCK.pack(
            b"verity\0\0",
            1,
            1,
            self.uuid.bytes,
            b"sha256",
            BLOCK_BYTES,
            BLOCK_BYTES,
            self.data_blocks,
            len(self.salt),
            b"",
            self.salt,
            b"",
        )
        return raw.ljust(BLOCK_BYTES, b"\0")

    @classmethod
    def parse(cls, raw: bytes) -> Superblock:
        """Parse the first block of the hash partition. Raises VerityError."""
        if len(raw) != BLOCK_BYTES:
            raise VerityError("the hash partition is cut off in its superblock")
        fields = _SUPERBLOCK.unpack_from(raw)
        magic, version, kind, uuid, name, data_bytes, hash_bytes, blocks, salt_bytes = fields[:9]
        if magic != b"verity\0\0":
            raise VerityError("the hash partition has no verity superblock")
        if (version, kind) != (1, 1):
            raise VerityError(f"verity version {version}, type {kind}; 1 and 1 are known")
        if name.rstrip(b"\0") != b"sha256":
            raise VerityError("the hash tree is not of SHA-256")
        if (data_bytes, hash_bytes) != (BLOCK_BYTES, BLOCK_BYTES):
            raise VerityError("the hash tree is not of blocks of 4096 bytes")
        if not 0 < blocks <= MAX_DATA_BLOCKS:
            raise VerityError(f"a hash tree over {blocks} blocks")
        if salt_bytes != SALT_BYTES:
            raise VerityError(f"a salt of {salt_bytes} bytes; {SALT_BYTES} expected")
        found = cls(UUID(bytes=uuid), blocks, fields[10][:SALT_BYTES])
        if found.encode() != raw:
            raise VerityError("the verity superblock holds bytes that mean nothing")
        return found


class TreeBuilder:
    """Hashes the data in order, then gives the tree."""

    def __init__(self, salt: bytes) -> None:
        self._seed = sha256(salt)
        self._leaves = bytearray()

    def update(self, data: bytes | memoryview) -> None:
        """Hash whole blocks that come next."""
        view = memoryview(data)
        for start in range(0, len(view), BLOCK_BYTES):
            block = self._seed.copy()
            block.update(view[start : start + BLOCK_BYTES])
            self._leaves += block.digest()

    def digests(self) -> bytes:
        """Return the digests of all blocks so far."""
        return bytes(self._leaves)

    def finish(self) -> tuple[bytes, bytes]:
        """Return (root hash, tree): the tree's levels from the top one down."""
        levels: list[bytes] = []
        digests = bytes(self._leaves)
        while len(digests) > DIGEST_BYTES:
            level = digests.ljust(-(-len(digests) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")
            levels.append(level)
            above = bytearray()
            for start in range(0, len(level), BLOCK_BYTES):
                block = self._seed.copy()
                block.update(level[start : start + BLOCK_BYTES])
                above += block.digest()
            digests = bytes(above)
        return digests, b"".join(reversed(levels))


def level_blocks(data_blocks: int) -> list[int]:
    """Return how many blocks each level of the tree has, from the top one down."""
    levels = []
    count = data_blocks
    while count > 1:
        count = -(-count // FANOUT)
        levels.append(count)
    return levels[::-1]


def tree_bytes(data_blocks: int) -> int:
    """Return the size of the tree, without the superblock."""
    return sum(level_blocks(data_blocks)) * BLOCK_BYTES


def checked_leaves(tree: bytes, superblock: Superblock, root_hash: bytes) -> bytes:
    """Return the digests of all data blocks, after checking the tree from its root down.

    Raises VerityError, which names the first level and block that is wrong.
    """
    expected = root_hash
    position = 0
    for depth, blocks in enumerate(level_blocks(superblock.data_blocks)):
        level = tree[position : position + blocks * BLOCK_BYTES]
        position += len(level)
        if len(level) != blocks * BLOCK_BYTES:
            raise VerityError("the hash tree is cut off")
        builder = TreeBuilder(superblock.salt)
        builder.update(level)
        wrong = first_difference(builder.digests(), expected)
        if wrong is not None and depth == 0:
            raise VerityError("the hash tree has another root hash than the signed one")
        if wrong is not None:
            raise VerityError(f"block {wrong} of level {depth} of the hash tree is wrong")
        below = blocks * FANOUT
        expected = level[: below * DIGEST_BYTES]
    return expected[: superblock.data_blocks * DIGEST_BYTES]


def first_difference(digests: bytes, expected: bytes) -> int | None:
    """Return the index of the first digest that differs from the expected one."""
    if digests == expected[: len(digests)]:
        return None
    return next(_differences(digests, expected))


def _differences(digests: bytes, expected: bytes) -> Iterator[int]:
    for start in range(0, len(digests), DIGEST_BYTES):
        if digests[start : start + DIGEST_BYTES] != expected[start : start + DIGEST_BYTES]:
            yield start // DIGEST_BYTES
