# SPDX-License-Identifier: Apache-2.0
"""Debian's kernel for clouds: fetched once, unpacked without installing it."""

from __future__ import annotations

import fcntl
import lzma
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "linux-image-cloud-amd64"


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    folder: Path

    @property
    def image(self) -> Path:
        """The bootable file."""
        return next(self.folder.glob("boot/vmlinuz-*"))

    def module(self, name: str) -> bytes | None:
        """Return a module's bytes; None where it is built in or this release has none."""
        for path in self.folder.glob(f"**/kernel/**/{name}.ko*"):
            data = path.read_bytes()
            return lzma.decompress(data) if path.suffix == ".xz" else data
        return None


def fetch() -> Kernel:
    """Return the kernel that the package name stands for today."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(base, "rkt-io", "device")
    cache.mkdir(parents=True, exist_ok=True)
    name = _real_package()
    folder = cache / name
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack(name, cache, folder)
    return Kernel(folder)


def _real_package() -> str:
    """Return what the package of no content depends on: linux-image-6.1.0-N-cloud-amd64."""
    text = _output(["apt-cache", "depends", PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+)", text)
    assert found, f"apt-cache knows no {PACKAGE}; sudo apt-get update"
    return found[1]


def _unpack(name: str, cache: Path, folder: Path) -> None:
    _output(["apt-get", "download", name], cwd=cache)
    package = next(cache.glob(f"{name}_*.deb"))
    partial = folder.with_suffix(".partial")
    _output(["dpkg-deb", "-x", package, partial])
    partial.rename(folder)
    package.unlink()


def _output(command: list[str | Path], cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
