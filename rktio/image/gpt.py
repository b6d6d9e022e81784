# SPDX-License-Identifier: Apache-2.0
"""GUID partition tables (UEFI 2.10, chapter 5): written in one way, read strictly."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

SECTOR_BYTES = 512
ENTRY_BYTES = 128
ENTRIES = 128
TABLE_SECTORS = ENTRIES * ENTRY_BYTES // SECTOR_BYTES
HEAD_SECTORS = 2 + TABLE_SECTORS  # protective MBR, header, entries
TAIL_SECTORS = 1 + TABLE_SECTORS  # the same, backwards, without an MBR
HEADER_BYTES = 92
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQQ72s")
_MBR_ENTRY = struct.Struct("<B3sB3sII")


class GptError(ValueError):
    """The partition table is damaged; the text says where."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; sectors are of 512 bytes and `last` is inclusive."""

    kind: UUID
    uuid: UUID
    first: int
    last: int
    attributes: int
    name: str

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.first * SECTOR_BYTES

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return (self.last - self.first + 1) * SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table of a disk of `sectors` sectors."""

    disk: UUID
    sectors: int
    partitions: tuple[Partition, ...]

    def head(self) -> bytes:
        """Return the protective MBR, the primary header and the entries."""
        entries = self._entries()
        return _protective_mbr(self.sectors) + self._header(1, 2, entries) + entries

    def tail(self) -> bytes:
        """Return the backup: the entries and the header, for the disk's last sectors."""
        entries = self._entries()
        first = self.sectors - TAIL_SECTORS
        return entries + self._header(self.sectors - 1, first, entries)

    def _entries(self) -> bytes:
        raw = b"".join(map(_entry, self.partitions))
        return raw.ljust(TABLE_SECTORS * SECTOR_BYTES, b"\0")

    def _header(self, here: int, entries_at: int, entries: bytes) -> bytes:
        def packed(crc: int) -> bytes:
            return _HEADER.pack(
                b"EFI PART",
                0x10000,
                HEADER_BYTES,
                crc,
                0,
                here,
                self.sectors - here,
                HEAD_SECTORS,
                self.sectors - TAIL_SECTORS - 1,
                self.disk.bytes_le,
                entries_at,
                ENTRIES,
                ENTRY_BYTES,
                zlib.crc32(entries),
            )

        return packed(zlib.crc32(packed(0))).ljust(SECTOR_BYTES, b"\0")


def parse(head: bytes, tail: bytes, sectors: int) -> Table:
    """Return the table whose first and last sectors are `head` and `tail`. Raises GptError.

    Both copies must be whole and say the same; every byte is accounted for.
    """
    if sectors < HEAD_SECTORS + TAIL_SECTORS:
        raise GptError(f"a disk of {sectors} sectors holds no partition table")
    if len(head) != HEAD_SECTORS * SECTOR_BYTES or len(tail) != TAIL_SECTORS * SECTOR_BYTES:
        raise GptError("the disk ends inside its partition table")
    if head[:SECTOR_BYTES] != _protective_mbr(sectors):
        raise GptError("the protective MBR is not that of a disk of this size")
    header = head[SECTOR_BYTES : 2 * SECTOR_BYTES]
    entries = head[2 * SECTOR_BYTES :]
    disk = _checked_header("primary", header, entries, 1, 2, sectors)
    backup = tail[-SECTOR_BYTES:]
    backup_entries = tail[:-SECTOR_BYTES]
    first = sectors - TAIL_SECTORS
    other = _checked_header("backup", backup, backup_entries, sectors - 1, first, sectors)
    if (disk, entries) != (other, backup_entries):
        raise GptError("the primary and the backup partition table differ")
    table = Table(disk, sectors, _partitions(entries, sectors))
    if (table.head(), table.tail()) != (head, tail):
        raise GptError("the partition table holds bytes that mean nothing")
    return table


def _checked_header(
    which: str, raw: bytes, entries: bytes, here: int, entries_at: int, sectors: int
) -> UUID:
    fields = _HEADER.unpack_from(raw)
    signature, revision, size, crc, reserved, my, other, first, last, disk = fields[:10]
    at, count, entry_bytes, entries_crc = fields[10:]
    if signature != b"EFI PART":
        raise GptError(f"the {which} GPT header has no signature")
    if (revision, size, reserved) != (0x10000, HEADER_BYTES, 0):
        raise GptError(f"the {which} GPT header is not of revision 1.0")
    zeroed = raw[:16] + bytes(4) + raw[20:HEADER_BYTES]
    if zlib.crc32(zeroed) != crc:
        raise GptError(f"the {which} GPT header has a wrong CRC")
    if any(raw[HEADER_BYTES:]):
        raise GptError(f"the {which} GPT header is followed by bytes that mean nothing")
    if (my, other, at) != (here, sectors - here, entries_at):
        raise GptError(f"the {which} GPT header is for another disk size or place")
    if (first, last) != (HEAD_SECTORS, sectors - TAIL_SECTORS - 1):
        raise GptError(f"the {which} GPT header gives another range of usable sectors")
    if (count, entry_bytes) != (ENTRIES, ENTRY_BYTES):
        raise GptError(f"the {which} GPT header has another shape of entries")
    if zlib.crc32(entries) != entries_crc:
        raise GptError(f"the {which} GPT entries have a wrong CRC")
    return UUID(bytes_le=disk)


def _partitions(entries: bytes, sectors: int) -> tuple[Partition, ...]:
    found: list[Partition] = []
    for number in range(ENTRIES):
        raw = entries[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES]
        if any(raw):
            found.append(_partition(number + 1, raw))
    _check_places(found, sectors)
    return tuple(found)


def _partition(number: int, raw: bytes) -> Partition:
    kind, uuid, first, last, attributes, name = _ENTRY.unpack(raw)
    try:
        text = name.decode("utf-16-le").rstrip("\0")
    except UnicodeDecodeError as error:
        raise GptError(f"partition {number} has a malformed name") from error
    return Partition(UUID(bytes_le=kind), UUID(bytes_le=uuid), first, last, attributes, text)


def _check_places(partitions: Sequence[Partition], sectors: int) -> None:
    end = HEAD_SECTORS
    for partition in sorted(partitions, key=lambda p: p.first):
        if partition.first < end:
            raise GptError("partitions overlap each other or the table")
        if partition.last < partition.first or partition.last >= sectors - TAIL_SECTORS:
            raise GptError("a partition is empty or reaches past the disk")
        end = partition.last + 1


def _entry(partition: Partition) -> bytes:
    return _ENTRY.pack(
        partition.kind.bytes_le,
        partition.uuid.bytes_le,
        partition.first,
        partition.last,
        partition.attributes,
        partition.name.encode("utf-16-le", errors="surrogatepass"),
    )


def _protective_mbr(sectors: int) -> bytes:
    whole = min(sectors - 1, 0xFFFFFFFF)
    entry = _MBR_ENTRY.pack(0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, whole)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
