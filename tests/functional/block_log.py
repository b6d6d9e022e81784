# SPDX-License-Identifier: Apache-2.0
"""The log of writes and flushes of an enclave's disks, and what a power cut would leave of it."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

# enclave/runtime/blk_log.h, and enum rt_blk_op.
ENTRY = struct.Struct("=IIIIQQQ")
BEGIN = 1
WRITE, FLUSH, ZERO = 1, 2, 4
SECTOR = 512


@dataclass
class Request:
    """A write or flush of one disk: when it was asked for and when it was done, by entries."""

    op: int
    disk: int
    fua: bool
    offset: int
    data: bytes
    begin: int
    end: int | None = None


@dataclass
class BlockLog:
    """All requests in the order in which the host was asked."""

    requests: list[Request] = field(default_factory=list)
    length: int = 0

    @classmethod
    def read(cls, path: Path) -> BlockLog:
        content = path.read_bytes()
        (used,) = struct.unpack_from("=Q", content)
        assert used <= len(content), "the log's file is too small"
        log, at = cls(), 8
        pending: dict[int, Request] = {}
        while at < used:
            kind, op, disk, fua, number, offset, size = ENTRY.unpack_from(content, at)
            at += ENTRY.size
            if kind == BEGIN:
                data = content[at : at + size] if op == WRITE else b""
                at += len(data)
                if op == ZERO:
                    op, data = WRITE, bytes(size)
                pending[number] = Request(op, disk, bool(fua), offset, data, log.length)
                log.requests.append(pending[number])
            else:
                pending.pop(number).end = log.length
            log.length += 1
        return log

    def stable(self, disk: int) -> list[int]:
        """Return the moments at which a flush was done, or a write that goes through."""
        done = (each for each in self.requests if each.disk == disk)
        ends = (each.end for each in done if each.op == FLUSH or each.fua)
        return sorted(end for end in ends if end is not None)

    def last_mark(self, disk: int, moment: int) -> int:
        """Return the last number that was written to the disk of marks before the moment."""
        found = 0
        for each in self.requests:
            if each.disk == disk and each.op == WRITE and each.begin < moment:
                found = max(found, int(each.data[:8]))
        return found

    def cut(self, image: Path, disk: int, moment: int, dice: random.Random) -> None:
        """Make of a disk's first state what a power cut at this moment may leave of it.

        What was done before the last flush that was done began is there, and what was written
        through; of the rest any part, down to sectors.
        """
        flushed = max(
            (
                each.begin
                for each in self.requests
                if each.op == FLUSH and each.disk == disk and each.end and each.end <= moment
            ),
            default=0,
        )
        with image.open("r+b") as file:
            for each in self.requests:
                if each.op != WRITE or each.disk != disk or each.begin >= moment:
                    continue
                done = each.end is not None and each.end <= moment
                stable = done and (each.fua or (each.end or 0) < flushed)
                data = each.data if stable else part_of(each.data, dice)
                file.seek(each.offset)
                file.write(data)


def part_of(data: bytes, dice: random.Random) -> bytes:
    """Return all of it, nothing, or the sectors before one of them."""
    choice = dice.random()
    if choice < 0.4:
        return data
    if choice < 0.7:
        return b""
    return data[: dice.randrange(len(data) // SECTOR + 1) * SECTOR]
