# SPDX-License-Identifier: Apache-2.0
"""A disk that qemu-storage-daemon serves: file systems, back ends that die, host calls."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.functional.conftest import Disks, Enclaves
from tests.functional.storage_daemon import StorageDaemon

pytestmark = [
    pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap", "qemu-storage-daemon"),
]

DEATHS = 3
RECORDS = 20

# Numbered lines; a number is printed once its line is on the disk.
JOURNAL = """
number=0
while [ $number -lt 100000 ]; do
    number=$((number + 1))
    echo $number | dd of=/srv/journal oflag=append conv=notrunc,fsync status=none || exit 9
    echo record $number
done
"""


@pytest.fixture
def data(make_disk: Disks) -> Path:
    return make_disk({"readme": b"data\n"})


@pytest.fixture
def daemon(data: Path, tmp_path: Path) -> Iterator[StorageDaemon]:
    with StorageDaemon(data, tmp_path / "s", queues=2) as started:
        yield started


def options(daemon: StorageDaemon, *more: str) -> tuple[str, ...]:
    disk = f"vhost-user:{daemon.path},mount=/srv"
    return ("--read-only", "--memory", "256M", "--disk", disk, *more)


def test_a_file_system_is_whole(
    enclaves: Enclaves, debian_image: Path, daemon: StorageDaemon, data: Path
) -> None:
    script = """
        cat /srv/readme
        head -c 20M /dev/urandom > /srv/new
        sha256sum < /srv/new > /srv/sum
        sync
        echo 3 > /proc/sys/vm/drop_caches
        sha256sum -c --quiet <(sed 's#-#/srv/new#' /srv/sum) && echo same
        rm /srv/new
        cat /sys/block/vdb/queue/write_cache
    """
    told = enclaves.shell(debian_image, script, *options(daemon, "--cpus", "2"))
    assert "data\n" in told
    assert "same" in told
    assert "write back" in told  # so that flushes are sent
    daemon.kill()
    subprocess.run(["/sbin/e2fsck", "-fn", data], check=True, capture_output=True)


def test_the_lock_down_holds_for_a_disk_behind_vhost_user(
    enclaves: Enclaves, debian_image: Path, daemon: StorageDaemon
) -> None:
    told = enclaves.shell(debian_image, "cat /srv/readme", *options(daemon, "--stats"))
    assert "insecure" not in told
    assert re.search(r"vhost-user, direct: \d+ kicks, \d+ looks", told)


@pytest.mark.needs("gcc")
def test_a_back_end_that_polls_costs_no_host_calls(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    program, path = tmp_path / "null_disk", tmp_path / "n"
    subprocess.run(["gcc", "-O2", CHECKOUT / "tests/bench/null_disk.c", "-o", program], check=True)
    options = ("--read-only", "--memory", "256M", "--stats", "--disk", f"vhost-user:{path}")
    with subprocess.Popen([program, path]) as null_disk:
        while not path.exists():
            assert null_disk.poll() is None
        script = "dd if=/dev/vdb of=/dev/null bs=4k count=30000 iflag=direct"
        told = enclaves.shell(debian_image, script, *options)
        assert null_disk.wait(15) == 0
    assert "vhost-user, direct: 0 kicks" in told


def test_synced_records_outlive_back_ends(
    enclaves: Enclaves, debian_image: Path, daemon: StorageDaemon, data: Path
) -> None:
    running = enclaves.start(*(debian_image, "/bin/bash", "-c", JOURNAL), options=options(daemon))
    for death in range(1, DEATHS + 1):
        running.until_line(rf"^record {death * RECORDS}$", 60)
        daemon.kill()
        daemon.start()
    running.until_line(rf"^record {(DEATHS + 1) * RECORDS}$", 60)
    running.kill()
    daemon.kill()
    told = running.output()
    acknowledged = int(re.findall(r"^record (\d+)$", told, re.MULTILINE)[-1])
    assert told.count("vdb: its back end is gone") == DEATHS
    assert told.count("vdb: its back end is back") == DEATHS
    subprocess.run(["/sbin/e2fsck", "-p", data], check=False, capture_output=True)
    written = subprocess.run(
        [CHECKOUT / "bin" / "rkt-io-disk", "cat", data, "/journal"],
        check=False,
        capture_output=True,
    )
    lines = written.stdout.decode().split()
    assert lines[:acknowledged] == [str(number) for number in range(1, acknowledged + 1)]


def test_a_read_only_back_end_wants_a_read_only_disk(
    enclaves: Enclaves, debian_image: Path, data: Path, tmp_path: Path
) -> None:
    with StorageDaemon(data, tmp_path / "s", writable=False) as daemon:
        refused = enclaves.start(debian_image, "/bin/true", options=options(daemon))
        assert refused.wait(30) == 125
        assert "read-only; add ,ro" in refused.output()
        disk = f"vhost-user:{daemon.path},ro,mount=/srv"
        told = enclaves.shell(debian_image, "cat /srv/readme", "--read-only", "--disk", disk)
    assert "data\n" in told
