# SPDX-License-Identifier: Apache-2.0
"""Data disks: files that only the library OS can read. The host makes room, and no more."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.sizes import parse_size

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
MIN_BYTES = 128 << 20  # the enclave's empty file system, its tags and journals
FORM = "NAME=FILE[,size=SIZE][,mount=/PATH]"


@dataclass(frozen=True)
class DataDisk:
    """A data disk: `size_bytes` is for a file that isn't there yet; `mount` is /data/NAME."""

    name: str
    path: Path
    size_bytes: int | None = None
    mount: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if not NAME.fullmatch(self.name):
            raise RktioError(f"data disk {self.name!r}: a name is of a-z, 0-9 and -")
        object.__setattr__(self, "mount", self.mount or f"/data/{self.name}")
        if not self.mount.startswith("/") or ":" in self.mount:
            raise RktioError(f"data disk {self.name}: {self.mount!r} can't be its mount point")
        if self.size_bytes is not None and self.size_bytes < MIN_BYTES:
            raise RktioError(f"data disk {self.name}: it takes {MIN_BYTES >> 20}M or more")

    @classmethod
    def parse(cls, text: str) -> DataDisk:
        """Read NAME=FILE[,size=SIZE][,mount=/PATH]."""
        name, equals, rest = text.partition("=")
        path, *words = rest.split(",")
        found = dict(word.split("=", 1) for word in words if "=" in word)
        if not equals or not path or len(found) != len(words) or set(found) - {"size", "mount"}:
            raise RktioError(f"data disk {text!r} can't be read", hint=f"write {FORM}")
        size = parse_size(found["size"]) if "size" in found else None
        return cls(name, Path(path), size, found.get("mount", ""))


def make_room(disk: DataDisk) -> bool:
    """Make the file, sparse, where it is absent; whether nothing was ever written to it."""
    if not disk.path.exists():
        if disk.size_bytes is None:
            raise RktioError(
                f"{disk.path} does not exist", hint=f"--data {disk.name}={disk.path},size=1G"
            )
        try:
            fd = os.open(disk.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RktioError(f"cannot make {disk.path}: {error.strerror}") from error
        os.truncate(fd, -(-disk.size_bytes // (1 << 20)) << 20)
        os.close(fd)
    return disk.path.is_file() and disk.path.stat().st_blocks == 0
