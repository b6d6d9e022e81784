# SPDX-License-Identifier: Apache-2.0
"""Addresses and state of network interfaces by rtnetlink (man 7 rtnetlink).

Spawning ip(8) would cost more than all the rest of a launch.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_interface
from types import TracebackType
from typing import Self

from rktio.host.addresses import HostAddress, Interface

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLM_F_EXCL = 0x200

RTM_NEWLINK = 16
RTM_NEWADDR = 20
RTM_GETADDR = 22

IFLA_MTU = 4
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 0x02
IFF_UP = 0x1
RT_SCOPE_UNIVERSE = 0

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
IFADDR = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, index
ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type

RECEIVE_BYTES = 1 << 16


class Rtnetlink:
    """One rtnetlink socket in the current network namespace; a context manager."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def set_up(self, index: int, mtu: int) -> None:
        """Set the MTU (bytes) and bring the interface up. Raises OSError."""
        body = IFINFO.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP)
        body += _attribute(IFLA_MTU, struct.pack("=I", mtu))
        self._acknowledged(RTM_NEWLINK, 0, body)

    def add_address(self, index: int, address: Interface) -> None:
        """Give the interface an address, usable at once. Raises OSError (EEXIST: has it)."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        # Without NODAD an IPv6 address is tentative for a second, and nothing can bind to it.
        flags = IFA_F_NODAD if address.version == 6 else 0
        prefix = address.network.prefixlen
        body = IFADDR.pack(family, prefix, flags, RT_SCOPE_UNIVERSE, index)
        body += _attribute(IFA_LOCAL, address.ip.packed)
        body += _attribute(IFA_ADDRESS, address.ip.packed)
        if address.version == 4 and address.network.num_addresses > 2:
            body += _attribute(IFA_BROADCAST, address.network.broadcast_address.packed)
        self._acknowledged(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)

    def addresses(self) -> list[HostAddress]:
        """Return every address of every interface."""
        self._send(RTM_GETADDR, NLM_F_DUMP, IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        found = []
        for kind, body in self._answers():
            if kind == RTM_NEWADDR:
                address = _host_address(body)
                if address is not None:
                    found.append(address)
        return found

    def _acknowledged(self, kind: int, flags: int, body: bytes) -> None:
        self._send(kind, flags | NLM_F_ACK, body)
        for _ in self._answers():
            pass

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        length = HEADER.size + len(body)
        header = HEADER.pack(length, kind, flags | NLM_F_REQUEST, self._sequence, 0)
        self._socket.sendto(header + body, (0, 0))

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield the messages that answer the last request, until its end or its error."""
        while True:
            data = self._socket.recv(RECEIVE_BYTES)
            while len(data) >= HEADER.size:
                length, kind, _, sequence, _ = HEADER.unpack_from(data)
                body = data[HEADER.size : length]
                data = data[(length + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", body)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                yield kind, body


def _attribute(kind: int, value: bytes) -> bytes:
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            break
        found[kind] = data[ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found


def _host_address(body: bytes) -> HostAddress | None:
    family, prefix, _, _, index = IFADDR.unpack_from(body)
    attributes = _attributes(body[IFADDR.size :])
    raw = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
    if raw is None or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        name = socket.if_indextoname(index)
    except OSError:
        return None  # it went away between the dump and now
    address = ip_interface(f"{socket.inet_ntop(family, raw)}/{prefix}")
    return HostAddress(index, name, address)
