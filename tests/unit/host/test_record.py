# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host import record
from rktio.host.baseline import Io
from rktio.host.data import DataDisk
from rktio.host.options import Disk, RunOptions, SealedOptions, Tee
from rktio.host.record import LaunchRecord, OpenDisk, OpenNet
from rktio.host.sealed import OwnersWord

CHECKOUT = Path(__file__).resolve().parents[3]

NET = OpenNet(7, "02:00:00:00:00:01", 1500, ("10.0.1.1/24",), ("10.0.1.254",), ("1.1.1.1",))
BASELINE_KEYS = {"io", "world_switch_cycles", "io_threads", "tree"}
DISKS = (OpenDisk(3, False, True), OpenDisk(4, False, True), OpenDisk(5, True, False))
BLANK = OpenDisk(6, False, True, blank=True)


def full_options() -> RunOptions:
    return RunOptions(
        image=Path("a.img"),
        program="redis-server",
        args=("--bind", "10.0.1.1"),
        disks=(Disk(Path("b")), Disk(Path("c"), read_only=True, mount="/data")),
        data=(DataDisk("db", Path("d")),),
        tmpfs=("/scratch",),
        env={"A": "b=c"},
        cwd="/var",
        hostname="redis",
        sysctl={"net.core.somaxconn": "1024"},
        stats=True,
        insecure_no_lockdown=True,
    )


def full_record() -> LaunchRecord:
    return LaunchRecord(full_options(), (*DISKS, BLANK), NET, tty=True)


def test_a_record_says_everything_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert [f"{key}={value}" for key, value in full_record().pairs()] == [
        "version=1",
        "memory_bytes=1073741824",
        "cpus=1",
        "poll=adaptive",
        "loglevel=4",
        "stats=1",
        "insecure_no_lockdown=1",
        "disk=3:rw:direct",
        "disk=4:rw:direct",
        "disk=5:ro:buffered",
        "disk=6:rw:direct",
        "root=vda:ext4:rw",
        "mount=vdc:/data:ext4:ro",
        "data_device=db:vdd",
        "data=db:format:/data/db",
        "mount=none:/scratch:tmpfs:rw",
        "net=tap:7:02:00:00:00:00:01:1500",
        "addr=10.0.1.1/24",
        "gateway=10.0.1.254",
        "dns=1.1.1.1",
        "hostname=redis",
        "sysctl=net.core.somaxconn=1024",
        "cwd=/var",
        "env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "env=HOME=/root",
        "env=TERM=xterm",
        "env=A=b=c",
        "arg=redis-server",
        "arg=--bind",
        "arg=10.0.1.1",
        "tty=1",
    ]


def sealed_record() -> LaunchRecord:
    sealed = SealedOptions(Path("a.sealed"), Path("a.crt"), keys="https://broker/", tee=Tee.SNP)
    options = RunOptions(image=Path("a.img"), args=("--more",), env={"A": "b"}, sealed=sealed)
    owner = OwnersWord(b"\x01\xfe", "title\n{}\nsignature\n", {})
    return LaunchRecord(options, DISKS[2:], NET, owner=owner, key_file_fd=9)


def test_of_a_sealed_image_the_host_says_devices_and_additions() -> None:
    pairs = [f"{key}={value}" for key, value in sealed_record().pairs()]
    assert pairs[5:] == [
        "disk=5:ro:buffered",
        "root=vda:sealed:ro",
        "owner_key=01fe",
        "sealed_config=title\n{}\nsignature\n",
        "keys=https://broker/",
        "tee=snp",
        "insecure_keys=9",
        "net=tap:7:02:00:00:00:00:01:1500",
        "env=A=b",
        "arg=--more",
    ]


def test_every_key_is_in_the_abi() -> None:
    header = (CHECKOUT / "abi" / "launch.h").read_text()
    known = set(re.findall(r"^\tX\((\w+),", header, re.MULTILINE))
    tuned = {"net_queue", "net_without", "nvme"}  # test_net_features, test_nvme
    tunnel = {"wireguard", "wireguard_addr", "wireguard_peer"}  # test_tunnel.py
    for_tests = {"insecure_trap", "insecure_tsm", "insecure_block_log"}
    pairs = [*full_record().pairs(), *sealed_record().pairs()]
    assert {key for key, _ in pairs} == known - BASELINE_KEYS - for_tests - tuned - tunnel
    assert f"LAUNCH_VERSION {record.VERSION}" in header
    assert record.BYTES_MAX == 1 << 20
    assert "LAUNCH_BYTES_MAX\t(1 << 20)" in header


def test_the_environment_of_the_host_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert b"SECRET" not in full_record().encode()


def test_bytes_that_are_no_utf8_pass_unchanged() -> None:
    options = RunOptions(image=Path("a"), program="p", args=(os.fsdecode(b"\xff\xfe"),))
    assert b"arg=\xff\xfe\0" in LaunchRecord(options, DISKS[:1], None).encode()


def test_a_nul_is_refused() -> None:
    options = RunOptions(image=Path("a"), program="p", args=("a\0b",))
    with pytest.raises(RktioError, match="NUL"):
        LaunchRecord(options, DISKS[:1], None).encode()


def test_a_record_that_is_too_large_is_refused() -> None:
    options = RunOptions(image=Path("a"), program="p", args=("x" * (1 << 20),))
    with pytest.raises(RktioError, match="at most"):
        LaunchRecord(options, DISKS[:1], None).encode()


def test_the_descriptor_starts_at_the_record() -> None:
    fd = full_record().memfd()
    try:
        assert os.read(fd, 1 << 20) == full_record().encode()
        assert os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_a_baseline_says_what_it_is_and_what_it_costs() -> None:
    options = RunOptions(Path("a.img"), "true", io=Io.SWITCHLESS, tree=Path("/tree"))
    pairs = dict(LaunchRecord(options, DISKS[:1], None).pairs())
    assert {key: pairs[key] for key in BASELINE_KEYS} == {
        "io": "switchless",
        "world_switch_cycles": "8200",
        "io_threads": "2",
        "tree": "/tree",
    }


def test_a_disk_behind_vhost_user_is_its_attendant_s_socket() -> None:
    disks = (DISKS[0], OpenDisk(9, True, False, vhost_user=True), DISKS[2], BLANK)
    pairs = list(LaunchRecord(full_options(), disks, None).pairs())
    assert ("disk", "9:ro:vhost-user") in pairs
