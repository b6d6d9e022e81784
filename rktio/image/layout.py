# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a sealed image: a discoverable disk image (UAPI.2) of three partitions.

root, root-verity and, once signed, root-verity-sig. All follows from the size of root and from
the root hash, so that a checker rebuilds the partition table and compares every byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from rktio.image import verity
from rktio.image.gpt import SECTOR_BYTES, TAIL_SECTORS, Partition, Table

MIB = 1 << 20
SIGNATURE_BYTES = 16384
# Checkers hold the hash tree, a 128th of this, in memory; what grows lies on data disks.
MAX_BYTES = 64 << 30
READ_ONLY = 1 << 60  # GPT attribute, also what "no writes" means to systemd


class Kind(StrEnum):
    """The partitions, by the names that they have in the table."""

    ROOT = "root"
    VERITY = "root-verity"
    SIGNATURE = "root-verity-sig"


# x86-64's types, from the Discoverable Partitions Specification.
TYPES = {
    Kind.ROOT: UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    Kind.VERITY: UUID("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
    Kind.SIGNATURE: UUID("41092b05-9fc8-4523-994f-2def0408b176"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The places in an image whose root partition has `root_bytes` (whole blocks)."""

    root_bytes: int

    @property
    def root_offset(self) -> int:
        """Where the root partition begins."""
        return MIB

    @property
    def data_blocks(self) -> int:
        """The blocks that verity covers."""
        return self.root_bytes // verity.BLOCK_BYTES

    @property
    def verity_offset(self) -> int:
        """Where the hash partition begins."""
        return _aligned(MIB + self.root_bytes)

    @property
    def verity_bytes(self) -> int:
        """The superblock and the tree."""
        return verity.BLOCK_BYTES + verity.tree_bytes(self.data_blocks)

    @property
    def signature_offset(self) -> int:
        """Where the signature's partition begins, or will when there is one."""
        return _aligned(self.verity_offset + self.verity_bytes)

    @property
    def total_bytes(self) -> int:
        """The size of the image."""
        return _aligned(self.signature_offset + SIGNATURE_BYTES + TAIL_SECTORS * SECTOR_BYTES)

    def gaps(self, *, signed: bool) -> list[tuple[int, int]]:
        """Return (start, end) of what belongs to nothing, and is zero."""
        used = self.signature_offset + (SIGNATURE_BYTES if signed else 0)
        table = (2 + TAIL_SECTORS - 1) * SECTOR_BYTES
        return [
            (table, self.root_offset),
            (self.root_offset + self.root_bytes, self.verity_offset),
            (self.verity_offset + self.verity_bytes, self.signature_offset),
            (used, self.total_bytes - TAIL_SECTORS * SECTOR_BYTES),
        ]

    def table(self, root_hash: bytes, *, signed: bool) -> Table:
        """Return the partition table; UUIDs of root and root-verity are the root hash."""
        places = [
            (Kind.ROOT, UUID(bytes=root_hash[:16]), self.root_offset, self.root_bytes),
            (Kind.VERITY, UUID(bytes=root_hash[-16:]), self.verity_offset, self.verity_bytes),
        ]
        if signed:
            uuid = derived_uuid(root_hash, "root-verity-sig")
            places.append((Kind.SIGNATURE, uuid, self.signature_offset, SIGNATURE_BYTES))
        partitions = tuple(
            Partition(
                TYPES[kind],
                uuid,
                offset // SECTOR_BYTES,
                (offset + size) // SECTOR_BYTES - 1,
                READ_ONLY,
                kind.value,
            )
            for kind, uuid, offset, size in places
        )
        disk = derived_uuid(root_hash, "disk")
        return Table(disk, self.total_bytes // SECTOR_BYTES, partitions)


def derived_uuid(root_hash: bytes, purpose: str) -> UUID:
    """Return the UUID of a part of the image with this root hash."""
    return UUID(bytes=sha256(root_hash + purpose.encode()).digest()[:16], version=4)


def _aligned(offset: int) -> int:
    return -(-offset // MIB) * MIB
