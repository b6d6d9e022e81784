# SPDX-License-Identifier: Apache-2.0
"""Native programs behind a veth pair, in network namespaces of their own.

The namespaces have no name: they end with the processes that hold them, and take the veth pair with
them, so that nothing stays behind however the benchmark ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Interface
from pathlib import Path

from rktio.bench.placement import placed, stop
from rktio.common.errors import RktioError
from rktio.common.run import popen, require, run

START_SECONDS = 5.0
POLL_SECONDS = 0.005


@contextmanager
def server_behind_veth(
    argv: Sequence[str | Path],
    cores: Sequence[int],
    server: IPv4Interface,
    sysctl: Mapping[str, str],
) -> Iterator[int]:
    """Run `argv` with `server` as the address of its eth0; the host's end is the net's .254.

    Gives the process, whose namespace others may enter.
    """
    unshare = require("unshare", "util-linux")
    process = popen(
        placed([unshare, "--net", *argv], cores),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_namespace(process)
        _connect(process.pid, server, sysctl)
        yield process.pid
    finally:
        # The namespace would take the pair with it, but later than the next server may come.
        run([require("ip", "iproute2"), "link", "del", _host_end()], check=False)
        stop(process)


# A veth has no queue of its own, the library OS's device has this one: both are to have it.
QDISC = "pfifo_fast"


@contextmanager
def linked_namespaces(
    cores: tuple[Sequence[int], Sequence[int]],
    addresses: tuple[IPv4Interface, IPv4Interface],
    sysctl: Mapping[str, str],
) -> Iterator[tuple[int, int]]:
    """Give two processes whose network namespaces are linked by a veth pair, eth0 on both ends."""
    with ExitStack() as stack:
        pids = [stack.enter_context(_namespace(own)) for own in cores]
        ip, nsenter = require("ip", "iproute2"), require("nsenter", "util-linux")
        tc, setter = require("tc", "iproute2"), require("sysctl", "procps")
        inside: list[list[str | Path]] = [[nsenter, "-t", str(pid), "-n"] for pid in pids]
        peer = ["peer", "name", "eth0", "netns", str(pids[1])]
        run([*inside[0], ip, "link", "add", "name", "eth0", "type", "veth", *peer])
        for enter, address in zip(inside, addresses, strict=True):
            run([*enter, ip, "addr", "add", str(address), "dev", "eth0"])
            run([*enter, tc, "qdisc", "add", "dev", "eth0", "root", QDISC])
            for name in ("lo", "eth0"):
                run([*enter, ip, "link", "set", name, "up"])
            for key, value in sysctl.items():
                run([*enter, setter, "-qw", f"{key}={value}"])
        yield pids[0], pids[1]


@contextmanager
def _namespace(cores: Sequence[int]) -> Iterator[int]:
    unshare = require("unshare", "util-linux")
    silent = subprocess.DEVNULL
    process = popen(
        placed([unshare, "--net", "sleep", "infinity"], cores),
        stdin=silent,
        stdout=silent,
        stderr=silent,
    )
    try:
        _await_namespace(process)
        yield process.pid
    finally:
        stop(process)


def _await_namespace(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has left our network namespace."""
    own = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if Path(f"/proc/{process.pid}/ns/net").readlink() != own:
            return
        time.sleep(POLL_SECONDS)
    raise RktioError(
        "the native server did not get a network namespace", hint="run as root: sudo rkt-io bench"
    )


def _connect(pid: int, server: IPv4Interface, sysctl: Mapping[str, str]) -> None:
    ip, nsenter = require("ip", "iproute2"), require("nsenter", "util-linux")
    name = _host_end()
    inside: list[str | Path] = [nsenter, "-t", str(pid), "-n"]
    host = f"{server.network.network_address + 254}/{server.network.prefixlen}"
    run([ip, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    run([ip, "addr", "add", host, "dev", name])
    run([ip, "link", "set", name, "up"])
    run([*inside, ip, "addr", "add", str(server), "dev", "eth0"])
    run([*inside, ip, "link", "set", "lo", "up"])
    run([*inside, ip, "link", "set", "eth0", "up"])
    # As the library OS has it: also clients of other machines get answers.
    run([*inside, ip, "route", "add", "default", "via", host.partition("/")[0]])
    for key, value in sysctl.items():
        run([*inside, require("sysctl", "procps"), "-qw", f"{key}={value}"])


def _host_end() -> str:
    """Return the name of the host's end of the pair; one server runs at a time."""
    return f"rktb{os.getpid()}"
