# SPDX-License-Identifier: Apache-2.0
"""The blocks of a directory: one linear block, or a hash tree over several.

Layout: Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories".
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass

from rktio.common.errors import RktioError
from rktio.image.crc32c import crc32c
from rktio.image.dirhash import HALF_MD4, NameHash
from rktio.image.ondisk import DIRENT

BLOCK_BYTES = 4096
TAIL = struct.Struct("<IHBBI")  # looks like an unused entry; holds the checksum
TAIL_KIND = 0xDE
LEAF_BYTES = BLOCK_BYTES - TAIL.size
LEAF_FILL_BYTES = LEAF_BYTES * 4 // 5  # room for new names before a leaf must be split
INDEX_ENTRY_BYTES = 8
INDEX_TAIL_BYTES = 8
ROOT_INDEX_AT = 32
NODE_INDEX_AT = 8
KINDS = {
    stat.S_IFREG: 1,
    stat.S_IFDIR: 2,
    stat.S_IFCHR: 3,
    stat.S_IFBLK: 4,
    stat.S_IFIFO: 5,
    stat.S_IFSOCK: 6,
    stat.S_IFLNK: 7,
}


@dataclass(frozen=True, slots=True)
class Child:
    """One name of a directory; `kind` is the S_IFMT part of the mode."""

    name: bytes
    inode: int
    kind: int

    @property
    def record_bytes(self) -> int:
        """The least length of the directory entry."""
        return DIRENT.size + -(-len(self.name) // 4) * 4


Index = list[tuple[int, int]]  # (hash, logical block)


def directory_blocks(
    inode: int, parent: int, children: list[Child], checksum_seed: int, name_hash: NameHash
) -> tuple[list[bytes], bool]:
    """Return the blocks of a directory, and whether they form a hash tree."""
    dots = [Child(b".", inode, stat.S_IFDIR), Child(b"..", parent, stat.S_IFDIR)]
    linear = dots + sorted(children, key=lambda child: child.name)
    if sum(child.record_bytes for child in linear) <= LEAF_BYTES:
        return [_leaf(linear, checksum_seed)], False
    leaves, hashes = _hashed_leaves(children, name_hash)
    root_limit = _limit(ROOT_INDEX_AT)
    node_limit = _limit(NODE_INDEX_AT)
    levels = 0 if len(leaves) <= root_limit else 1
    nodes = -(-len(leaves) // node_limit) if levels else 0
    if nodes > root_limit:
        raise RktioError(f"a directory of {len(children)} names is too large")
    index = [(value, 1 + nodes + number) for number, value in enumerate(hashes)]
    blocks = [b""]
    if levels:
        parts = [index[at : at + node_limit] for at in range(0, len(index), node_limit)]
        head = DIRENT.pack(0, BLOCK_BYTES, 0, 0)
        blocks += [_index_block(head, part, checksum_seed) for part in parts]
        index = [(part[0][0], 1 + number) for number, part in enumerate(parts)]
    head = _dot_entries(dots) + struct.pack("<IBBBB", 0, HALF_MD4, 8, levels, 0)
    blocks[0] = _index_block(head, index, checksum_seed)
    return blocks + [_leaf(leaf, checksum_seed) for leaf in leaves], True


def _hashed_leaves(
    children: list[Child], name_hash: NameHash
) -> tuple[list[list[Child]], list[int]]:
    """Return the leaves in the order of the hashes, and the first hash of each."""
    order = sorted((*name_hash(child.name), child.name, child) for child in children)
    leaves: list[list[Child]] = []
    hashes: list[int] = []
    room = 0
    last = None
    for major, _minor, _name, child in order:
        if child.record_bytes > room:
            # An odd hash says that the leaf before ends with the same one.
            hashes.append(major | 1 if major == last else major)
            leaves.append([])
            room = LEAF_FILL_BYTES
        leaves[-1].append(child)
        room -= child.record_bytes
        last = major
    return leaves, hashes


def _limit(index_at: int) -> int:
    return (BLOCK_BYTES - index_at - INDEX_TAIL_BYTES) // INDEX_ENTRY_BYTES


def _index_block(head: bytes, index: Index, checksum_seed: int) -> bytes:
    """Return a block of `head` and an index, whose first entry has no hash but the count."""
    limit = _limit(len(head))
    raw = head + struct.pack("<HHI", limit, len(index), index[0][1])
    raw += b"".join(struct.pack("<II", *entry) for entry in index[1:])
    checksum = crc32c(crc32c(checksum_seed, raw), bytes(INDEX_TAIL_BYTES))
    body = raw.ljust(BLOCK_BYTES - INDEX_TAIL_BYTES, b"\0")
    return body + struct.pack("<II", 0, checksum)


def _dot_entries(dots: list[Child]) -> bytes:
    first, second = dots
    return _record(first, first.record_bytes) + _record(second, BLOCK_BYTES - first.record_bytes)


def _leaf(children: list[Child], checksum_seed: int) -> bytes:
    raw = b"".join(_record(child, child.record_bytes) for child in children[:-1])
    last = children[-1]
    raw = (raw + _record(last, LEAF_BYTES - len(raw))).ljust(LEAF_BYTES, b"\0")
    return raw + TAIL.pack(0, TAIL.size, 0, TAIL_KIND, crc32c(checksum_seed, raw))


def _record(child: Child, length: int) -> bytes:
    head = DIRENT.pack(child.inode, length, len(child.name), KINDS[child.kind])
    return head + child.name.ljust(child.record_bytes - DIRENT.size, b"\0")
