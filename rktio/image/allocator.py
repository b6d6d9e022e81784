# SPDX-License-Identifier: Apache-2.0
"""Hands out the free blocks and inodes of a fresh file system, in ascending order.

Ascending order keeps files contiguous, leaves the later groups untouched (sparse), and
makes the image depend on nothing but its contents.
"""

from __future__ import annotations

from collections.abc import Iterator

from rktio.common.errors import RktioError
from rktio.image.ondisk import Group, GroupFlag, Superblock


class ImageFullError(RktioError):
    """The contents don't fit in the size asked for."""


class Bitmap:
    """One block of bits, set = used."""

    def __init__(self, raw: bytes | bytearray) -> None:
        self.raw = bytearray(raw)

    def fill(self, first: int, count: int) -> None:
        """Set `count` bits from `first`."""
        last = first + count
        while first < last and first % 8:
            self.raw[first // 8] |= 1 << first % 8
            first += 1
        whole = (last - first) // 8
        if whole > 0:
            self.raw[first // 8 : first // 8 + whole] = b"\xff" * whole
            first += whole * 8
        while first < last:
            self.raw[first // 8] |= 1 << first % 8
            first += 1

    def free_runs(self, bits: int) -> Iterator[tuple[int, int]]:
        """Yield (first, count) of the clear bits among the first `bits`."""
        start = None
        bit = 0
        while bit < bits:
            byte = self.raw[bit // 8]
            if bit % 8 == 0 and byte in (0x00, 0xFF):
                used, step = byte == 0xFF, min(8, bits - bit)
            else:
                used, step = bool(byte & 1 << bit % 8), 1
            if used and start is not None:
                yield start, bit - start
                start = None
            elif not used and start is None:
                start = bit
            bit += step
        if start is not None:
            yield start, bits - start


class Allocator:
    """Free blocks and inodes by group; `block_bitmap(group)` must return the one on disk."""

    def __init__(self, superblock: Superblock, groups: list[Group]) -> None:
        self.superblock = superblock
        self.groups = groups
        self.block_bitmaps: dict[int, Bitmap] = {}
        self.inode_bitmaps: dict[int, Bitmap] = {}
        self.free_blocks = superblock.free_blocks
        self.free_inodes = superblock.free_inodes
        self._runs = self._free_runs()
        self._start = 0
        self._left = 0
        self._next_inode = 0

    def load(self, group: int, blocks: Bitmap, inodes: Bitmap) -> None:
        """Take in the bitmaps of `group`; those of all groups before the first use."""
        self.block_bitmaps[group] = blocks
        self.inode_bitmaps[group] = inodes

    def take_blocks(self, count: int) -> Iterator[tuple[int, int]]:
        """Yield (first, count) runs that add up to `count` blocks. Raises ImageFullError."""
        while count:
            if not self._left:
                run = next(self._runs, None)
                if run is None:
                    raise ImageFullError("the contents don't fit in the image")
                self._start, self._left = run
            part = min(count, self._left)
            first = self._start
            self._start += part
            self._left -= part
            count -= part
            self._mark_blocks(first, part)
            yield first, part

    def take_block(self) -> int:
        """Return one block."""
        return next(iter(self.take_blocks(1)))[0]

    def take_inode(self, *, directory: bool) -> int:
        """Return the next free inode number, counted as a directory where it is one."""
        sb = self.superblock
        if not self._next_inode:
            self._next_inode = sb.inodes - sb.free_inodes  # the reserved ones come first
        if self._next_inode >= sb.inodes:
            raise ImageFullError("the image has too few inodes for its files")
        group, index = divmod(self._next_inode, sb.inodes_per_group)
        self._next_inode += 1
        self.inode_bitmaps[group].fill(index, 1)
        descriptor = self.groups[group]
        descriptor.flags &= ~GroupFlag.INODE_UNINIT
        descriptor.free_inodes -= 1
        descriptor.unused_inodes = sb.inodes_per_group - index - 1
        descriptor.directories += directory
        self.free_inodes -= 1
        return self._next_inode

    def _free_runs(self) -> Iterator[tuple[int, int]]:
        sb = self.superblock
        for group in range(sb.groups):
            first = sb.group_first_block(group)
            bits = min(sb.blocks_per_group, sb.blocks - first)
            # A snapshot: blocks are marked while the runs are handed out.
            for start, count in list(self.block_bitmaps[group].free_runs(bits)):
                yield first + start, count

    def _mark_blocks(self, first: int, count: int) -> None:
        sb = self.superblock
        group, start = divmod(first - sb.first_block, sb.blocks_per_group)
        self.block_bitmaps[group].fill(start, count)
        self.groups[group].flags &= ~GroupFlag.BLOCK_UNINIT
        self.groups[group].free_blocks -= count
        self.free_blocks -= count
