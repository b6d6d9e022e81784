# SPDX-License-Identifier: Apache-2.0
"""The runtime takes a launch record that is right in full, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.native.init.conftest import PROGRAMS, RUNTIME, SANITIZE, Compile, record

pytestmark = pytest.mark.needs("gcc")

PLAIN = ("root=vda:ext4:rw", "arg=/bin/true")
ABI = RUNTIME.parents[1] / "abi/launch.h"


@pytest.fixture(scope="session")
def report(compiled: Compile) -> Path:
    sources = (
        *(
            RUNTIME / f"launch{part}.c"
            for part in ("", "_value", "_net", "_tee", "_nvme", "_data", "_wireguard")
        ),
        PROGRAMS / "launch_report.c",
    )
    return compiled("launch_report", *SANITIZE, *sources)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


def read_bytes(report: Path, content: bytes, *fds: int) -> subprocess.CompletedProcess[str]:
    launch = os.memfd_create("launch", 0)
    try:
        os.write(launch, content)
        command = [str(report), str(launch)]
        return subprocess.run(
            command, pass_fds=(launch, *fds), capture_output=True, text=True, check=False
        )
    finally:
        os.close(launch)


def read(report: Path, *entries: str, fds: tuple[int, ...] = ()) -> dict[str, list[str]]:
    done = read_bytes(report, record(*entries), *fds)
    assert done.returncode == 0, done.stderr
    values: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        values.setdefault(key, []).append(value)
    return values


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the reason; a refusal is one line and status 125."""
    assert (done.returncode, done.stdout) == (125, "")
    assert re.fullmatch(r"rkt-io: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def test_a_record_is_read_as_written(report: Path, disk: int) -> None:
    values = read(
        report,
        f"disk={disk}:rw:buffered",
        f"disk={disk}:ro:buffered",
        "poll=sleep",
        "loglevel=7",
        "stats=1",
        f"net=tap:{disk}:02:00:00:00:00:FE:9000",
        "addr=10.0.1.1/24",
        "addr=fd00::1/64",
        "gateway=10.0.1.254",
        "dns=fd00::53",
        "hostname=db",
        "sysctl=net.core.somaxconn=1024",
        "mount=vdb:/data:ext4:ro",
        "mount=none:/scratch:tmpfs:rw",
        "cwd=/",
        "env=A=b=c",
        *PLAIN,
        fds=(disk,),
    )
    assert values["memory_bytes"] == ["67108864"]
    assert values["disk"] == ["rw:buffered:1048576", "ro:buffered:1048576"]
    assert values["net"] == ["02fe:9000"]
    assert (values["poll"], values["loglevel"], values["stats"]) == (["2"], ["7"], ["1"])


def test_what_is_not_said_has_a_default(report: Path, disk: int) -> None:
    values = read(report, f"disk={disk}:rw:buffered", *PLAIN, fds=(disk,))
    names = ("poll", "loglevel", "stats", "tty")
    assert [values[name] for name in names] == [["0"], ["4"], ["0"], ["0"]]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("colour=blue", "unknown key 'colour'"),
        ("novalue", "'novalue' is not key=value"),
        ("=x", "unknown key ''"),
        ("cpus=1", "cpus: given twice"),
        ("poll=sometimes", "none of busy, adaptive, sleep"),
        ("loglevel=9", "not a number from 0 to 8"),
        ("loglevel=-1", "not a number"),
        ("loglevel=", "not a number"),
        ("loglevel= 1", "not a number"),
        ("stats=2", "not a number from 0 to 1"),
        ("insecure_no_lockdown=yes", "not a number from 0 to 1"),
        ("data=DB:open:/data", "is not NAME:open|format:PATH"),
        ("data=db:make:/data", "is not NAME:open|format:PATH"),
        ("data=db:open:data", "is not NAME:open|format:PATH"),
        ("data_device=db:sda", "is not NAME:DEV"),
        ("data_device=db:vdz", "is not NAME:DEV"),
        ("wireguard=0:1420:only", "is not PORT:MTU:only|open"),
        ("wireguard=1:1420:some", "is not PORT:MTU:only|open"),
        ("wireguard_addr=10.0.0.1", "is not ADDRESS/PREFIX"),
        ("wireguard_peer=short,0,-,-,10.0.0.0/8", "is not KEY,SECONDS"),
        (f"wireguard_peer={'x' * 43}=,0,-,,10.0.0.0/8", "is not KEY,SECONDS"),
        (f"wireguard_peer={'x' * 43}=,0,-,-", "is not KEY,SECONDS"),
        ("wireguard=1:1420:only", "WireGuard needs wireguard and net"),
        ("insecure_trap=open", "'open' is not hostcall"),
        ("insecure_tsm=relative", "not an absolute path"),
        ("tee=sgx", "none of process, snp, tdx"),
        ("disk=2:rw:buffered", "not an open descriptor"),
        ("nvme=2:2:rw:0000:02:00.0", "names no open descriptors"),
        ("nvme=999:999:rw:0000:02:00.0", "names no open descriptors"),
        ("nvme=3:3:wo:0000:02:00.0", "not DEVICE:CONTAINER:rw|ro:ADDRESS"),
        ("nvme=3:3:rw:0000:02:00", "not DEVICE:CONTAINER:rw|ro:ADDRESS"),
        ("nvme=3:3:rw:0000:02:00.0x", "not DEVICE:CONTAINER:rw|ro:ADDRESS"),
        ("nvme=3:3:rw:/dev/nvme0", "not DEVICE:CONTAINER:rw|ro:ADDRESS"),
        ("mount=nvme0n1:/data:ext4:rw", "names a disk that is not given"),
        ("mount=nvme0:/data:ext4:rw", "neither a disk nor none"),
        ("mount=nvme9n1:/data:ext4:rw", "neither a disk nor none"),
        ("disk=999:rw:buffered", "not an open descriptor"),
        ("disk=18446744073709551619:rw:buffered", "not FD:rw|ro:direct|buffered"),
        ("disk=4294967299:rw:buffered", "not an open descriptor"),
        ("disk=FD:rx:buffered", "neither rw nor ro"),
        ("disk=FD:rw:cached", "neither direct, buffered"),
        ("disk=FD:rw:direct", "not open with O_DIRECT"),
        ("disk=FD:rw", "not FD:rw|ro:direct|buffered"),
        ("disk=FD:rw:buffered:", "not FD:rw|ro:direct|buffered"),
        ("disk=FD:rw:buffered:x", "not FD:rw|ro:direct|buffered"),
        ("root=vda:ext4:rw", "given twice"),
        ("mount=sda:/data:ext4:rw", "neither a disk nor none"),
        ("mount=vdb:/data:ext4:rw", "a disk that is not given"),
        ("mount=none:data:tmpfs:rw", "not DEV:PATH:FSTYPE"),
        ("net=tun:FD:02:00:00:00:00:01:1500", "vhost:FD:MAC:MTU[:server]"),
        ("net=tap:FD:02:00:00:00:00:0g:1500", "MAC address"),
        ("net=tap:FD:03:00:00:00:00:01:1500", "MAC address"),
        ("net=tap:FD:02:00:00:00:00:01:", "vhost:FD:MAC:MTU[:server]"),
        ("net=tap:FD:02:00:00:00:00:01:x", "not a number"),
        ("net=tap:FD:02:00:00:00:00:01:70000", "not a number"),
        ("net=tap:FD:02", "vhost:FD:MAC:MTU[:server]"),
        ("net_queue=2", "not an open descriptor"),
        ("net_without=offload", "none of csum, tso"),
        ("addr=10.0.1.1/24", "no net"),
        ("addr=10.0.1.1", "not ADDRESS/PREFIX"),
        ("addr=10.0.1.256/24", "not ADDRESS/PREFIX"),
        ("addr=10.0.1.1/33", "not a number from 1 to 32"),
        ("addr=fd00::1/129", "not a number from 1 to 128"),
        ("gateway=router", "not an IPv4 or IPv6 address"),
        ("dns=1.2.3", "not an IPv4 or IPv6 address"),
        ("hostname=", "not a host name"),
        (f"hostname={'h' * 65}", "not a host name"),
        ("sysctl=net.core.somaxconn", "not NAME=VALUE"),
        ("sysctl=../../etc/passwd=x", "empty part"),
        ("cwd=tmp", "not an absolute path"),
        ("env=PATH", "not NAME=VALUE"),
        ("env==x", "not NAME=VALUE"),
        ("tty=yes", "not a number from 0 to 1"),
    ],
)
def test_a_wrong_value_is_refused_by_name(report: Path, disk: int, entry: str, reason: str) -> None:
    entries = (f"disk={disk}:rw:buffered", *PLAIN, entry.replace("FD", str(disk)))
    assert reason in refused(read_bytes(report, record(*entries), disk))


def test_a_terminal_is_safe_from_what_a_record_holds(report: Path) -> None:
    assert "'?[31mkey'" in refused(read_bytes(report, b"\x1b[31mkey=\0"))


@pytest.mark.parametrize("memory", ["0", "3145728", "1M", "-2097152", "18446744073711648768"])
def test_memory_is_a_multiple_of_2_mib(report: Path, memory: str) -> None:
    content = f"version=1\0memory_bytes={memory}\0".encode()
    assert "memory_bytes: " in refused(read_bytes(report, content))


@pytest.mark.parametrize("missing", ["version", "memory_bytes", "cpus", "root", "arg"])
def test_a_missing_key_is_named(report: Path, disk: int, missing: str) -> None:
    entries = record(f"disk={disk}:rw:buffered", *PLAIN).split(b"\0")
    kept = [entry for entry in entries if not entry.startswith(missing.encode() + b"=")]
    assert f"no {missing}" in refused(read_bytes(report, b"\0".join(kept), disk))


def test_another_version_is_refused(report: Path) -> None:
    assert "version: " in refused(read_bytes(report, b"version=2\0"))


def test_a_record_that_is_cut_off_is_refused(report: Path) -> None:
    assert "cut off" in refused(read_bytes(report, record(*PLAIN)[:-1]))


def test_an_empty_record_is_refused(report: Path) -> None:
    assert "empty" in refused(read_bytes(report, b""))


def test_a_record_beyond_the_bound_is_refused(report: Path) -> None:
    content = record(*PLAIN, "env=A=" + "x" * (1 << 20))
    assert "larger than 1048576 bytes" in refused(read_bytes(report, content))


@pytest.mark.parametrize("argument", ["", "x", "-1", "2", "3x", "99999999999999999999", "777"])
def test_a_wrong_descriptor_is_refused(report: Path, argument: str) -> None:
    done = subprocess.run([report, argument], capture_output=True, text=True, check=False)
    refused(done)


def test_no_damage_of_one_byte_crashes_the_reader(report: Path, disk: int) -> None:
    whole = record(f"disk={disk}:rw:buffered", "addr=::1/8", *PLAIN)
    for at in range(0, len(whole), 3):
        damaged = whole[:at] + b"\xff" + whole[at + 1 :]
        assert read_bytes(report, damaged, disk).returncode in (0, 125), damaged


def test_the_documentation_of_the_record_can_be_read_by_a_program() -> None:
    entry = re.compile(r'X\((\w+), (ONCE|MAYBE|MANY), "([^"]+)", "([^"]+)"\)')
    found = entry.findall(ABI.read_text())
    assert len(found) == ABI.read_text().count("\tX(")
    assert {"disk", "arg", "tty"} <= {name for name, *_ in found}


SEALED = ("root=vda:sealed:ro", "owner_key=3082", "sealed_config=title\n{}\n")


def sealed(report: Path, disk: int, *entries: str) -> subprocess.CompletedProcess[str]:
    return read_bytes(report, record(f"disk={disk}:ro:buffered", *entries), disk)


def test_a_sealed_image_needs_no_program(report: Path, disk: int) -> None:
    for keys in ((), ("keys=https://broker:8443/",), (f"insecure_keys={disk}",)):
        assert sealed(report, disk, *SEALED, *keys).returncode == 0


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (SEALED[:2], "belong together"),
        (SEALED[1:] + PLAIN, "belong together"),
        (("root=vda:sealed:rw", *SEALED[1:]), "belong together"),
        (PLAIN[:1], "no arg"),
        ((*SEALED[::2], "owner_key="), "0 digits"),
        ((*SEALED[::2], "owner_key=308"), "3 digits"),
        ((*SEALED[::2], "owner_key=3G"), "lower-case hexadecimal"),
        ((*SEALED[::2], "owner_key=" + "30" * 8193), "16386 digits"),
        ((*SEALED[:2], "sealed_config=" + "x" * 262_145), "larger than 262144"),
        ((*SEALED, "keys=broker"), "not the URL"),
        ((*SEALED, "keys=https://"), "not the URL"),
        ((*SEALED, "keys=https://a b"), "not the URL"),
        ((*SEALED, "insecure_keys=999"), "not an open descriptor"),
        ((*SEALED, "keys=https://a", "insecure_keys=1000"), "not an open descriptor"),
        ((*SEALED, "keys=https://a", "insecure_no_lockdown=1"), "not for the keys of a broker"),
    ],
)
def test_a_sealed_start_is_whole_or_refused(
    report: Path, disk: int, entries: tuple[str, ...], reason: str
) -> None:
    assert reason in refused(sealed(report, disk, *entries))


def test_keys_have_one_source(report: Path, disk: int) -> None:
    done = sealed(report, disk, *SEALED, "keys=https://a", f"insecure_keys={disk}")
    assert "one of them" in refused(done)
