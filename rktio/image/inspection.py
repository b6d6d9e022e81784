# SPDX-License-Identifier: Apache-2.0
"""Tells whether a file is an image that the library OS can mount, and what it is if not."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.image.ondisk import (
    GOOD_OLD_INODE_BYTES,
    MAGIC,
    STATE_ERRORS,
    SUPERBLOCK_BYTES,
    SUPERBLOCK_OFFSET,
    Compat,
    Incompat,
    Superblock,
)
from rktio.image.reader import Reader

PAGE_BYTES = 4096
SUPPORTED = (  # EXT4_FEATURE_INCOMPAT_SUPP of Linux 6.12, without encryption and casefolding
    Incompat.FILETYPE
    | Incompat.NEEDS_RECOVERY
    | Incompat.META_BG
    | Incompat.EXTENTS
    | Incompat.BITS64
    | Incompat.MMP
    | Incompat.FLEX_BG
    | Incompat.EA_INODE
    | Incompat.CSUM_SEED
    | Incompat.LARGEDIR
    | Incompat.INLINE_DATA
)
# (offset, bytes, name) of what people mistake for an image.
FOREIGN = (
    (0, b"QFI\xfb", "a qcow2 disk"),
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"XFSB", "an XFS file system"),
    (0, b"hsqs", "a squashfs file system"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"\x7fELF", "a program"),
    (257, b"ustar", "a tar archive"),
    (512, b"EFI PART", "a partitioned disk"),
    (510, b"\x55\xaa", "a partitioned disk"),
    (1024, b"\xe2\xe1\xf5\xe0", "an erofs file system"),
)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an ext4 image is, from its superblock."""

    path: Path
    size_bytes: int
    block_bytes: int
    blocks: int
    free_blocks: int
    inodes: int
    free_inodes: int
    uuid: str
    label: str
    created: int  # seconds since 1970
    features: tuple[str, ...]
    needs_recovery: bool  # the journal is replayed at the next mount
    has_errors: bool  # the kernel saw errors; e2fsck mends them

    @property
    def free_bytes(self) -> int:
        """The bytes that are free for data."""
        return self.free_blocks * self.block_bytes


def probe(path: str | Path) -> ImageInfo:
    """Return what the image at `path` is, without reading more than its first blocks.

    Raises RktioError, one line, where it is missing, empty, truncated, damaged or not ext4.
    """
    with open_reader(path) as reader:
        return image_info(reader)


def image_info(reader: Reader) -> ImageInfo:
    """Return what the opened image is."""
    sb = reader.superblock
    present = (*sb.compat, *sb.incompat, *sb.ro_compat)
    return ImageInfo(
        path=reader.path,
        size_bytes=sb.blocks * sb.block_bytes,
        block_bytes=sb.block_bytes,
        blocks=sb.blocks,
        free_blocks=sb.free_blocks,
        inodes=sb.inodes,
        free_inodes=sb.free_inodes,
        uuid=str(sb.uuid),
        label=sb.label,
        created=sb.mkfs_time,
        features=tuple(_feature_name(flag) for flag in present),
        needs_recovery=bool(sb.incompat & Incompat.NEEDS_RECOVERY),
        has_errors=bool(sb.state & STATE_ERRORS),
    )


def open_reader(path: str | Path) -> Reader:
    """Open an image for reading after checking it as `probe` does."""
    path = Path(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise RktioError(
            f"{path} does not exist",
            hint=f"rkt-io-disk create --debian redis-server {path} makes an image",
        ) from error
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    try:
        return Reader(path, fd, _checked_superblock(path, fd))
    except OSError as error:
        os.close(fd)
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    except BaseException:
        os.close(fd)
        raise


def _checked_superblock(path: Path, fd: int) -> Superblock:
    size = _image_bytes(path, fd)
    if size == 0:
        raise _not_ext4(path, "is empty (0 bytes)")
    head = os.pread(fd, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES, 0)
    raw = head[SUPERBLOCK_OFFSET:]
    if int.from_bytes(raw[0x38:0x3A], "little") != MAGIC:
        raise _not_ext4(path, _what_else(head))
    if len(raw) < SUPERBLOCK_BYTES:
        raise _truncated(path, size, None)
    superblock = Superblock.parse(raw)
    _check_features(path, superblock)
    _check_geometry(path, superblock)
    whole = superblock.blocks * superblock.block_bytes
    if size < whole:
        raise _truncated(path, size, whole)
    return superblock


def _image_bytes(path: Path, fd: int) -> int:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise RktioError(
            f"{path} is a directory, not an image",
            hint=f"rkt-io-disk create --directory {path} app-disk.img makes an image of it",
        )
    if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
        raise RktioError(f"{path} is neither a file nor a block device")
    return os.lseek(fd, 0, os.SEEK_END)


def _check_features(path: Path, sb: Superblock) -> None:
    if not sb.incompat & Incompat.EXTENTS:
        older = "ext3" if sb.compat & Compat.HAS_JOURNAL else "ext2"
        raise RktioError(
            f"{path} holds an {older} file system, not ext4",
            hint=f"tune2fs -O extents,uninit_bg,dir_index {path} && e2fsck -fD {path} converts it",
        )
    unknown = sb.incompat & ~SUPPORTED
    if unknown:
        names = ", ".join(map(_feature_name, unknown)) or hex(unknown)
        raise RktioError(
            f"{path} uses ext4 features that the library OS doesn't have: {names}",
            hint="make the image without them, with rkt-io-disk create",
        )


def _check_geometry(path: Path, sb: Superblock) -> None:
    if not sb.checksum_valid:
        raise RktioError(
            f"{path} is damaged: its superblock has a wrong checksum",
            hint=f"e2fsck -f {path} checks and repairs it",
        )
    if sb.block_bytes > PAGE_BYTES:
        raise RktioError(
            f"{path} has blocks of {sb.block_bytes} bytes; the library OS reads up to {PAGE_BYTES}",
            hint="make the image with rkt-io-disk create, or mkfs.ext4 -b 4096",
        )
    sound = (
        sb.blocks > sb.first_block
        and 0 < sb.blocks_per_group <= 8 * sb.block_bytes
        and 0 < sb.inodes_per_group <= 8 * sb.block_bytes
        and GOOD_OLD_INODE_BYTES <= sb.inode_bytes <= sb.block_bytes
        and sb.inode_bytes & (sb.inode_bytes - 1) == 0
        and sb.group_bytes in (32, 64, 128, 256, 512, 1024)
        and sb.inodes <= sb.groups * sb.inodes_per_group
    )
    if not sound:
        raise RktioError(
            f"{path} is damaged: its superblock makes no sense",
            hint=f"e2fsck -f {path} checks and repairs it",
        )


def _feature_name(flag: IntFlag) -> str:
    """Return e2fsprogs' name of a feature."""
    if flag is Incompat.BITS64:
        return "64bit"
    return str(flag.name or hex(flag)).lower()


def _what_else(head: bytes) -> str:
    for offset, magic, name in FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return f"is {name}, not an ext4 image"
    return "is not an ext4 image"


def _not_ext4(path: Path, what: str) -> RktioError:
    if what.endswith("tar archive, not an ext4 image"):
        hint = f"rkt-io-disk create --tar {path} app-disk.img makes an image of it"
    elif what.startswith("is a partitioned disk"):
        hint = "a sealed image runs with --sealed-config and --owner-key; it is not read otherwise"
    else:
        hint = "rkt-io-disk create makes images"
    return RktioError(f"{path} {what}", hint=hint)


def _truncated(path: Path, size: int, whole: int | None) -> RktioError:
    of = f" of {whole}" if whole else ""
    return RktioError(
        f"{path} is truncated: it has {size}{of} bytes",
        hint="copy it again, or make it again with rkt-io-disk create",
    )
