# SPDX-License-Identifier: Apache-2.0
"""Inputs of images in the tests, and e2fsprogs' judgement of the outcome."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from rktio.image import Image

Debugfs = Callable[[Path, str], str]


class ImageMaker(Protocol):
    """Makes an image of a tar archive and checks it with e2fsck."""

    def __call__(self, tar: TarBuilder) -> Image: ...


class TarBuilder:
    """A small tar archive in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by close()

    def add(
        self,
        name: str | bytes,
        data: bytes = b"",
        *,
        kind: bytes = tarfile.REGTYPE,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        link: str | bytes = "",
        device: tuple[int, int] = (0, 0),
        mtime: float = 1_600_000_000,
        xattrs: Mapping[str, bytes] | None = None,
    ) -> TarBuilder:
        member = tarfile.TarInfo(_text(name))
        member.size, member.type, member.mode, member.mtime = len(data), kind, mode, mtime
        member.uid, member.gid, member.linkname = uid, gid, _text(link)
        member.devmajor, member.devminor = device
        headers: dict[str, str] = {}
        for key, value in (xattrs or {}).items():
            headers[f"SCHILY.xattr.{key}"] = value.decode(errors="surrogateescape")
        member.pax_headers = headers
        self._tar.addfile(member, io.BytesIO(data))
        return self

    def directory(self, name: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> TarBuilder:
        return self.add(name, kind=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid)

    def symlink(self, name: str, target: str) -> TarBuilder:
        return self.add(name, kind=tarfile.SYMTYPE, link=target, mode=0o777)

    def close(self) -> Path:
        self._tar.close()
        return self.path


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode(errors="surrogateescape")


def sound(path: Path) -> None:
    """Assert that e2fsck finds nothing to mend, not even what it would optimise."""
    done = subprocess.run(
        ["/sbin/e2fsck", "-fn", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
