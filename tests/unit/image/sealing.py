# SPDX-License-Identifier: Apache-2.0
"""Sealed images and keys that tests make, and ways to damage an image for a moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rktio.cli import disk
from rktio.common.signing import SigningKey, load_signing_key, make_key
from rktio.image.create import Recipe, create_image
from rktio.image.layout import Layout
from rktio.image.seal import Seal
from rktio.image.sealed import SealedImage
from rktio.image.volume import VolumeKey

SIZE_BYTES = 16 << 20
KEY = VolumeKey(bytes(range(64)))


@dataclass(frozen=True)
class Sealed:
    """A sealed image with the owner's key."""

    path: Path
    owner: SigningKey
    certificate: Path
    layout: Layout
    root_hash: bytes


def owner_key(folder: Path, name: str = "owner") -> SigningKey:
    """Make a key in `folder`."""
    make_key(folder / name)
    return load_signing_key(str(folder / f"{name}.key"))


def write_root(folder: Path, text: str = "first") -> Path:
    """Make a root tree with a little in it; times are fixed, as a reproducible build has them."""
    root = folder / f"root-{text}"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "release").write_text(text)
    (root / "data").write_bytes(bytes(range(256)) * 4096)
    for path in (root / "etc" / "release", root / "data", root / "etc", root):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return root


def seal_image(path: Path, root: Path, seal: Seal) -> None:
    """Make a sealed image of a tree."""
    create_image(path, Recipe(directories=(root,), size_bytes=SIZE_BYTES), seal=seal)


def make_sealed(folder: Path, *, encrypted: bool = True) -> Sealed:
    """Make an owner's key and a signed image."""
    owner = owner_key(folder)
    path = folder / "sealed.img"
    seal_image(path, write_root(folder), Seal(KEY if encrypted else None, owner))
    with SealedImage.open(path) as image:
        return Sealed(path, owner, folder / "owner.crt", image.layout, image.root_hash)


@contextmanager
def patched(path: Path, offset: int, data: bytes) -> Iterator[None]:
    """Overwrite some bytes of a file for a while."""
    fd = os.open(path, os.O_RDWR)
    try:
        before = os.pread(fd, len(data), offset)
        os.pwrite(fd, data, offset)
        try:
            yield
        finally:
            os.pwrite(fd, before, offset)
    finally:
        os.close(fd)


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Read some bytes of a file."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


def part(path: Path, offset: int, size: int, target: Path) -> Path:
    """Copy a partition into a file of its own, sparsely enough for tests."""
    target.write_bytes(read_at(path, offset, size))
    return target


@dataclass(frozen=True)
class Refusal:
    """Runs `rkt-io-disk verify` and checks that it refuses in one line."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, path: Path, certificate: Path, check: str, *more: str) -> str:
        words = ["verify", "--deep", "--key", str(certificate), *more, str(path)]
        assert disk.main(words) == 1
        out, err = self.capsys.readouterr()
        lines = [line for line in err.splitlines() if line.startswith("rkt-io: ")]
        assert not out
        assert len(lines) == 1, err
        assert "internal error" not in lines[0]
        assert f"{path}: {check}: " in lines[0]
        return lines[0]
