# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.common.run import popen
from rktio.host.disks import lock_holder_pid, open_disk
from rktio.host.record import OpenDisk


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.img"
    path.write_bytes(bytes(1 << 20))
    return path


@contextmanager
def opened(path: Path, read_only: bool = False, buffered: bool = False) -> Iterator[OpenDisk]:
    disk = open_disk(path, read_only=read_only, buffered=buffered)
    try:
        yield disk
    finally:
        os.close(disk.fd)


def test_a_writable_disk_is_locked_against_everyone(image: Path) -> None:
    with opened(image) as disk:
        assert not disk.read_only
        for read_only in (False, True):
            with pytest.raises(RktioError), opened(image, read_only):
                pass
    with opened(image):
        pass


def test_read_only_disks_are_shared_but_not_with_a_writer(image: Path) -> None:
    with opened(image, True), opened(image, True), pytest.raises(RktioError), opened(image):
        pass


def test_the_holder_is_named(image: Path) -> None:
    command: list[str | Path] = ["flock", "-n", image, "sh", "-c", "echo locked; read _"]
    with popen(command, stdin=-1, stdout=-1) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(RktioError, match=f"in use by process {holder.pid}"), opened(image):
            pass
        holder.stdin.close()


def test_one_file_for_two_disks_is_said_so(image: Path) -> None:
    with opened(image) as disk:
        assert lock_holder_pid(disk.fd) == os.getpid()
        with pytest.raises(RktioError, match="another disk or enclave"), opened(image):
            pass


def test_a_buffered_disk_is_not_direct(image: Path) -> None:
    with opened(image, buffered=True) as disk:
        assert not disk.direct


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="does not exist"), opened(tmp_path / "none.img"):
        pass


def test_an_empty_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.img"
    path.touch()
    with pytest.raises(RktioError, match="is empty"), opened(path):
        pass


@pytest.mark.parametrize("read_only", [False, True])
def test_a_directory_is_said_so(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(RktioError, match="is a directory"), opened(tmp_path, read_only):
        pass


def test_what_is_no_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(RktioError, match="neither a file"), opened(path):
        pass
