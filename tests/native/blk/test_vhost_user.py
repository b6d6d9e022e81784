# SPDX-License-Identifier: Apache-2.0
"""Disks behind vhost-user: qemu-storage-daemon that serves, dies and returns; lies at the start."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host import vhost_disk
from rktio.host.attendant import attend
from tests.functional.storage_daemon import StorageDaemon
from tests.functional.vhost_disk_back_end import (
    F_BLK_SIZE,
    F_CONFIG_WCE,
    F_FLUSH,
    F_RO,
    F_VERSION_1,
    FEATURES,
    DiskServer,
    config,
)
from tests.native.blk.test_disks import records_in

pytestmark = pytest.mark.needs("gcc")

DEATHS = 3


@pytest.fixture
def daemon(image: Path, tmp_path: Path) -> Iterator[StorageDaemon]:
    with StorageDaemon(image, tmp_path / "s") as started:
        yield started


def command(program: Path, path: Path, *words: str) -> tuple[list[str | Path], int]:
    """Return a command on a disk that is attended, and the descriptor to pass on."""
    fd = attend(path, 1)
    return [program, "-v", words[0], f"@{fd}", *words[1:]], fd


def run(program: Path, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line, fd = command(program, path, *words)
    try:
        return subprocess.run(
            line, pass_fds=[fd], capture_output=True, text=True, check=False, timeout=120
        )
    finally:
        os.close(fd)


@pytest.mark.needs("qemu-storage-daemon")
def test_random_requests_keep_contents(harness: Path, daemon: StorageDaemon) -> None:
    done = run(harness, daemon.path, "hammer", "7")
    assert "failed=0" in done.stdout, done.stderr


@pytest.mark.needs("qemu-storage-daemon")
def test_nothing_is_lost_when_the_back_end_is_killed(
    sanitized_harness: Path, daemon: StorageDaemon
) -> None:
    line, fd = command(sanitized_harness, daemon.path, "hammer", "8")
    with subprocess.Popen(line, pass_fds=[fd], stdout=subprocess.PIPE, text=True) as process:
        os.close(fd)
        assert process.stdout
        for _ in range(DEATHS):
            daemon.wait_for_load()
            daemon.kill()
            daemon.start()
        told = process.stdout.read()
    assert process.returncode == 0
    assert "failed=0" in told


@pytest.mark.needs("qemu-storage-daemon")
def test_flushed_records_outlive_back_ends(
    harness: Path, daemon: StorageDaemon, image: Path
) -> None:
    line, fd = command(harness, daemon.path, "journal")
    with subprocess.Popen(line, pass_fds=[fd], stdout=subprocess.PIPE) as process:
        os.close(fd)
        assert process.stdout
        for _ in range(DEATHS):
            for _ in range(20):
                process.stdout.readline()
            daemon.kill()
            daemon.start()
        process.kill()
        acknowledged = DEATHS * 20 + len(process.stdout.read().splitlines())
    assert records_in(image) >= acknowledged


def test_a_cache_mode_is_never_negotiated(tmp_path: Path) -> None:
    """CONFIG_WCE would let a back end say that flushes aren't needed, where they are."""
    with DiskServer(tmp_path / "s"):
        back_end = vhost_disk.BackEnd.connect(tmp_path / "s")
        agreed = back_end.agree(1)
        back_end.socket.close()
    assert FEATURES & F_CONFIG_WCE
    assert not agreed.features & F_CONFIG_WCE
    assert agreed.features & F_FLUSH


CONFIG_LIES = {
    "empty": (FEATURES, config(0)),
    "larger": (FEATURES, config(1 << 60)),
    "all ones": (FEATURES, b"\xff" * 60),
    "blocks of a size": (FEATURES | F_BLK_SIZE, config(block=3000)),
    "blocks of a size that there": (FEATURES | F_BLK_SIZE, config(block=65536)),
    "no segments at all": (FEATURES, config(segments=0)),
    "read-only": (FEATURES | F_RO, config()),
}


@pytest.mark.parametrize("what", CONFIG_LIES)
def test_a_disk_that_can_not_be_is_refused(harness: Path, tmp_path: Path, what: str) -> None:
    features, told = CONFIG_LIES[what]
    with DiskServer(tmp_path / "s", config=told, features=features):
        done = run(harness, tmp_path / "s", "info")
    assert done.returncode == 2
    line = done.stderr.strip()
    assert "\n" not in line
    assert line.startswith("disk vda: its back end")
    assert what in line or what == "all ones"


def test_a_back_end_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with (
        DiskServer(tmp_path / "s", features=FEATURES & ~F_VERSION_1),
        pytest.raises(RktioError, match="lacks virtio 1"),
    ):
        attend(tmp_path / "s", 1)


def test_nobody_at_the_socket_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="no back end to connect to"):
        attend(tmp_path / "s", 1)


def test_an_attendant_ends_with_its_enclave(harness: Path, tmp_path: Path) -> None:
    with DiskServer(tmp_path / "s") as server:
        assert run(harness, tmp_path / "s", "info").returncode == 0
        assert server.cut_off.wait(15)


def test_an_attendant_that_dies_ends_the_disk(harness: Path, tmp_path: Path) -> None:
    """Requests fail then; they don't wait for nobody."""
    own, enclaves = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    region = vhost_disk.Region.make(1)
    news = vhost_disk.Agreement(1, 1 << 32 | 1 << 9, config()).news()
    socket.send_fds(own, [news], list(region.fds))
    enclaves.setblocking(False)
    fd = enclaves.fileno()
    line: list[str | Path] = [harness, "-v", "fill", f"@{fd}"]
    with subprocess.Popen(line, pass_fds=[fd], stdout=subprocess.PIPE, text=True) as process:
        own.close()
        told, _ = process.communicate(timeout=60)
    region.close()
    enclaves.close()
    assert told.startswith("0 Input/output error")
    assert process.returncode in (0, 1, -signal.SIGABRT)


def test_the_abi_is_one() -> None:
    header = (Path(__file__).parents[3] / "abi" / "vhost_disk.h").read_text()
    defined = {
        words[1].removeprefix("VHOST_DISK_"): words[2]
        for line in header.splitlines()
        if len(words := line.split()) > 2 and words[0] == "#define"
    }
    for name, value in defined.items():
        if hasattr(vhost_disk, name):
            assert getattr(vhost_disk, name) == int(value, 0), name
    assert {"UP", "DOWN", "READY", "LIAR", "FEATURES", "QUEUE_BYTES", "GUEST_BASE"} <= set(defined)
    assert struct.calcsize("=IIQ60s4x") == vhost_disk.NEWS.size
