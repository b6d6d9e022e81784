# SPDX-License-Identifier: Apache-2.0
"""Writes an initramfs (newc; Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 512


class Archive:
    """An archive under construction. Parents are made as they are needed."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._names: set[str] = set()

    def add_bytes(self, name: str, content: bytes, mode: int = 0o644, mtime: int = 0) -> None:
        """Add a file; the first of a name wins."""
        self._entry(name, stat.S_IFREG | mode, content, mtime)

    def add_file(self, path: Path, name: str | None = None) -> None:
        """Add a file of this machine, by default at its own path, with its time."""
        info = path.stat()
        self.add_bytes(
            name or str(path), path.read_bytes(), stat.S_IMODE(info.st_mode), int(info.st_mtime)
        )

    def add_link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def add_directory(self, name: str) -> None:
        """Add a directory."""
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def close(self) -> None:
        """Write the trailer."""
        self._write("TRAILER!!!", 0, b"", 0)
        self._output.write(b"\0" * (-self._output.tell() % BLOCK_BYTES))

    def _entry(self, name: str, mode: int, content: bytes, mtime: int = 0) -> None:
        name = name.strip("/")
        if name in self._names:
            return
        parent = name.rpartition("/")[0]
        if parent:
            self.add_directory(parent)
        self._names.add(name)
        self._write(name, mode, content, mtime)

    def _write(self, name: str, mode: int, content: bytes, mtime: int) -> None:
        encoded = name.encode() + b"\0"
        head = (len(self._names) + 1, mode, 0, 0, 1, mtime, len(content))
        fields = (*head, 0, 0, 0, 0, len(encoded), 0)
        self._output.write(b"070701" + b"".join(b"%08x" % field for field in fields))
        self._padded(encoded)
        self._padded(content)

    def _padded(self, data: bytes) -> None:
        self._output.write(data)
        self._output.write(b"\0" * (-self._output.tell() % 4))
