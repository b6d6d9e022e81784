# SPDX-License-Identifier: Apache-2.0
"""Reads an ext4 image directly: no mount, no root, no other program, never a write.

An image is input: every number is checked before it is used, and damage is one RktioError.
The journal is not replayed, so after a crash a file may show an older state.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rktio.common.errors import RktioError
from rktio.image import xattrs
from rktio.image.ondisk import (
    DIRENT,
    EXTENT_HEADER,
    EXTENT_INDEX,
    EXTENT_LEAF,
    EXTENT_MAGIC,
    EXTENT_MAX_BLOCKS,
    EXTENT_MAX_DEPTH,
    ROOT_INODE,
    Group,
    Incompat,
    Inode,
    InodeFlag,
    Superblock,
)

MAX_SYMLINKS = 40  # as the kernel's
MAX_SYMLINK_BYTES = 4096
CHUNK_BYTES = 1 << 20
FAST_SYMLINK_BYTES = 60


@dataclass(frozen=True, slots=True)
class Extent:
    """`blocks` consecutive blocks of a file that hold data."""

    logical: int
    physical: int
    blocks: int


class NotFoundInImageError(RktioError):
    """A path that the image doesn't have."""


class Reader:
    """The files of one image; `superblock` must be that of a probed image."""

    def __init__(self, path: Path, fd: int, superblock: Superblock) -> None:
        """Take over the descriptor `fd`."""
        self.path = path
        self.superblock = superblock
        self._fd = fd
        self._groups: dict[int, Group] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the image."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def inode(self, number: int) -> Inode:
        """Return the inode `number`."""
        sb = self.superblock
        if not 0 < number <= sb.inodes:
            raise self._damaged(f"inode {number} is out of range")
        group, index = divmod(number - 1, sb.inodes_per_group)
        at = self._group(group).inode_table * sb.block_bytes + index * sb.inode_bytes
        return Inode.parse(number, self._pread(at, sb.inode_bytes))

    def extents(self, inode: Inode) -> list[Extent]:
        """Return where the data of `inode` lies, in order; holes are left out."""
        if not inode.flags & InodeFlag.EXTENTS:
            raise self._unsupported(inode, "it has no extents (an ext2 or ext3 file)")
        found: list[Extent] = []
        self._walk_extents(inode.block, EXTENT_MAX_DEPTH, found)
        end = 0
        for extent in found:
            if extent.logical < end:
                raise self._damaged(f"the extents of inode {inode.number} overlap")
            end = extent.logical + extent.blocks
        return found

    def chunks(self, inode: Inode, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, data) for the parts of a file, up to `limit`, that are not holes."""
        if inode.flags & (InodeFlag.INLINE_DATA | InodeFlag.ENCRYPT):
            raise self._unsupported(inode, "it is encrypted or kept inside its inode")
        block_bytes = self.superblock.block_bytes
        size = inode.size if limit is None else min(limit, inode.size)
        for extent in self.extents(inode):
            start = extent.logical * block_bytes
            end = min(start + extent.blocks * block_bytes, size)
            skew = extent.physical * block_bytes - start
            for offset in range(start, end, CHUNK_BYTES):
                yield offset, self._pread(offset + skew, min(CHUNK_BYTES, end - offset))

    def read(self, inode: Inode, limit: int | None = None) -> bytes:
        """Return the first `limit` bytes of a file, or all of it."""
        size = inode.size if limit is None else min(limit, inode.size)
        if size > self.superblock.blocks * self.superblock.block_bytes and limit is None:
            raise self._unsupported(inode, f"a sparse file of {size} bytes; extract it instead")
        data = bytearray(size)
        for offset, chunk in self.chunks(inode, size):
            data[offset : offset + len(chunk)] = chunk
        return bytes(data)

    def readlink(self, inode: Inode) -> bytes:
        """Return the target of a symbolic link."""
        if inode.size < FAST_SYMLINK_BYTES and not inode.flags & InodeFlag.EXTENTS:
            return inode.block[: inode.size]
        if inode.size > MAX_SYMLINK_BYTES:
            raise self._damaged(f"inode {inode.number} is a link of {inode.size} bytes")
        return self.read(inode)

    def directory(self, inode: Inode) -> dict[bytes, int]:
        """Return name -> inode number of a directory, without `.` and `..`."""
        if not inode.is_directory:
            raise self._damaged(f"inode {inode.number} is not a directory")
        block_bytes = self.superblock.block_bytes
        found: dict[bytes, int] = {}
        for _offset, chunk in self.chunks(inode):
            for start in range(0, len(chunk), block_bytes):
                self._read_dirents(inode, chunk[start : start + block_bytes], found)
        return found

    def xattrs(self, inode: Inode) -> dict[str, bytes]:
        """Return the extended attributes, named and formed as getxattr(2) does."""
        found = xattrs.parse_inline(inode.tail)
        if inode.xattr_block:
            size = self.superblock.block_bytes
            found.update(xattrs.parse_block(self._pread(inode.xattr_block * size, size)))
        return found

    def lookup(self, path: bytes, *, follow: bool = True) -> tuple[bytes, Inode]:
        """Return the canonical absolute path and the inode of `path`, from the root.

        Symbolic links on the way are followed, the last one only with `follow`.
        Raises NotFoundInImageError.
        """
        todo = _parts(path)
        done: list[tuple[bytes, Inode]] = []
        here = self.inode(ROOT_INODE)
        links = 0
        while todo:
            name = todo.pop(0)
            if name == b"..":
                del done[-1:]
                here = done[-1][1] if done else self.inode(ROOT_INODE)
                continue
            child = self._child(here, name, path)
            if child.is_symlink and (todo or follow):
                links += 1
                if links > MAX_SYMLINKS:
                    raise NotFoundInImageError(
                        f"{self.path}: {show(path)}: too many symbolic links"
                    )
                target = self.readlink(child)
                if target.startswith(b"/"):
                    here = self._root(done)
                todo[:0] = _parts(target)
                continue
            done.append((name, child))
            here = child
        return b"/" + b"/".join(name for name, _ in done), here

    def walk(self, path: bytes, inode: Inode) -> Iterator[tuple[bytes, Inode]]:
        """Yield `path` and all below it, parents first, names sorted."""
        stack = [(path, inode, 0)]
        seen: set[int] = set()
        while stack:
            here, node, depth = stack.pop()
            yield here, node
            if not node.is_directory:
                continue
            if node.number in seen or depth > 1000:
                raise self._damaged(f"directory {show(here)} is inside itself")
            seen.add(node.number)
            children = sorted(self.directory(node).items(), reverse=True)
            for name, number in children:
                stack.append((here.rstrip(b"/") + b"/" + name, self.inode(number), depth + 1))

    def _root(self, done: list[tuple[bytes, Inode]]) -> Inode:
        done.clear()
        return self.inode(ROOT_INODE)

    def _child(self, parent: Inode, name: bytes, path: bytes) -> Inode:
        number = self.directory(parent).get(name) if parent.is_directory else None
        if number is None:
            raise NotFoundInImageError(
                f"no {show(path)} in {self.path}",
                hint=f"rkt-io-disk ls {self.path} shows the files",
            )
        return self.inode(number)

    def _walk_extents(self, node: bytes, depth_left: int, found: list[Extent]) -> None:
        magic, entries, _limit, depth, _generation = EXTENT_HEADER.unpack_from(node)
        room = len(node) // EXTENT_LEAF.size - 1
        if magic != EXTENT_MAGIC or entries > room or depth > depth_left:
            raise self._damaged("an extent tree is invalid")
        for number in range(1, entries + 1):
            at = number * EXTENT_LEAF.size
            if depth:
                _logical, low, high, _unused = EXTENT_INDEX.unpack_from(node, at)
                size = self.superblock.block_bytes
                child = self._pread((low | high << 32) * size, size)
                self._walk_extents(child, depth - 1, found)
                continue
            logical, length, high, low = EXTENT_LEAF.unpack_from(node, at)
            if length <= EXTENT_MAX_BLOCKS:  # longer: allocated but unwritten, reads as zeros
                found.append(Extent(logical, low | high << 32, length))

    def _read_dirents(self, inode: Inode, block: bytes, found: dict[bytes, int]) -> None:
        at = 0
        while at + DIRENT.size <= len(block):
            number, length, name_bytes, _kind = DIRENT.unpack_from(block, at)
            if length == 0 and len(block) == 1 << 16:
                length = 1 << 16
            if length < DIRENT.size or length % 4 or at + length > len(block):
                raise self._damaged(f"directory inode {inode.number} is invalid")
            name = block[at + DIRENT.size : at + DIRENT.size + name_bytes]
            at += length
            if not number or name in (b".", b".."):
                continue
            if DIRENT.size + name_bytes > length or not name or b"/" in name or b"\0" in name:
                raise self._damaged(f"directory inode {inode.number} has an invalid name")
            found[name] = number

    def _group(self, number: int) -> Group:
        if number not in self._groups:
            sb = self.superblock
            table = sb.first_block + 1
            at = table * sb.block_bytes + number * sb.group_bytes
            if sb.incompat & Incompat.META_BG:
                raise RktioError(f"{self.path}: file systems with meta_bg are not supported")
            self._groups[number] = Group.parse(self._pread(at, sb.group_bytes))
        return self._groups[number]

    def _pread(self, offset: int, size: int) -> bytes:
        sb = self.superblock
        if offset < 0 or offset + size > sb.blocks * sb.block_bytes:
            raise self._damaged("a block number is out of range")
        data = os.pread(self._fd, size, offset)
        if len(data) != size:
            raise self._damaged("the file ends early")
        return data

    def _damaged(self, what: str) -> RktioError:
        return RktioError(
            f"{self.path} is damaged: {what}", hint=f"e2fsck -f {self.path} checks and repairs it"
        )

    def _unsupported(self, inode: Inode, why: str) -> RktioError:
        return RktioError(f"{self.path}: can't read inode {inode.number}: {why}")


def show(path: bytes) -> str:
    """Return a path for a message: control characters can't disturb the terminal."""
    text = path.decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def kind_letter(mode: int) -> str:
    """Return `ls -l`'s letter of a file type."""
    return stat.filemode(mode)[0]


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]
