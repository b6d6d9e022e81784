# SPDX-License-Identifier: Apache-2.0
"""Every file that is not a sound image is told apart, in one line, without a traceback."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import time
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.image import Image, inspect_program, probe

pytestmark = pytest.mark.needs("e2fsck")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("image")
    root = base / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/tool\n")
    (root / "bin" / "tool").chmod(0o755)
    for number in range(300):
        (root / "bin" / f"other-{number}").write_bytes(bytes([number % 256]) * 6000)
    path = base / "app.img"
    Image.create(path, directories=[root], size_bytes=32 << 20).close()
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RktioError) as caught:
        probe(path)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_a_sound_image_is_described(image: Path) -> None:
    info = probe(image)
    assert info.size_bytes == 32 << 20 == info.blocks * info.block_bytes
    assert {"has_journal", "extents", "64bit", "metadata_csum"} <= set(info.features)
    assert not info.needs_recovery
    assert not info.has_errors


def test_a_missing_image(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.img")


def test_a_directory(tmp_path: Path) -> None:
    assert "is a directory" in refusal(tmp_path)


def test_an_empty_image(tmp_path: Path) -> None:
    (tmp_path / "e.img").touch()
    assert "is empty" in refusal(tmp_path / "e.img")


@pytest.mark.parametrize("size", [1, 1024, 1500, 4096, 1 << 20, (32 << 20) - 1])
def test_a_truncated_image(tmp_path: Path, image: Path, size: int) -> None:
    path = tmp_path / "t.img"
    path.write_bytes(image.read_bytes()[:size])
    expected = "is truncated" if size > 1100 else "is not an ext4 image"
    assert expected in refusal(path)


@pytest.mark.parametrize(
    ("offset", "magic", "name"),
    [
        (0, b"QFI\xfb", "qcow2"),
        (0, b"\x7fELF", "a program"),
        (0, b"hsqs", "squashfs"),
        (257, b"ustar", "tar archive"),
        (512, b"EFI PART", "partitioned"),
        (0, b"hello", "is not an ext4 image"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, offset: int, magic: bytes, name: str) -> None:
    path = tmp_path / "x.img"
    path.write_bytes((bytes(offset) + magic).ljust(1 << 20, b"\0"))
    assert name in refusal(path)


@pytest.mark.parametrize("kind", ["ext2", "ext3"])
def test_older_file_systems_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "old.img"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", kind, str(path)], check=True)
    assert f"{kind} file system, not ext4" in refusal(path)


def test_a_foreign_ext4_image_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "motd").write_text("hello")
    path = tmp_path / "foreign.img"
    subprocess.run(
        ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-d", str(root), str(path), "16M"],
        check=True,
    )
    with Image.open(path) as image:
        assert image.read("/etc/motd") == b"hello"


@pytest.mark.parametrize(("at", "value"), [(0x18, 60), (0x20, 0), (0x28, 0), (0x58, 3)])
def test_a_damaged_superblock(tmp_path: Path, image: Path, at: int, value: int) -> None:
    path = tmp_path / "d.img"
    data = bytearray(image.read_bytes())
    struct.pack_into("<I", data, 1024 + at, value)
    path.write_bytes(data)
    assert "is damaged" in refusal(path)


def test_an_unknown_feature_is_named(tmp_path: Path, image: Path) -> None:
    path = tmp_path / "f.img"
    data = bytearray(image.read_bytes())
    (incompat,) = struct.unpack_from("<I", data, 1024 + 0x60)
    struct.pack_into("<I", data, 1024 + 0x60, incompat | 0x20000)
    path.write_bytes(data)
    assert "casefold" in refusal(path)


def test_an_unreplayed_journal_is_no_mistake(tmp_path: Path, image: Path) -> None:
    path = tmp_path / "j.img"
    path.write_bytes(image.read_bytes())
    subprocess.run(
        ["/sbin/debugfs", "-w", "-R", "feature needs_recovery", str(path)],
        check=True,
        capture_output=True,
    )
    assert probe(path).needs_recovery
    # What the journal holds is unknown, so only the library OS may say what is missing.
    assert inspect_program(path, "/bin/absent").kind == "unknown"


def test_random_damage_never_escapes_as_another_error(tmp_path: Path, image: Path) -> None:
    pristine = image.read_bytes()
    path = tmp_path / "fuzz.img"
    for seed in range(40):
        dice = random.Random(seed)
        data = bytearray(pristine)
        for _ in range(400):
            data[dice.randrange(1 << 21)] = dice.randrange(256)
        for _ in range(8):  # the root directory and the first inodes
            data[4096 * dice.randrange(1, 40) + dice.randrange(4096)] = dice.randrange(256)
        sound_superblock = bytes(pristine[: 4096 * 2])
        data[: len(sound_superblock)] = sound_superblock
        path.write_bytes(data)
        try:
            with Image.open(path) as opened:
                for file in opened.list("/", recursive=True):
                    if file.mode & 0o170000 == 0o100000 and file.size < 1 << 20:
                        opened.read(file.path)
        except RktioError:
            pass


def test_inspection_is_fast(image: Path) -> None:
    started = time.perf_counter()
    probe(image)
    with pytest.raises(RktioError):
        inspect_program(image, "/bin/other-7")
    assert time.perf_counter() - started < 0.05


def test_reading_needs_no_write_permission(image: Path) -> None:
    assert os.access(image, os.R_OK)
    image.chmod(0o444)
    assert probe(image).blocks
