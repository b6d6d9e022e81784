# SPDX-License-Identifier: Apache-2.0
"""The structures of ext4 as they lie on disk (Documentation/filesystems/ext4 of Linux 6.12).

All numbers are little-endian. Parsing never trusts a length: the images are input.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Self
from uuid import UUID

from rktio.image.crc32c import ALL_ONES, crc32c

SUPERBLOCK_OFFSET = 1024
SUPERBLOCK_BYTES = 1024
MAGIC = 0xEF53
ROOT_INODE = 2
LOST_AND_FOUND_INODE = 11
STATE_ERRORS = 2
EXTENT_MAGIC = 0xF30A
EXTENT_MAX_BLOCKS = 32768  # longer means "unwritten"
EXTENT_MAX_DEPTH = 5
XATTR_MAGIC = 0xEA020000
GOOD_OLD_INODE_BYTES = 128
EXTENT_HEADER = struct.Struct("<HHHHI")  # magic, entries, max, depth, generation
EXTENT_LEAF = struct.Struct("<IHHI")  # logical, length, physical hi, physical lo
EXTENT_INDEX = struct.Struct("<IIHH")  # logical, child lo, child hi, unused
XATTR_ENTRY = struct.Struct("<BBHIII")  # name length, index, value at, value inode, size, hash
DIRENT = struct.Struct("<IHBB")  # inode, record length, name length, type


class Compat(IntFlag):
    """Features that an old kernel may ignore."""

    HAS_JOURNAL = 0x4
    EXT_ATTR = 0x8
    RESIZE_INODE = 0x10
    DIR_INDEX = 0x20
    SPARSE_SUPER2 = 0x200
    FAST_COMMIT = 0x400
    STABLE_INODES = 0x800
    ORPHAN_FILE = 0x1000


class Incompat(IntFlag):
    """Features that a kernel must know to read the file system."""

    COMPRESSION = 0x1
    FILETYPE = 0x2
    NEEDS_RECOVERY = 0x4
    JOURNAL_DEV = 0x8
    META_BG = 0x10
    EXTENTS = 0x40
    BITS64 = 0x80
    MMP = 0x100
    FLEX_BG = 0x200
    EA_INODE = 0x400
    DIRDATA = 0x1000
    CSUM_SEED = 0x2000
    LARGEDIR = 0x4000
    INLINE_DATA = 0x8000
    ENCRYPT = 0x10000
    CASEFOLD = 0x20000


class RoCompat(IntFlag):
    """Features that a kernel must know to write to the file system."""

    SPARSE_SUPER = 0x1
    LARGE_FILE = 0x2
    HUGE_FILE = 0x8
    GDT_CSUM = 0x10
    DIR_NLINK = 0x20
    EXTRA_ISIZE = 0x40
    QUOTA = 0x100
    BIGALLOC = 0x200
    METADATA_CSUM = 0x400
    READONLY = 0x1000
    PROJECT = 0x2000
    VERITY = 0x8000
    ORPHAN_PRESENT = 0x10000


class GroupFlag(IntFlag):
    """What of a block group's metadata has been written."""

    INODE_UNINIT = 0x1
    BLOCK_UNINIT = 0x2
    INODE_ZEROED = 0x4


class InodeFlag(IntFlag):
    """The inode flags that change how an inode is read."""

    ENCRYPT = 0x800
    INDEX = 0x1000
    EXTENTS = 0x80000
    INLINE_DATA = 0x10000000


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock says; `parse` does not check it against the image."""

    inodes: int
    blocks: int
    free_blocks: int
    free_inodes: int
    first_block: int
    block_bytes: int
    blocks_per_group: int
    inodes_per_group: int
    inode_bytes: int
    group_bytes: int
    state: int
    mkfs_time: int
    compat: Compat
    incompat: Incompat
    ro_compat: RoCompat
    uuid: UUID
    label: str
    checksum_seed: int
    checksum_valid: bool

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Parse the 1024 bytes at offset 1024."""

        def u16(at: int) -> int:
            return int.from_bytes(raw[at : at + 2], "little")

        def u32(at: int) -> int:
            return int.from_bytes(raw[at : at + 4], "little")

        incompat = Incompat(u32(0x60))
        ro_compat = RoCompat(u32(0x64))
        wide = bool(incompat & Incompat.BITS64)
        seeded = bool(incompat & Incompat.CSUM_SEED)
        checked = bool(ro_compat & RoCompat.METADATA_CSUM)
        return cls(
            inodes=u32(0x00),
            blocks=u32(0x04) | (u32(0x150) << 32 if wide else 0),
            free_blocks=u32(0x0C) | (u32(0x158) << 32 if wide else 0),
            free_inodes=u32(0x10),
            first_block=u32(0x14),
            block_bytes=1024 << min(u32(0x18), 32),
            blocks_per_group=u32(0x20),
            inodes_per_group=u32(0x28),
            inode_bytes=u16(0x58) if u32(0x4C) else GOOD_OLD_INODE_BYTES,
            group_bytes=u16(0xFE) if wide else 32,
            state=u16(0x3A),
            mkfs_time=u32(0x108),
            compat=Compat(u32(0x5C)),
            incompat=incompat,
            ro_compat=ro_compat,
            uuid=UUID(bytes=raw[0x68:0x78]),
            label=raw[0x78:0x88].split(b"\0")[0].decode(errors="replace"),
            checksum_seed=u32(0x270) if seeded else crc32c(ALL_ONES, raw[0x68:0x78]),
            checksum_valid=not checked or crc32c(ALL_ONES, raw[:0x3FC]) == u32(0x3FC),
        )

    @property
    def groups(self) -> int:
        """The number of block groups."""
        return -(-(self.blocks - self.first_block) // self.blocks_per_group)

    def group_first_block(self, group: int) -> int:
        """Return the first block of `group`."""
        return self.first_block + group * self.blocks_per_group


@dataclass(slots=True)
class Group:
    """A block group descriptor."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    free_blocks: int
    free_inodes: int
    directories: int
    flags: int
    exclude_bitmap: int
    block_bitmap_checksum: int
    inode_bitmap_checksum: int
    unused_inodes: int
    checksum: int

    LOW = struct.Struct("<IIIHHHHIHHHH")
    HIGH = struct.Struct("<IIIHHHHIHHI")

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Parse a descriptor of 32 or, on a 64-bit file system, 64 bytes."""
        low = cls.LOW.unpack_from(raw)
        if len(raw) < cls.LOW.size + cls.HIGH.size:
            return cls(*low)
        high = cls.HIGH.unpack_from(raw, cls.LOW.size)
        widths = (32, 32, 32, 16, 16, 16, 0, 32, 16, 16, 16, 0)
        highs = (*high[:6], 0, high[7], high[8], high[9], high[6], 0)
        return cls(*(lo | hi << width for lo, hi, width in zip(low, highs, widths, strict=True)))

    def pack(self, number: int, size: int, checksum_seed: int) -> bytes:
        """Return the descriptor of group `number`, with its checksum."""
        raw = bytearray(size)
        self.LOW.pack_into(
            raw,
            0,
            self.block_bitmap & 0xFFFFFFFF,
            self.inode_bitmap & 0xFFFFFFFF,
            self.inode_table & 0xFFFFFFFF,
            self.free_blocks & 0xFFFF,
            self.free_inodes & 0xFFFF,
            self.directories & 0xFFFF,
            self.flags,
            self.exclude_bitmap & 0xFFFFFFFF,
            self.block_bitmap_checksum & 0xFFFF,
            self.inode_bitmap_checksum & 0xFFFF,
            self.unused_inodes & 0xFFFF,
            0,
        )
        if size >= self.LOW.size + self.HIGH.size:
            self.HIGH.pack_into(
                raw,
                self.LOW.size,
                self.block_bitmap >> 32,
                self.inode_bitmap >> 32,
                self.inode_table >> 32,
                self.free_blocks >> 16,
                self.free_inodes >> 16,
                self.directories >> 16,
                self.unused_inodes >> 16,
                self.exclude_bitmap >> 32,
                self.block_bitmap_checksum >> 16,
                self.inode_bitmap_checksum >> 16,
                0,
            )
        self.checksum = crc32c(crc32c(checksum_seed, struct.pack("<I", number)), raw) & 0xFFFF
        struct.pack_into("<H", raw, 0x1E, self.checksum)
        return bytes(raw)


@dataclass(slots=True)
class Inode:
    """An inode; times are in nanoseconds since 1970."""

    number: int
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    links: int = 1
    sectors: int = 0  # of 512 bytes
    flags: int = 0
    block: bytes = bytes(60)  # extent tree, device number or short symbolic link
    xattr_block: int = 0
    generation: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    atime_ns: int = 0
    created_ns: int = 0
    tail: bytes = b""  # what follows the fixed fields: extended attributes

    LOW = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHHH")
    HIGH = struct.Struct("<HHIIIIIII")
    HIGH_BYTES = 32

    @classmethod
    def parse(cls, number: int, raw: bytes) -> Self:
        """Parse the inode `number`."""
        fixed = cls.LOW.unpack_from(raw)
        mode, uid, size, atime, ctime, mtime, _dtime, gid, links, sectors, flags = fixed[:11]
        block, generation, xattr, size_high, _fragment, sectors_high, xattr_high = fixed[12:19]
        uid_high, gid_high = fixed[19:21]
        extra = [0] * 9
        tail = b""
        if len(raw) >= cls.LOW.size + cls.HIGH.size:
            extra = list(cls.HIGH.unpack_from(raw, cls.LOW.size))
            tail = raw[cls.LOW.size + min(extra[0], len(raw)) :]
        present = 0 if extra[0] < cls.HIGH_BYTES else 1
        return cls(
            number=number,
            mode=mode,
            uid=uid | uid_high << 16,
            gid=gid | gid_high << 16,
            size=size | size_high << 32,
            links=links,
            sectors=sectors | sectors_high << 32,
            flags=flags,
            block=block,
            xattr_block=xattr | xattr_high << 32,
            generation=generation,
            mtime_ns=_join_time(mtime, extra[3] * present),
            ctime_ns=_join_time(ctime, extra[2] * present),
            atime_ns=_join_time(atime, extra[4] * present),
            created_ns=_join_time(extra[5], extra[6] * present),
            tail=tail,
        )

    def pack(self, size: int, checksum_seed: int) -> bytes:
        """Return the inode as `size` bytes, with its checksum."""
        (atime, atime_extra), (ctime, ctime_extra) = map(
            _split_time, (self.atime_ns, self.ctime_ns)
        )
        (mtime, mtime_extra), (created, created_extra) = map(
            _split_time, (self.mtime_ns, self.created_ns)
        )
        raw = bytearray(
            self.LOW.pack(
                *(self.mode, self.uid & 0xFFFF, self.size & 0xFFFFFFFF),
                *(atime, ctime, mtime, 0, self.gid & 0xFFFF, self.links),
                *(self.sectors & 0xFFFFFFFF, self.flags, 0, self.block),
                *(self.generation, self.xattr_block & 0xFFFFFFFF, self.size >> 32, 0),
                *(self.sectors >> 32, self.xattr_block >> 32),
                *(self.uid >> 16, self.gid >> 16, 0, 0),
            )
            + self.HIGH.pack(
                *(self.HIGH_BYTES, 0, ctime_extra, mtime_extra, atime_extra),
                *(created, created_extra, 0, 0),
            )
            + self.tail
        )
        raw += bytes(size - len(raw))
        checksum = crc32c(self.checksum_seed(checksum_seed), raw)
        struct.pack_into("<H", raw, 0x7C, checksum & 0xFFFF)
        struct.pack_into("<H", raw, 0x82, checksum >> 16)
        return bytes(raw)

    def checksum_seed(self, filesystem_seed: int) -> int:
        """Return the seed for checksums of this inode and of its metadata blocks."""
        return crc32c(filesystem_seed, struct.pack("<II", self.number, self.generation))

    @property
    def device(self) -> tuple[int, int]:
        """Major and minor number of a device node."""
        old, new = struct.unpack_from("<II", self.block)
        if old:
            return old >> 8 & 0xFF, old & 0xFF
        return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_regular(self) -> bool:
        """Whether this is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        """Whether this is a symbolic link."""
        return stat.S_ISLNK(self.mode)


def pack_device(major: int, minor: int) -> bytes:
    """Return the `block` field of a device node."""
    if major < 256 and minor < 256:
        words = (major << 8 | minor, 0)
    else:
        words = (0, minor & 0xFF | major << 8 | (minor & ~0xFF) << 12)
    return struct.pack("<II", *words) + bytes(52)


TIME_MIN_SECONDS = -(1 << 31)
TIME_MAX_SECONDS = (1 << 34) - (1 << 31) - 1


def _split_time(time_ns: int) -> tuple[int, int]:
    """Return the low word and the extra word (2 bits of epoch, 30 of nanoseconds)."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    seconds = max(TIME_MIN_SECONDS, min(seconds, TIME_MAX_SECONDS))
    low = seconds & 0xFFFFFFFF
    signed = low - (1 << 32) if low & 1 << 31 else low
    return low, (seconds - signed) >> 32 & 3 | nanoseconds << 2


def _join_time(low: int, extra: int) -> int:
    signed = low - (1 << 32) if low & 1 << 31 else low
    return (signed + ((extra & 3) << 32)) * 1_000_000_000 + (extra >> 2)
