# SPDX-License-Identifier: Apache-2.0
"""The tap: the host's end of the enclave's network, made and addressed here.

It is not persistent: the kernel removes it with its last descriptor, however the enclave ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host import addresses
from rktio.host.addresses import HostAddress, NetPlan
from rktio.host.rtnetlink import Rtnetlink

TUN_DEVICE = Path("/dev/net/tun")
AUTOMATIC_NAME = "rkt%d"  # the kernel puts in the first free number

# linux/if_tun.h
TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
TUNSETVNETHDRSZ = 0x400454D8
IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
TUN_F_CSUM = 0x01
TUN_F_TSO4 = 0x02
TUN_F_TSO6 = 0x04

VNET_HDR_BYTES = 12  # struct virtio_net_hdr_v1
IFREQ = struct.Struct("16sH22x")
IFREQ_VALUE = 16  # offset of the value, after the name
SIOCGIFFLAGS = 0x8913
SIOCGIFMTU = 0x8921
IFF_UP = 0x1

IPV6_SETTINGS = Path("/proc/sys/net/ipv6/conf")


class TapNotPermittedError(RktioError):
    """This user may not make a tap."""


def open_tap(name: str | None, plan: NetPlan, queues: int = 1) -> tuple[int, ...]:
    """Make the tap, or attach to a persistent one of that name; address it and bring it up.

    Returns a descriptor for each queue; a persistent tap made without `multi_queue` has one.
    Raises RktioError naming what is taken and by whom, TapNotPermittedError when nothing is
    wrong but the permission.
    """
    existing = _index(name) if name else None
    with Rtnetlink() as link:
        _refuse_taken_addresses(plan, link.addresses(), existing)
        fd = _open_device()
        fds = [fd]
        try:
            actual, several = _attach_first(fd, name, queues)
            for _ in range(1, queues if several else 1):
                fds.append(_open_device())
                _attach(fds[-1], actual, IFF_MULTI_QUEUE)
            index = socket.if_nametoindex(actual)
            if existing is None:
                _configure(link, actual, index, plan)
            else:
                _complete(link, actual, index, plan)
        except BaseException:
            for each in fds:
                os.close(each)
            raise
    return tuple(fds)


def holder_pid(name: str) -> int | None:
    """Return the process that holds the tap `name` open, if this user may see it."""
    wanted = f"iff:\t{name}"
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            for info in (process / "fdinfo").iterdir():
                if wanted in info.read_text().splitlines():
                    return int(process.name)
        except OSError:
            continue  # it ended, or is not ours to look into
    return None


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _open_device() -> int:
    try:
        return os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise RktioError(
            f"{TUN_DEVICE} does not exist", hint="sudo modprobe tun, or use --net none"
        ) from error
    except PermissionError as error:
        raise TapNotPermittedError(
            f"{TUN_DEVICE}: permission denied", hint="sudo chmod 666 /dev/net/tun, or --net none"
        ) from error
    except OSError as error:
        raise RktioError(
            f"{TUN_DEVICE}: {error.strerror}", hint="sudo modprobe tun, or use --net none"
        ) from error


def _attach_first(fd: int, name: str | None, queues: int) -> tuple[str, bool]:
    """Attach as one queue of several, or as the only one, as wanted or as a tap there is made.

    Returns the tap's name and whether it takes several.
    """
    wanted = IFF_MULTI_QUEUE if queues > 1 else 0
    try:
        return _attach(fd, name, wanted), bool(wanted)
    except RktioError as error:
        try:
            return _attach(fd, name, wanted ^ IFF_MULTI_QUEUE), not wanted
        except RktioError:
            raise error from None


def _attach(fd: int, name: str | None, more_flags: int) -> str:
    """Bind the descriptor to a tap with vnet headers and offloads; return the tap's name."""
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | more_flags
    request = IFREQ.pack((name or AUTOMATIC_NAME).encode(), flags)
    try:
        raw, _ = IFREQ.unpack(fcntl.ioctl(fd, TUNSETIFF, request))
    except OSError as error:
        raise _attach_error(name, error) from error
    fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("=i", VNET_HDR_BYTES))
    fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
    return bytes(raw).rstrip(b"\0").decode()


def _attach_error(name: str | None, error: OSError) -> RktioError:
    if error.errno == errno.EBUSY and name:
        return RktioError(
            f"tap {name} is taken by {_process(holder_pid(name))}",
            hint="choose another --tap-name",
        )
    if error.errno == errno.EINVAL and name:
        return RktioError(
            f"interface {name} exists and is not a tap that can be used",
            hint="choose another --tap-name",
        )
    if error.errno == errno.EPERM:
        tap = name or "rkt0"
        return TapNotPermittedError(
            "making a tap needs CAP_NET_ADMIN",
            hint="run with sudo, or once `sudo ip tuntap add dev "
            f'{tap} mode tap user "$USER" && sudo ip addr add 10.0.1.254/24 dev {tap} && '
            f"sudo ip link set {tap} up`, then --tap-name {tap}; or use --net none",
        )
    return RktioError(f"cannot make tap {name or ''}: {error.strerror}")


def _configure(link: Rtnetlink, name: str, index: int, plan: NetPlan) -> None:
    """Set up a new tap: settings, MTU, state, addresses (their routes follow)."""
    _set_ipv6(name, plan.has_ipv6)
    link.set_up(index, plan.mtu)
    for end in plan.host:
        try:
            link.add_address(index, end)
        except OSError as error:
            raise RktioError(f"cannot give {end} to {name}: {error.strerror}") from error


def _complete(link: Rtnetlink, name: str, index: int, plan: NetPlan) -> None:
    """Check a tap that was made before, and add what it lacks where that is permitted."""
    own = {str(held.address) for held in link.addresses() if held.interface_index == index}
    missing = [end for end in plan.host if str(end) not in own]
    try:
        if missing or not _is_up(name) or _mtu(name) != plan.mtu:
            link.set_up(index, plan.mtu)
        for end in missing:
            link.add_address(index, end)
    except PermissionError as error:
        commands = [f"sudo ip addr add {end} dev {name}" for end in missing]
        commands.append(f"sudo ip link set {name} up mtu {plan.mtu}")
        raise RktioError(
            f"tap {name} is not ready and configuring it needs CAP_NET_ADMIN",
            hint=" && ".join(commands),
        ) from error


def _is_up(name: str) -> bool:
    (flags,) = struct.unpack_from("=H", _interface(SIOCGIFFLAGS, name), IFREQ_VALUE)
    return bool(flags & IFF_UP)


def _mtu(name: str) -> int:
    (mtu,) = struct.unpack_from("=i", _interface(SIOCGIFMTU, name), IFREQ_VALUE)
    return int(mtu)


def _interface(request: int, name: str) -> bytes:
    """Ask this network namespace; /sys/class/net may belong to another (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control, request, IFREQ.pack(name.encode(), 0))


def _set_ipv6(name: str, wanted: bool) -> None:
    """Make IPv6 usable at once, or keep the tap free of it.

    Router advertisements are refused in any case: the enclave's side must not steer the host.
    """
    settings = IPV6_SETTINGS / name
    if not settings.is_dir():
        if wanted:
            raise RktioError(
                "this host has no IPv6", hint="leave out the IPv6 address, or enable ipv6"
            )
        return
    values = {"accept_ra": "0", "autoconf": "0", "accept_dad": "0"}
    values["disable_ipv6"] = "0" if wanted else "1"
    for key, value in values.items():
        try:
            (settings / key).write_text(value)
        except OSError:
            # A read-only /proc/sys (a container): the address itself carries NODAD.
            continue


def _refuse_taken_addresses(
    plan: NetPlan, present: list[HostAddress], own_index: int | None
) -> None:
    others = [held for held in present if held.interface_index != own_index]
    held = addresses.check_free(plan, others)
    if held is None:
        return
    wanted = next(e for e in plan.enclave if addresses.overlap(e.network, held.address.network))
    holder = f"{held.interface_name} of this host ({held.address})"
    pid = holder_pid(held.interface_name)
    if pid is not None:
        holder += f", held by {_process(pid)}"
    raise RktioError(
        f"address {wanted} is taken by {holder}",
        hint=f"end that, or choose another: --address {addresses.free_suggestion(present)}",
    )


def _process(pid: int | None) -> str:
    if pid is None:
        return "another process"
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({name})"
