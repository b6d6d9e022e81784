# SPDX-License-Identifier: Apache-2.0
"""Writes a tree of files into a fresh ext4 file system made by mke2fs.

Written directly because the tools can't do it reproducibly and for every name: mke2fs -d
takes access times and the order of readdir(3) from the host and needs root for owners;
debugfs reads commands by line, so that a newline in a name breaks it. The same tree gives
the same bytes: inodes and blocks are handed out in the order of the paths.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from rktio.common.progress import Progress
from rktio.image import xattrs
from rktio.image.allocator import Allocator, Bitmap
from rktio.image.crc32c import ALL_ONES, crc32c
from rktio.image.dirblocks import Child, directory_blocks
from rktio.image.dirhash import NameHash
from rktio.image.extents import ExtentMap
from rktio.image.ondisk import (
    LOST_AND_FOUND_INODE,
    ROOT_INODE,
    SUPERBLOCK_BYTES,
    SUPERBLOCK_OFFSET,
    Group,
    GroupFlag,
    Inode,
    InodeFlag,
    Superblock,
    pack_device,
)
from rktio.image.reader import FAST_SYMLINK_BYTES, Reader
from rktio.image.tree import Node, Tree

SECTORS_PER_BLOCK = 8
MAX_LINKS = 65000
INLINE_XATTR_BYTES = 256 - 128 - Inode.HIGH_BYTES
LOST_AND_FOUND = b"lost+found"
BLOCK_BYTES = 4096
ZERO_BLOCK = bytes(BLOCK_BYTES)


class Writer:
    """One run over one fresh image; `fd` must be open for reading and writing."""

    def __init__(self, fd: int, path: Path, tree: Tree) -> None:
        self._fd = fd
        self._tree = tree
        raw = os.pread(fd, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET)
        self._superblock = Superblock.parse(raw)
        self._seed = self._superblock.checksum_seed
        self._name_hash = NameHash.of_superblock(raw)
        self._reader = Reader(path, os.dup(fd), self._superblock)
        self._groups = self._read_groups()
        self._space = Allocator(self._superblock, self._groups)
        self._load_bitmaps()
        self._numbers: dict[int, int] = {}
        self._links: dict[int, int] = {}
        self._children: dict[bytes, list[Child]] = {}

    def write(self, progress: Progress) -> None:
        """Write all of the tree. Raises ImageFullError; the image is then of no use."""
        with self._reader:
            self._number_nodes()
            self._collect_children()
            written: set[int] = set()
            for path in self._tree.sorted_paths():
                node = self._tree.nodes[path]
                number = self._numbers.get(id(node))
                if number is None or number in written:
                    continue
                written.add(number)
                inode = self._inode(path, node, number, progress)
                self._write_inode(inode)
            self._finish()

    def _number_nodes(self) -> None:
        """Give each file its inode, in the order of the paths."""
        self._tree.nodes.pop(LOST_AND_FOUND, None)  # mke2fs made it already
        for path in self._tree.sorted_paths():
            node = self._tree.nodes[path]
            if id(node) not in self._numbers:
                self._numbers[id(node)] = (
                    self._space.take_inode(directory=node.is_directory) if path else ROOT_INODE
                )
            if not node.is_directory:
                self._links[id(node)] = self._links.get(id(node), 0) + 1

    def _collect_children(self) -> None:
        lost_and_found = Child(LOST_AND_FOUND, LOST_AND_FOUND_INODE, stat.S_IFDIR)
        self._children[b""] = [lost_and_found]
        for path in self._tree.sorted_paths():
            if path:
                node = self._tree.nodes[path]
                parent, _, name = path.rpartition(b"/")
                child = Child(name, self._numbers[id(node)], stat.S_IFMT(node.mode))
                self._children.setdefault(parent, []).append(child)

    def _inode(self, path: bytes, node: Node, number: int, progress: Progress) -> Inode:
        inode = Inode(
            number=number,
            mode=node.mode,
            uid=node.uid,
            gid=node.gid,
            links=self._links.get(id(node), 1),
            mtime_ns=node.mtime_ns,
            ctime_ns=node.mtime_ns,
            atime_ns=node.mtime_ns,
            created_ns=node.mtime_ns,
        )
        if node.is_directory:
            self._fill_directory(inode, path)
        elif node.is_symlink:
            self._fill_symlink(inode, node.target)
        elif stat.S_ISREG(node.mode):
            self._fill_regular(inode, node, progress)
        else:
            inode.block = pack_device(*node.device)
        self._add_xattrs(inode, node)
        return inode

    def _fill_directory(self, inode: Inode, path: bytes) -> None:
        children = self._children.get(path, [])
        parent = self._tree.nodes[path.rpartition(b"/")[0]]
        blocks, indexed = directory_blocks(
            inode.number,
            self._numbers[id(parent)],
            children,
            inode.checksum_seed(self._seed),
            self._name_hash,
        )
        extents = ExtentMap()
        if inode.number == ROOT_INODE:  # its first block is there already
            old = self._reader.extents(self._reader.inode(ROOT_INODE))[0]
            extents.add(0, old.physical, 1)
        for first, count in self._space.take_blocks(len(blocks) - extents.blocks):
            extents.add(extents.blocks, first, count)
        for block, position in zip(blocks, extents.physical_blocks(), strict=True):
            self._pwrite(block, position)
        inode.size = len(blocks) * BLOCK_BYTES
        inode.flags |= InodeFlag.INDEX if indexed else 0
        directories = sum(stat.S_ISDIR(child.kind) for child in children)
        inode.links = 2 + directories if 2 + directories < MAX_LINKS else 1
        self._set_extents(inode, extents)

    def _fill_symlink(self, inode: Inode, target: bytes) -> None:
        inode.size = len(target)
        if len(target) < FAST_SYMLINK_BYTES:
            inode.block = target.ljust(FAST_SYMLINK_BYTES, b"\0")
            return
        extents = ExtentMap()
        extents.add(0, self._space.take_block(), 1)
        self._pwrite(target.ljust(BLOCK_BYTES, b"\0"), next(extents.physical_blocks()))
        self._set_extents(inode, extents)

    def _fill_regular(self, inode: Inode, node: Node, progress: Progress) -> None:
        extents = ExtentMap()
        if node.content is not None:
            inode.size = node.content.size
            for offset, chunk in node.content.chunks():
                size = len(chunk)
                chunk += bytes(-size % BLOCK_BYTES)
                self._write_chunk(memoryview(chunk), offset // BLOCK_BYTES, extents)
                progress.advance(size)
        self._set_extents(inode, extents)

    def _write_chunk(self, chunk: memoryview, logical: int, extents: ExtentMap) -> None:
        """Write the blocks of a chunk that are not all zeros; the others become holes."""
        for start, count in _data_blocks(chunk):
            done = start
            for first, part in self._space.take_blocks(count):
                self._pwrite(chunk[done * BLOCK_BYTES : (done + part) * BLOCK_BYTES], first)
                extents.add(logical + done, first, part)
                done += part

    def _set_extents(self, inode: Inode, extents: ExtentMap) -> None:
        inode.flags |= InodeFlag.EXTENTS
        seed = inode.checksum_seed(self._seed)
        inode.block, nodes = extents.pack(self._space.take_block, BLOCK_BYTES, seed)
        for position, block in nodes:
            self._pwrite(block, position)
        inode.sectors += (extents.blocks + len(nodes)) * SECTORS_PER_BLOCK

    def _add_xattrs(self, inode: Inode, node: Node) -> None:
        tail = xattrs.pack_inline(node.xattrs, INLINE_XATTR_BYTES)
        if tail is not None:
            inode.tail = tail
            return
        number = self._space.take_block()
        self._pwrite(xattrs.pack_block(node.xattrs, BLOCK_BYTES, number, self._seed), number)
        inode.xattr_block = number
        inode.sectors += SECTORS_PER_BLOCK

    def _write_inode(self, inode: Inode) -> None:
        sb = self._superblock
        group, index = divmod(inode.number - 1, sb.inodes_per_group)
        at = self._groups[group].inode_table * BLOCK_BYTES + index * sb.inode_bytes
        os.pwrite(self._fd, inode.pack(sb.inode_bytes, self._seed), at)

    def _read_groups(self) -> list[Group]:
        sb = self._superblock
        raw = os.pread(self._fd, sb.groups * sb.group_bytes, BLOCK_BYTES)
        return [
            Group.parse(raw[at : at + sb.group_bytes]) for at in range(0, len(raw), sb.group_bytes)
        ]

    def _load_bitmaps(self) -> None:
        """Read the bitmaps, and make those that mke2fs left out of untouched groups."""
        sb = self._superblock
        for number, group in enumerate(self._groups):
            blocks = Bitmap(self._pread(group.block_bitmap))
            if group.flags & GroupFlag.BLOCK_UNINIT:
                blocks = self._fresh_block_bitmap(number)
            inodes = Bitmap(self._pread(group.inode_bitmap))
            if group.flags & GroupFlag.INODE_UNINIT:
                inodes = Bitmap(bytes(BLOCK_BYTES))
                inodes.fill(sb.inodes_per_group, 8 * BLOCK_BYTES - sb.inodes_per_group)
            self._space.load(number, blocks, inodes)

    def _fresh_block_bitmap(self, number: int) -> Bitmap:
        sb = self._superblock
        bitmap = Bitmap(bytes(BLOCK_BYTES))
        blocks = min(sb.blocks_per_group, sb.blocks - sb.group_first_block(number))
        bitmap.fill(blocks, 8 * BLOCK_BYTES - blocks)
        if _has_backup(number):
            bitmap.fill(0, 1 + -(-sb.groups * sb.group_bytes // BLOCK_BYTES))
        free = sum(count for _, count in bitmap.free_runs(blocks))
        assert free == self._groups[number].free_blocks, "mke2fs put more into this group"
        return bitmap

    def _finish(self) -> None:
        """Write what the allocation changed: bitmaps, descriptors, superblock."""
        sb = self._superblock
        descriptors = b""
        for number, group in enumerate(self._groups):
            self._write_bitmaps(number, group)
            # The file is new, so the unwritten inode tables read as zeros: the kernel
            # need not zero them in the background after the first mount.
            group.flags |= GroupFlag.INODE_ZEROED
            descriptors += group.pack(number, sb.group_bytes, self._seed)
        os.pwrite(self._fd, descriptors, BLOCK_BYTES)
        raw = bytearray(os.pread(self._fd, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET))
        struct.pack_into("<I", raw, 0x0C, self._space.free_blocks & 0xFFFFFFFF)
        struct.pack_into("<I", raw, 0x158, self._space.free_blocks >> 32)
        struct.pack_into("<I", raw, 0x10, self._space.free_inodes)
        struct.pack_into("<I", raw, 0x3FC, crc32c(ALL_ONES, raw[:0x3FC]))
        os.pwrite(self._fd, raw, SUPERBLOCK_OFFSET)

    def _write_bitmaps(self, number: int, group: Group) -> None:
        sb = self._superblock
        if not group.flags & GroupFlag.BLOCK_UNINIT:
            raw = self._space.block_bitmaps[number].raw
            group.block_bitmap_checksum = crc32c(self._seed, raw[: sb.blocks_per_group // 8])
            self._pwrite(raw, group.block_bitmap)
        if not group.flags & GroupFlag.INODE_UNINIT:
            raw = self._space.inode_bitmaps[number].raw
            group.inode_bitmap_checksum = crc32c(self._seed, raw[: sb.inodes_per_group // 8])
            self._pwrite(raw, group.inode_bitmap)

    def _pread(self, block: int) -> bytes:
        return os.pread(self._fd, BLOCK_BYTES, block * BLOCK_BYTES)

    def _pwrite(self, data: bytes | bytearray | memoryview, block: int) -> None:
        at = block * BLOCK_BYTES
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, at)
            view = view[done:]
            at += done


def _data_blocks(chunk: memoryview) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the runs of blocks that are not all zeros."""
    start = None
    blocks = len(chunk) // BLOCK_BYTES
    for block in range(blocks):
        zero = chunk[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] == ZERO_BLOCK
        if zero and start is not None:
            yield start, block - start
            start = None
        elif not zero and start is None:
            start = block
    if start is not None:
        yield start, blocks - start


def _has_backup(group: int) -> bool:
    """Tell whether sparse_super puts a copy of the superblock into this group."""
    if group <= 1:
        return True
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return True
    return False
