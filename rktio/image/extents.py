# SPDX-License-Identifier: Apache-2.0
"""The extent tree of a file that is being written."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from rktio.image.crc32c import crc32c
from rktio.image.ondisk import (
    EXTENT_HEADER,
    EXTENT_INDEX,
    EXTENT_LEAF,
    EXTENT_MAGIC,
    EXTENT_MAX_BLOCKS,
)

ROOT_ENTRIES = 4  # in the inode's 60 bytes


class ExtentMap:
    """Where the blocks of one file lie, in ascending logical order."""

    def __init__(self) -> None:
        self.blocks = 0
        self._extents: list[tuple[int, int, int]] = []  # logical, physical, count

    def add(self, logical: int, physical: int, count: int) -> None:
        """Append `count` blocks, joined to the last extent where they continue it."""
        self.blocks += count
        while count:
            room = 0
            if self._extents:
                last_logical, last_physical, length = self._extents[-1]
                if (last_logical + length, last_physical + length) == (logical, physical):
                    room = min(count, EXTENT_MAX_BLOCKS - length)
            if room:
                self._extents[-1] = (last_logical, last_physical, length + room)
            else:
                room = min(count, EXTENT_MAX_BLOCKS)
                self._extents.append((logical, physical, room))
            logical, physical, count = logical + room, physical + room, count - room

    def physical_blocks(self) -> Iterator[int]:
        """Yield the physical blocks in logical order."""
        for _logical, physical, count in self._extents:
            yield from range(physical, physical + count)

    def pack(
        self, take_block: Callable[[], int], block_bytes: int, checksum_seed: int
    ) -> tuple[bytes, list[tuple[int, bytes]]]:
        """Return the root for the inode, and (position, bytes) of the other nodes."""
        entries = [
            (logical, EXTENT_LEAF.pack(logical, count, physical >> 32, physical & 0xFFFFFFFF))
            for logical, physical, count in self._extents
        ]
        nodes: list[tuple[int, bytes]] = []
        fanout = (block_bytes - EXTENT_HEADER.size) // EXTENT_LEAF.size
        depth = 0
        while len(entries) > ROOT_ENTRIES:
            parents = []
            for at in range(0, len(entries), fanout):
                part = entries[at : at + fanout]
                raw = _node(part, fanout, depth).ljust(block_bytes - 4, b"\0")
                position = take_block()
                nodes.append((position, raw + struct.pack("<I", crc32c(checksum_seed, raw))))
                index = EXTENT_INDEX.pack(part[0][0], position & 0xFFFFFFFF, position >> 32, 0)
                parents.append((part[0][0], index))
            entries = parents
            depth += 1
        return _node(entries, ROOT_ENTRIES, depth).ljust(60, b"\0"), nodes


def _node(entries: list[tuple[int, bytes]], limit: int, depth: int) -> bytes:
    header = EXTENT_HEADER.pack(EXTENT_MAGIC, len(entries), limit, depth, 0)
    return header + b"".join(raw for _, raw in entries)
