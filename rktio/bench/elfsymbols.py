# SPDX-License-Identifier: Apache-2.0
"""Names of functions in 64-bit ELF files by where a program mapped them (elf(5), proc_pid_maps(5)).

Debian strips its programs: what remains are the names that a file exports. So a function of a
library has its name, one inside a program often only that of the program.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
PT_LOAD, SHT_SYMTAB, SHT_DYNSYM = 1, 2, 11
STT_FUNC, STT_GNU_IFUNC = 2, 10
MAPPING = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+\s+([/\[]\S.*)$", re.MULTILINE
)


@dataclass(frozen=True)
class Mapping:
    """A range of addresses that holds a file from `offset` on."""

    start: int
    end: int
    offset: int
    path: str


def mappings(maps: str) -> list[Mapping]:
    """Read the text of /proc/PID/maps: its mapped files."""
    return [
        Mapping(int(start, 16), int(end, 16), int(offset, 16), path)
        for start, end, offset, path in MAPPING.findall(maps)
    ]


@dataclass(frozen=True)
class Symbols:
    """Functions of one file, by their addresses in it."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    names: tuple[str, ...]
    loads: tuple[tuple[int, int, int], ...]  # offset, address, bytes

    def at_address(self, address: int) -> str | None:
        """Return the function that holds an address of the file, if a symbol says so."""
        place = bisect_right(self.starts, address) - 1
        if place < 0 or address >= self.ends[place]:
            return None
        return self.names[place]

    def at_offset(self, offset: int) -> str | None:
        """Return the function that holds a byte of the file."""
        for start, address, size in self.loads:
            if start <= offset < start + size:
                return self.at_address(offset - start + address)
        return None


def symbols(path: Path) -> Symbols:
    """Return the functions of an ELF file; none for any other file."""
    found: dict[int, tuple[str, int]] = {}
    data = path.read_bytes()
    if data[:6] != MAGIC:
        return Symbols((), (), (), ())
    for name, address, size in _functions(data):
        known = found.get(address)
        if known is None or known[1] < size:
            found[address] = (name, size)
    starts = tuple(sorted(found))
    ends = tuple(
        start + (found[start][1] or following - start)
        for start, following in zip(starts, (*starts[1:], *starts[-1:]), strict=True)
    )
    return Symbols(starts, ends, tuple(found[start][0] for start in starts), tuple(_loads(data)))


class Resolver:
    """Names addresses of one process, whose files lie below `root`."""

    def __init__(self, maps: str, root: Path) -> None:
        self._mappings = mappings(maps)
        self._root = root

    def name(self, address: int) -> tuple[str, str] | None:
        """Return the file's name and the function's (or the file's in brackets)."""
        for found in self._mappings:
            if found.start <= address < found.end:
                file = Path(found.path).name
                offset = address - found.start + found.offset
                return file, _named(self._root, found.path).at_offset(offset) or f"[{file}]"
        return None


@cache
def _named(root: Path, path: str) -> Symbols:
    target = root / path.lstrip("/")
    for _ in range(8):  # links of the guest must not lead out of it
        if not target.is_symlink():
            break
        link = target.readlink()
        target = root / str(link).lstrip("/") if link.is_absolute() else target.parent / link
    return symbols(target) if target.is_file() else Symbols((), (), (), ())


def _loads(data: bytes) -> Iterable[tuple[int, int, int]]:
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, start, address, _, held = struct.unpack_from(
            "<IIQQQQ", data, offset + number * size
        )
        if kind == PT_LOAD:
            yield start, address, held


def _functions(data: bytes) -> Iterable[tuple[str, int, int]]:
    (offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", data, offset + number * size) for number in range(count)
    ]
    for section in sections:
        if section[1] not in (SHT_SYMTAB, SHT_DYNSYM):
            continue
        strings = sections[section[6]]
        table = data[strings[4] : strings[4] + strings[5]]
        for place in range(section[4], section[4] + section[5], 24):
            name, info, _, index, value, held = struct.unpack_from("<IBBHQQ", data, place)
            if info & 15 in (STT_FUNC, STT_GNU_IFUNC) and index and value:
                yield table[name : table.index(b"\0", name)].decode(errors="replace"), value, held
