# SPDX-License-Identifier: Apache-2.0
"""The namespace and veth pair of a native server are there while it runs, and only then."""

from __future__ import annotations

import errno
import os
import shutil
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from rktio.bench.placement import server_cores
from rktio.bench.veth import linked_namespaces, server_behind_veth
from rktio.common.errors import RktioError
from rktio.common.run import run

ADDRESS = IPv4Interface("10.231.57.1/24")
HOST_END = Path(f"/sys/class/net/rktb{os.getpid()}")


@pytest.fixture(autouse=True)
def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    if shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("ip is not installed (iproute2)")


def test_nothing_is_left_after_the_server() -> None:
    with server_behind_veth(["sleep", "60"], server_cores(1), ADDRESS, {}):
        assert HOST_END.exists()

    assert not HOST_END.exists()


def test_nothing_is_left_after_an_error() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        server_behind_veth(["sleep", "60"], server_cores(1), ADDRESS, {}),
    ):
        raise ZeroDivisionError

    assert not HOST_END.exists()


def test_setting_that_the_kernel_refuses_is_told_and_leaves_nothing() -> None:
    with (
        pytest.raises(RktioError, match="no_such_setting"),
        server_behind_veth(
            ["sleep", "60"], server_cores(1), ADDRESS, {"net.core.no_such_setting": "1"}
        ),
    ):
        pass

    assert not HOST_END.exists()


def test_linked_namespaces_reach_each_other_and_leave_nothing() -> None:
    addresses = (IPv4Interface("10.231.58.1/24"), IPv4Interface("10.231.58.2/24"))
    setting = {"net.ipv4.tcp_congestion_control": "reno"}

    with linked_namespaces((server_cores(1), server_cores(1)), addresses, setting) as pids:
        for pid in pids:
            inside = ["nsenter", "-t", str(pid), "-n"]
            links = run([*inside, "ip", "-o", "link", "show", "eth0"]).stdout.decode()
            assert "qdisc pfifo_fast" in links
            read = run([*inside, "sysctl", "-n", "net.ipv4.tcp_congestion_control"]).stdout
            assert read.strip() == b"reno"
        knock = "import socket; s = socket.socket(); s.settimeout(5); print(s.connect_ex"
        program = f"{knock}(('{addresses[0].ip}', 9)))"
        refused = run(["nsenter", "-t", str(pids[1]), "-n", "python3", "-c", program]).stdout

    assert int(refused) == errno.ECONNREFUSED  # an answer of the other end
    # The link ends with the namespaces, and these with the processes that held them.
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
