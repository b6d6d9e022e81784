# SPDX-License-Identifier: Apache-2.0
"""Real files through real rings: contents, ends, full disks, sudden death."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.native.blk.conftest import Disk

pytestmark = pytest.mark.needs("gcc")

RECORD_BYTES = 4096
CLAIMED = str(32 << 20)  # larger than the image

MODES = [(), ("-d",), ("-s",), ("-d", "-s")]
ways = pytest.mark.parametrize("mode", MODES, ids=["io_uring", "direct", "sync", "sync-direct"])


@pytest.fixture
def small_filesystem(tmp_path: Path) -> Iterator[Path]:
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount_point], check=True)
    yield mount_point
    # The host may close the files of a dead process a moment later.
    subprocess.run(["umount", "--lazy", mount_point], check=True)


@ways
def test_random_requests_keep_contents(disk: Disk, image: Path, mode: tuple[str, ...]) -> None:
    done = disk(*mode, "hammer", image, "7")
    assert "failed=0" in done.stdout


def test_random_requests_under_sanitizers(disk: Disk, sanitized_harness: Path, image: Path) -> None:
    assert "failed=0" in disk("-d", "hammer", image, "8", program=sanitized_harness).stdout


def test_a_batch_costs_one_host_call(disk: Disk, image: Path) -> None:
    words = disk("hammer", image, "9").stdout.split()
    counts = {name: int(value) for name, value in (word.split("=") for word in words)}
    assert counts["enters"] < counts["requests"]


def test_host_without_io_uring_is_served_synchronously(disk: Disk, image: Path) -> None:
    assert disk("info", image).stdout.startswith("io_uring ")
    assert disk("-s", "info", image).stdout.startswith("synchronous ")


def test_a_ring_does_what_a_disk_needs_and_nothing_else(disk: Disk, image: Path) -> None:
    """seccomp doesn't see what is written into a ring, and a ring could open files."""
    disk("ask-for-more", image)


@ways
@pytest.mark.parametrize("file_bytes", [0, 1 << 20, (1 << 20) + 512])
def test_truncated_file_reads_as_errors(
    disk: Disk, image: Path, mode: tuple[str, ...], file_bytes: int
) -> None:
    os.truncate(image, file_bytes)
    disk(*mode, "-b", CLAIMED, "ends", image, str(file_bytes))


@ways
@pytest.mark.needs("root")
def test_full_host_disk_is_enospc(
    disk: Disk, small_filesystem: Path, mode: tuple[str, ...]
) -> None:
    image = small_filesystem / "disk.img"
    image.touch()
    os.truncate(image, 16 << 20)
    written, message = disk(*mode, "fill", image).stdout.split(" ", 1)
    assert message.strip() == os.strerror(errno.ENOSPC)
    assert 0 < int(written) < 16 << 20


def test_read_only_disk_says_so(disk: Disk, image: Path) -> None:
    image.chmod(0o400)
    assert "readonly=1 discard=0" in disk("-r", "info", image).stdout


def test_size_is_whole_blocks(disk: Disk, image: Path) -> None:
    os.truncate(image, (16 << 20) + 700)
    assert f"size={(16 << 20) + 512} " in disk("info", image).stdout


def records_in(image: Path) -> int:
    """Count the numbered blocks from the start; each must be whole."""
    with image.open("rb") as file:
        for number in itertools.count(1):
            if file.read(RECORD_BYTES) != number.to_bytes(8, "little") * (RECORD_BYTES // 8):
                return number - 1
    return 0


@ways
def test_flushed_records_survive_sigkill(harness: Path, image: Path, mode: tuple[str, ...]) -> None:
    command: list[str | Path] = [harness, *mode, "journal", image]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(50):
            process.stdout.readline()
        process.kill()
        acknowledged = 50 + len(process.stdout.read().splitlines())
    assert records_in(image) >= acknowledged


def test_lock_on_the_image_ends_with_the_process(harness: Path, image: Path) -> None:
    """A request that the host still carries out may hold it a moment longer."""
    with image.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [harness, "journal", f"@{file.fileno()}"],
            pass_fds=[file.fileno()],
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        process.stdout.readline()
    process.kill()
    process.communicate()
    with image.open("r+b") as file:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
    pytest.fail("the lock outlived the process")
