# SPDX-License-Identifier: Apache-2.0
"""Which addresses the two ends of the enclave's network have, and whether they are free."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
)

from rktio.common.errors import RktioError
from rktio.host.options import MTU_MIN_IPV6, NetOptions

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

HOST_END = 254  # the host's last byte: 10.0.1.254, fd00::fe
ADDRESSES_MAX = 16  # LAUNCH_ADDRS_MAX of abi/launch.h


@dataclass(frozen=True)
class HostAddress:
    """One address that an interface of this host has now."""

    interface_index: int
    interface_name: str
    address: Interface


@dataclass(frozen=True)
class NetPlan:
    """What each end gets; `host` has one address per network of `enclave`."""

    enclave: tuple[Interface, ...]
    host: tuple[Interface, ...]
    gateways: tuple[Address, ...]
    dns: tuple[Address, ...]
    mtu: int
    mac: str

    @property
    def has_ipv6(self) -> bool:
        """Whether either end needs IPv6."""
        return any(address.version == 6 for address in self.enclave)


def plan(net: NetOptions) -> NetPlan:
    """Work out both ends. RktioError names the address that is wrong."""
    enclave = tuple(_interface(text) for text in net.addresses)
    if not enclave:
        raise RktioError("a tap needs an address", hint="--address 10.0.1.1/24, or --net none")
    host = _host_ends(enclave, tuple(_interface(text) for text in net.host_addresses))
    if net.gateways is None:
        gateways = _first_of_each_family(end.ip for end in host)
    else:
        gateways = tuple(_address("gateway", text) for text in net.gateways)
    dns = tuple(_address("dns", text) for text in net.dns)
    for name, group in (("addresses", enclave), ("gateways", gateways), ("dns servers", dns)):
        if len(group) > ADDRESSES_MAX:
            raise RktioError(f"{len(group)} {name}; {ADDRESSES_MAX} at most")
    found = NetPlan(enclave, host, gateways, dns, net.mtu, _mac(net.mac, enclave))
    if found.has_ipv6 and net.mtu < MTU_MIN_IPV6:
        raise RktioError(f"mtu {net.mtu} is too small for IPv6", hint=f"at least {MTU_MIN_IPV6}")
    return found


def check_free(wanted: NetPlan, present: Iterable[HostAddress]) -> HostAddress | None:
    """Return an address of this host that stands in the way of `wanted`, or None."""
    for held in present:
        if held.address.ip.is_link_local:
            continue
        for end in wanted.enclave:
            if overlap(end.network, held.address.network):
                return held
    return None


def free_suggestion(present: Iterable[HostAddress]) -> str:
    """Return an enclave address whose network nothing on this host overlaps."""
    held = [item.address.network for item in present]
    for third in range(1, 255):
        candidate = IPv4Interface(f"10.0.{third}.1/24")
        if not any(overlap(candidate.network, network) for network in held):
            return str(candidate)
    return "192.168.200.1/24"


def overlap(one: Network, other: Network) -> bool:
    """Return whether two networks share addresses; never across families."""
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.overlaps(other)
    return False


def _interface(text: str) -> Interface:
    try:
        found = ip_interface(text)
    except ValueError as error:
        raise RktioError(
            f"address {text!r}: {error}", hint="write ADDRESS/PREFIX: 10.0.1.1/24 or fd00:1::1/64"
        ) from error
    if found.network.num_addresses == 1:
        raise RktioError(
            f"address {text!r} leaves no room for the host's end",
            hint=f"add a prefix: {found.ip}/{24 if found.version == 4 else 64}",
        )
    if found.is_multicast or found.is_unspecified or found.is_loopback:
        raise RktioError(f"address {text!r} can't be an interface's own")
    return found


def _address(what: str, text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise RktioError(f"{what} {text!r}: {error}") from error


def _host_ends(
    enclave: tuple[Interface, ...], given: tuple[Interface, ...]
) -> tuple[Interface, ...]:
    own = {address.ip for address in enclave}
    for end in given:
        if end.ip in own:
            raise RktioError(f"host address {end.ip} is also the enclave's")
        if end.network not in {address.network for address in enclave}:
            raise RktioError(
                f"host address {end} is in no network of the enclave",
                hint=f"choose one in {enclave[0].network}",
            )
    ends = {end.network: end for end in given}
    for address in enclave:
        if address.network not in ends:
            ends[address.network] = _default_end(address, own)
    return tuple(ends.values())


def _default_end(address: Interface, own: set[Address]) -> Interface:
    """Return .254 of the network, or the last host address of a smaller one."""
    network = address.network
    last = int(network.network_address) + network.num_addresses - 1
    has_broadcast = network.version == 4 and network.num_addresses > 2
    top = last - 1 if has_broadcast else last
    candidate = min(int(network.network_address) + HOST_END, top)
    while type(address.ip)(candidate) in own:
        candidate -= 1
        if candidate < int(network.network_address):
            raise RktioError(f"{network} has no address left for the host's end")
    return ip_interface(f"{type(address.ip)(candidate)}/{network.prefixlen}")


def _first_of_each_family(addresses: Iterable[Address]) -> tuple[Address, ...]:
    first: dict[int, Address] = {}
    for address in addresses:
        first.setdefault(address.version, address)
    return tuple(first.values())


def _mac(given: str | None, enclave: tuple[Interface, ...]) -> str:
    """Return `given` checked, or a locally administered MAC that follows from the address."""
    if given is None:
        return "02:00:" + zlib.crc32(enclave[0].ip.packed).to_bytes(4, "big").hex(":")
    try:
        raw = bytes.fromhex(given.replace(":", "").replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) != 6 or raw[0] & 1 or not any(raw):
        raise RktioError(f"mac {given!r} is not a unicast MAC address", hint="02:00:00:00:00:01")
    return raw.hex(":")
