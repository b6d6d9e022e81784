# SPDX-License-Identifier: Apache-2.0
"""What a program finds: its disks, its network in IPv4 and IPv6, and the settings asked for."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path

import pytest

from tests.functional.conftest import Disks, Enclaves
from tests.functional.running import Network, Running, host

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "busybox"
)

READ_ONLY = ("--read-only", "--tmpfs", "/tmp")
ECHO_PORT = 7
ECHO_BYTES = 16 << 20

# Answers each connection with what it got; one connection at a time, both families.
ECHO = f"""
import socket
listener = socket.create_server(("::", {ECHO_PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    connection, peer = listener.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)
"""


@pytest.fixture
def network(enclaves: Enclaves) -> Network:
    return enclaves.network()


def echo_server(enclaves: Enclaves, image: Path, network: Network, *options: str) -> Running:
    running = enclaves.start(
        *(image, "/usr/bin/python3", "-c", ECHO), network=network, options=(*READ_ONLY, *options)
    )
    running.until_line("^listening$")
    return running


def assert_echoes(address: str) -> None:
    """Send and receive more at once than the buffers between can hold."""
    content = os.urandom(ECHO_BYTES)
    with socket.create_connection((address, ECHO_PORT), timeout=10) as connection:
        sender = threading.Thread(target=connection.sendall, args=(content,), daemon=True)
        sender.start()
        received = bytearray()
        while len(received) < len(content):
            part = connection.recv(1 << 16)
            assert part, "the connection ended early"
            received += part
        sender.join(10)
    assert received == content


def ping(address: str, payload_bytes: int) -> None:
    options = ("-c", "3", "-i", "0.02", "-W", "2", "-s", str(payload_bytes))
    assert " 0% packet loss" in host("busybox", "ping", *options, address)


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_both_families_reach_the_enclave(
    enclaves: Enclaves, debian_image: Path, network: Network, mtu: int
) -> None:
    six = ("--address", f"{network.address6}/64", "--mtu", str(mtu))
    echo_server(enclaves, debian_image, network, *six)
    ping(network.address, mtu - 28)
    ping(network.address6, mtu - 48)
    for address in (network.address, network.address6):
        assert_echoes(address)


def test_fragments_are_put_together(
    enclaves: Enclaves, debian_image: Path, network: Network
) -> None:
    echo_server(enclaves, debian_image, network)
    ping(network.address, 20_000)


def test_settings_reach_the_program(
    enclaves: Enclaves, debian_image: Path, network: Network
) -> None:
    script = """
        hostname=$(cat /proc/sys/kernel/hostname); echo "hostname $hostname"
        echo "somaxconn $(cat /proc/sys/net/core/somaxconn)"
        echo "mtu $(cat /sys/class/net/eth0/mtu)"
        echo "here $PWD $COLOUR"
        cat /etc/resolv.conf"""
    running = enclaves.start(
        *(debian_image, "/bin/bash", "-c", script),
        network=network,
        options=(
            *("--dns", "10.9.8.7", "--dns", "fd00::53", "--hostname", "adelie", "--mtu", "1400"),
            *("--sysctl", "net.core.somaxconn=777", "--cwd", "/usr", "--env", "COLOUR=grey"),
            *READ_ONLY,
        ),
    )
    assert running.wait(20) == 0
    assert running.output().splitlines() == [
        "hostname adelie",
        "somaxconn 777",
        "mtu 1400",
        "here /usr grey",
        "nameserver 10.9.8.7",
        "nameserver fd00::53",
    ]


def test_a_second_disk_keeps_what_is_written(
    enclaves: Enclaves, debian_image: Path, make_disk: Disks
) -> None:
    data = make_disk({"old": b"was here\n"})
    disk = ("--disk", f"{data},mount=/mnt", *READ_ONLY)
    write = "cat /mnt/old; head -c 20000000 /dev/urandom >/mnt/new; sha256sum </mnt/new"
    old, written = enclaves.shell(debian_image, write, *disk).splitlines()
    assert old == "was here"
    assert enclaves.shell(debian_image, "sha256sum </mnt/new", *disk).strip() == written
    host("/sbin/e2fsck", "-fn", data)


def test_read_only_disks_refuse_writes_and_stay_as_they_were(
    enclaves: Enclaves, debian_image: Path, make_disk: Disks
) -> None:
    data = make_disk({"old": b"was here\n"})
    before = hashlib.sha256(data.read_bytes()).digest()
    script = """
        ! touch /mnt/new
        ! echo x >>/mnt/old
        ! rm /mnt/old
        ! touch /new
        ! dd if=/dev/zero of=/dev/vdb bs=4096 count=1 conv=fsync
        echo kept >/tmp/new
        cat /mnt/old /tmp/new"""
    told = enclaves.shell(debian_image, script, "--disk", f"{data},ro,mount=/mnt", *READ_ONLY)
    assert told.count("Read-only file system") == 4
    assert told.splitlines()[-2:] == ["was here", "kept"]
    assert hashlib.sha256(data.read_bytes()).digest() == before


def test_a_full_disk_is_told_to_the_program(
    enclaves: Enclaves, debian_image: Path, make_disk: Disks
) -> None:
    data = make_disk({"old": b"was here\n"}, size="64M")
    script = """
        ! dd if=/dev/zero of=/mnt/new bs=1M count=100
        rm /mnt/new
        echo room >/mnt/again; sync; cat /mnt/old /mnt/again"""
    told = enclaves.shell(debian_image, script, "--disk", f"{data},mount=/mnt", *READ_ONLY)
    assert "No space left on device" in told
    assert told.splitlines()[-2:] == ["was here", "room"]
    host("/sbin/e2fsck", "-fn", data)


def test_a_bare_disk_is_a_block_device(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.write_bytes(bytes(8 << 20))
    script = "echo mark | dd of=/dev/vdb bs=4096 seek=1000 conv=sync,fsync status=none"
    enclaves.shell(debian_image, script, "--disk", f"{bare}", *READ_ONLY)
    content = bare.read_bytes()
    bare.unlink()
    assert content[1000 * 4096 :][:5] == b"mark\n"
    assert not content.replace(b"mark\n", b"").strip(b"\0")
