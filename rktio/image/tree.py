# SPDX-License-Identifier: Apache-2.0
"""The files that go into an image: one tree in memory, whose contents stay where they are.

Paths are bytes without a leading slash; the root is b"". Two paths with the same `Node`
object are hard links.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.image.reader import MAX_SYMLINKS, show

CHUNK_BYTES = 1 << 20
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Run:
    """`length` bytes at `offset` of a file that lie at `position` of its source."""

    offset: int
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes: `runs` of `source`, in order; zeros elsewhere."""

    source: Path
    size: int
    runs: tuple[Run, ...]

    @property
    def read_bytes(self) -> int:
        """The bytes that `chunks` yields in all."""
        return sum(min(CHUNK_BYTES, self.size - at * CHUNK_BYTES) for at in self._windows())

    def chunks(self) -> Iterator[tuple[int, bytearray]]:
        """Yield (offset, bytes) of aligned 1 MiB windows that hold data, in order."""
        if not self.runs:
            return
        with self.source.open("rb", buffering=0) as source:
            for window in self._windows():
                start = window * CHUNK_BYTES
                chunk = bytearray(min(CHUNK_BYTES, self.size - start))
                for run in self.runs:
                    first = max(run.offset, start)
                    last = min(run.offset + run.length, start + len(chunk))
                    if first >= last:
                        continue
                    source.seek(run.position + first - run.offset)
                    data = source.read(last - first)
                    if len(data) != last - first:
                        raise RktioError(
                            f"{self.source} changed while it was read",
                            hint="stop what writes to it, and try again",
                        )
                    chunk[first - start : last - start] = data
                yield start, chunk

    def _windows(self) -> Iterator[int]:
        last = -1
        for run in self.runs:
            first = max(last + 1, run.offset // CHUNK_BYTES)
            end = -(-(run.offset + run.length) // CHUNK_BYTES)
            yield from range(first, end)
            last = max(last, end - 1)


@dataclass(slots=True, eq=False)
class Node:
    """One file of any type; `mode` holds type and permissions as st_mode does."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    target: bytes = b""  # of a symbolic link
    device: tuple[int, int] = (0, 0)
    content: Content | None = None
    xattrs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_symlink(self) -> bool:
        """Whether this is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Tree:
    """All files of an image by path; what is added later replaces what was there."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {b"": Node(stat.S_IFDIR | 0o755)}

    def add(self, path: bytes, node: Node) -> None:
        """Put `node` at `path`, following symbolic links among its parents as tar does."""
        where = self.place(path)
        old = self.nodes.get(where)
        if node.is_directory and old is not None and old.is_symlink and self.directory(where):
            return  # `lib/` over a link `lib -> usr/lib`: the link stays
        if not node.is_directory and old is not None and old.is_directory:
            raise RktioError(f"{show(path)} is a directory already; a file can't replace it")
        self.nodes[where] = node

    def link(self, path: bytes, target: bytes) -> None:
        """Make `path` a hard link to the file `target`."""
        node = self.nodes.get(self.place(target))
        if node is None or node.is_directory:
            raise RktioError(f"hard link {show(path)}: its target {show(target)} is no file")
        self.add(path, node)

    def place(self, path: bytes) -> bytes:
        """Return `path` with its parents' links followed; make missing parents."""
        where = self._resolve(path, make_parents=True, follow_last=False)
        assert where is not None
        return where

    def directory(self, path: bytes) -> bytes | None:
        """Return the real path of the directory at `path`, or None if there is none."""
        where = self._resolve(path, make_parents=False, follow_last=True)
        if where is None or where not in self.nodes:
            return None
        return where if self.nodes[where].is_directory else None

    def _resolve(self, path: bytes, *, make_parents: bool, follow_last: bool) -> bytes | None:
        todo = split(path)
        done: list[bytes] = []
        links = 0
        while todo:
            name = todo.pop(0)
            if name == b"..":
                del done[-1:]
                continue
            here = b"/".join([*done, name])
            node = self.nodes.get(here)
            if node is not None and node.is_symlink and (todo or follow_last):
                links += 1
                if links > MAX_SYMLINKS:
                    raise RktioError(f"{show(path)}: too many symbolic links")
                if node.target.startswith(b"/"):
                    done = []
                todo[:0] = split(node.target, parents=True)
                continue
            if todo and node is None:
                if not make_parents:
                    return None
                self.nodes[here] = Node(stat.S_IFDIR | 0o755)
            elif todo and node is not None and not node.is_directory:
                raise RktioError(f"{show(path)}: {show(here)} is not a directory")
            done.append(name)
        return b"/".join(done)

    def sorted_paths(self) -> list[bytes]:
        """Return all paths, parents before children, in an order that depends on names only."""
        return sorted(self.nodes)

    def clamp_times(self, epoch: int) -> None:
        """Let no file be newer than `epoch` seconds."""
        for node in self.nodes.values():
            node.mtime_ns = min(node.mtime_ns, epoch * 1_000_000_000)

    def digest(self) -> bytes:
        """Return 32 bytes that depend on all names and attributes (not on contents)."""
        order: dict[int, int] = {}
        digest = hashlib.sha256()
        for path in self.sorted_paths():
            node = self.nodes[path]
            identity = order.setdefault(id(node), len(order))
            size = node.content.size if node.content else 0
            line = (path, identity, node.mode, node.uid, node.gid, node.mtime_ns, node.target)
            rest = (node.device, size, sorted(node.xattrs.items()))
            digest.update(repr((line, rest)).encode())
        return digest.digest()


def split(path: bytes, *, parents: bool = False) -> list[bytes]:
    """Return the names in a path; `..` only with `parents`. Raises RktioError."""
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    for name in names:
        if name == b".." and not parents:
            raise RktioError(f"{show(path)}: a path must not contain '..'")
        if len(name) > MAX_NAME_BYTES:
            raise RktioError(f"{show(path)}: a name is longer than {MAX_NAME_BYTES} bytes")
    return names
