# SPDX-License-Identifier: Apache-2.0
"""An empty ext4 file system, the same bytes each time; and how large one must be."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rktio.common.run import require, run
from rktio.image.allocator import ImageFullError
from rktio.image.ondisk import Inode
from rktio.image.tree import Tree

BLOCK_BYTES = 4096
INODE_BYTES = 256
MIB = 1 << 20
MIN_FREE_BYTES = 256 * MIB
MIN_IMAGE_BYTES = 16 * MIB
BYTES_PER_INODE = 16384
# Linux 6.12 and every e2fsprogs since 1.43 know these. Not resize_inode, which reserves
# space for growing while mounted, and not orphan_file, which e2fsprogs 1.46 can't read.
FEATURES = (
    "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,"
    "large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
)
# mke2fs asks for its types by name, and the host's file could change the image.
CONFIGURATION = "[fs_types]\n" + "".join(
    f"\t{name} = {{\n\t}}\n" for name in ("ext4", "floppy", "small", "big", "huge")
)


@dataclass(frozen=True, slots=True)
class Need:
    """What a tree takes up in an image."""

    data_bytes: int
    inodes: int


def need_of(tree: Tree) -> Need:
    """Return an upper bound of the space that the files of `tree` take."""
    blocks = 0
    nodes = {id(node): node for node in tree.nodes.values()}
    names: dict[bytes, int] = {}
    for path in tree.nodes:
        parent, _, name = path.rpartition(b"/")
        names[parent] = names.get(parent, 0) + 12 + len(name)
    for node in nodes.values():
        if node.content is not None:
            blocks += sum(-(-run.length // BLOCK_BYTES) + 1 for run in node.content.runs)
            blocks += len(node.content.runs) // 300 + 1
        blocks += len(node.target) >= 60
        blocks += sum(map(len, node.xattrs.values())) > Inode.HIGH_BYTES
        blocks += stat.S_ISDIR(node.mode)
    blocks += sum(size * 3 // 2 // BLOCK_BYTES for size in names.values())
    return Need(blocks * BLOCK_BYTES, len(nodes) + 16)


def default_size(need: Need, *, writable: bool = True) -> int:
    """Return the size of an image with a quarter, and at least 256 MiB, left free.

    One that is never written to only needs room for what it holds.
    """
    spare = max(need.data_bytes // 4, MIN_FREE_BYTES) if writable else need.data_bytes // 64 + MIB
    data = need.data_bytes + spare
    inodes = _inodes(data, need) * INODE_BYTES
    size = max(data + inodes + _journal_bytes(data) + data // 1024 + MIB, MIN_IMAGE_BYTES)
    return -(-size // (4 * MIB)) * 4 * MIB


def make_empty(path: Path, size_bytes: int, need: Need, *, uuid: UUID, epoch: int) -> None:
    """Make a file system in the file `path`, which must be new and sparse.

    Raises ImageFullError where not even the file system's own structures fit.
    """
    own = _inodes(size_bytes, need) * INODE_BYTES + _journal_bytes(size_bytes)
    if own + size_bytes // 64 + MIB > size_bytes:
        raise ImageFullError("the image has no room for its inodes")
    os.truncate(path, size_bytes)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as configuration:
        configuration.write(CONFIGURATION)
        configuration.flush()
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "MKE2FS_CONFIG": configuration.name,
            "E2FSPROGS_FAKE_TIME": str(max(epoch, 1)),  # 0 would mean now
        }
        run(_command(path, size_bytes, need, uuid), env=environment)


def _command(path: Path, size_bytes: int, need: Need, uuid: UUID) -> list[str | Path]:
    extended = f"lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0,hash_seed={uuid}"
    return [
        require("mke2fs", "e2fsprogs"),
        *("-q", "-F", "-t", "ext4", "-b", str(BLOCK_BYTES), "-I", str(INODE_BYTES)),
        *("-N", str(_inodes(size_bytes, need)), "-J", f"size={_journal_bytes(size_bytes) // MIB}"),
        *("-m", "0", "-O", FEATURES, "-E", extended, "-U", str(uuid)),
        path,
    ]


def _inodes(size_bytes: int, need: Need) -> int:
    return max(need.inodes * 5 // 4 + 256, size_bytes // BYTES_PER_INODE)


def _journal_bytes(size_bytes: int) -> int:
    """Return a journal's size; 1024 blocks are the least that ext4 takes."""
    if size_bytes < 128 * MIB:
        return 4 * MIB
    return 16 * MIB if size_bytes < 1024 * MIB else 64 * MIB
