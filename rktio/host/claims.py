# SPDX-License-Identifier: Apache-2.0
"""What this host itself still does with a device: mounted disks, the default route's NIC."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rktio.host.pci import Function

ROUTE_UP = 1  # RTF_UP
DEV = Path("/dev")
PROC = Path("/proc")


@dataclass(frozen=True)
class Host:
    """Where the host's own state is read from; tests make their own."""

    proc: Path = PROC
    dev: Path = DEV


def block_devices(function: Function) -> list[Path]:
    """Return the disks of a function, as folders of sysfs.

    With multipath, which is the default of many kernels, a namespace's disk belongs to the
    subsystem and not to the controller.
    """
    folders = []
    for controller in sorted(function.path.glob("nvme/nvme*")):
        folders += [path for path in sorted(controller.glob("nvme*n*")) if (path / "size").exists()]
        for link in sorted(function.sys.glob(f"class/nvme-subsystem/*/{controller.name}")):
            heads = link.parent.glob("nvme*n*")
            folders += [path for path in sorted(heads) if (path / "size").exists()]
    folders += sorted(function.path.glob("virtio*/block/*"))
    return folders


def network_interfaces(function: Function) -> list[str]:
    """Return the names of a function's network interfaces."""
    found = [*function.path.glob("net/*"), *function.path.glob("virtio*/net/*")]
    return sorted(path.name for path in found)


def claim_on_disks(function: Function, host: Host | None = None) -> str | None:
    """Return how the host uses a disk of the function, or None when it does not."""
    host = host or Host()
    for disk in block_devices(function):
        for part in (disk, *_partitions(disk)):
            claim = _claim_on_block(part, host)
            if claim is not None:
                return claim
    return None


def claim_on_network(function: Function, host: Host | None = None) -> str | None:
    """Return why the host needs an interface of the function, or None when it does not."""
    host = host or Host()
    routes = set(_default_interfaces(host))
    for name in network_interfaces(function):
        for upper in _with_uppers(function.sys, name):
            if upper in routes:
                over = f" (over {upper})" if upper != name else ""
                return f"the default route is over {name}{over}"
    return None


def _partitions(disk: Path) -> list[Path]:
    return sorted(path.parent for path in disk.glob("*/partition"))


def _claim_on_block(block: Path, host: Host) -> str | None:
    name = f"/dev/{block.name}"
    holders = block / "holders"
    users = sorted(entry.name for entry in holders.iterdir()) if holders.is_dir() else []
    if users:
        return f"{name} is held by {users[0]}"
    number = (block / "dev").read_text().strip()
    for fields in _lines(host.proc / "self/mountinfo"):
        if fields[2] == number:
            return f"{name} is mounted on {fields[4]}"
    for fields in _lines(host.proc / "swaps"):
        if fields[0] == name:
            return f"{name} is swap space"
    return _refused_exclusively(host.dev / block.name, name)


def _refused_exclusively(device: Path, name: str) -> str | None:
    """Ask the kernel, which also knows of mounts in other namespaces."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return f"{name} is in use on this host"
    return None


def _default_interfaces(host: Host) -> Iterator[str]:
    for fields in _lines(host.proc / "net/route"):
        if fields[1] == "00000000" and fields[7] == "00000000":
            yield fields[0]
    for fields in _lines(host.proc / "net/ipv6_route"):
        if fields[0] == "0" * 32 and fields[1] == "00" and int(fields[8], 16) & ROUTE_UP:
            yield fields[9]


def _with_uppers(sys: Path, name: str) -> Iterator[str]:
    """Yield an interface, and the bridges, bonds and VLANs that are made of it."""
    yield name
    for link in sorted((sys / "class/net" / name).glob("upper_*")):
        yield from _with_uppers(sys, link.name.removeprefix("upper_"))


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text()
    except OSError:
        return
    for line in text.splitlines():
        fields = line.split()
        if fields and fields[0] not in ("Iface", "Filename"):
            yield fields
