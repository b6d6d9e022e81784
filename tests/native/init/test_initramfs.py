# SPDX-License-Identifier: Apache-2.0
"""The initramfs is an archive that others can read, with what PID 1 needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.native.init.conftest import PROGRAMS, RUNTIME, SANITIZE, Compile, record

pytestmark = pytest.mark.needs("gcc")


def archive(compiled: Compile, name: str, *defines: str, content: bytes) -> bytes:
    sources = (
        RUNTIME / "initramfs.c",
        RUNTIME / "init_blob.S",
        PROGRAMS / "initramfs_write.c",
    )
    writer = compiled(name, *SANITIZE, *defines, *sources)
    done = subprocess.run([writer], input=content, capture_output=True, check=True)
    return done.stdout


@dataclass(frozen=True)
class Entry:
    name: str
    mode: int
    links: int
    device: tuple[int, int]
    content: bytes


def entries(content: bytes) -> Iterator[Entry]:
    """Read a "newc" archive (cpio(5)) up to its trailer."""
    at = 0
    while True:
        assert content[at : at + 6] == b"070701"
        fields = [int(content[at + 6 + 8 * i :][:8], 16) for i in range(13)]
        _, mode, _, _, links, _, size, _, _, major, minor, name_size, _ = fields
        start = (at + 110 + name_size + 3) & ~3
        name = content[at + 110 : at + 110 + name_size - 1].decode()
        if name == "TRAILER!!!":
            return
        yield Entry(name, mode, links, (major, minor), content[start : start + size])
        at = (start + size + 3) & ~3


def by_name(content: bytes) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries(content)}


@pytest.mark.parametrize("length", range(1, 6))
def test_files_come_out_as_they_went_in(compiled: Compile, probe: Path, length: int) -> None:
    launch = record("arg=" + "x" * length)
    content = archive(compiled, "plain", f'-DRT_BLOB_INIT="{probe}"', content=launch)
    found = by_name(content)
    assert list(found) == ["dev", "root", "dev/console", "init", "launch"]
    assert found["launch"].content == launch
    assert found["init"].content == probe.read_bytes()
    assert (found["dev/console"].mode, found["dev/console"].device) == (0o020600, (5, 1))
    assert len(content) % 512 == 0


def test_the_substituted_libc_is_there_when_built_in(compiled: Compile, probe: Path) -> None:
    defines = (f'-DRT_BLOB_INIT="{probe}"', f'-DRT_BLOB_LIBC="{PROGRAMS / "probe.c"}"')
    content = archive(compiled, "with_libc", *defines, content=record())
    libc = by_name(content)["ld-musl-x86_64.so.1"]
    assert (libc.mode, libc.content) == (0o100755, (PROGRAMS / "probe.c").read_bytes())


def test_the_key_brokers_client_is_there_for_whom_asks_for_keys(
    compiled: Compile, probe: Path
) -> None:
    defines = (f'-DRT_BLOB_INIT="{probe}"', f'-DRT_BLOB_KEYS="{PROGRAMS / "probe.c"}"')
    content = archive(compiled, "with_keys", *defines, content=record("keys=https://192.0.2.1"))
    client = by_name(content)["rkt-io-keys"]
    assert (client.mode, client.content) == (0o100700, (PROGRAMS / "probe.c").read_bytes())
    assert "rkt-io-keys" not in by_name(archive(compiled, "with_keys", content=record()))


def test_the_environment_is_for_pid_1_only(compiled: Compile, probe: Path) -> None:
    content = archive(compiled, "plain", f'-DRT_BLOB_INIT="{probe}"', content=record())
    assert by_name(content)["launch"].mode == 0o100400


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_reads_the_archive(compiled: Compile, probe: Path) -> None:
    content = archive(compiled, "plain", f'-DRT_BLOB_INIT="{probe}"', content=record())
    done = subprocess.run(["cpio", "--list", "--quiet"], input=content, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [b"dev", b"root", b"dev/console", b"init", b"launch"]
