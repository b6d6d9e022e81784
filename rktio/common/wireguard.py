# SPDX-License-Identifier: Apache-2.0
"""The table [wireguard] of a configuration: the tunnel and its peers, checked."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rktio.common.toml import Table

WIREGUARD_KEYS = ("addresses", "listen-port", "only", "mtu", "peer")
PEER_KEYS = ("public-key", "preshared-key", "endpoint", "allowed-ips", "keep-alive")
ADDRESSES_MAX = 16  # as in the launch record
PEERS_MAX = 256
MTU_MIN, MTU_MAX = 1280, 65521
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})")
_KEY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


@dataclass(frozen=True)
class Peer:
    """One peer of the tunnel; keep_alive in seconds, 0 is off.

    `preshared_key` is the name of a key, never the key itself.
    """

    public_key: str
    endpoint: str | None
    allowed_ips: tuple[str, ...]
    keep_alive: int
    preshared_key: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the JSON values."""
        found: dict[str, Any] = {
            "public-key": self.public_key,
            "allowed-ips": list(self.allowed_ips),
            "keep-alive": self.keep_alive,
        }
        optional = {"endpoint": self.endpoint, "preshared-key": self.preshared_key}
        return found | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True)
class WireGuard:
    """The tunnel; its private key comes by the owner's channel and is not in here."""

    addresses: tuple[str, ...]
    listen_port: int
    only: bool  # drop all else on the wire
    mtu: int
    peers: tuple[Peer, ...]

    @classmethod
    def of(cls, table: Table | None) -> WireGuard | None:
        """Check the table. Raises RktioError."""
        if table is None:
            return None
        addresses = each(table, "addresses", interface, "addresses with prefix")
        peers = tuple(map(_peer, table.tables("peer", PEER_KEYS) or []))
        if not addresses or not peers:
            raise table.wrong("addresses" if not addresses else "peer", "at least one")
        if len(peers) > PEERS_MAX or len({peer.public_key for peer in peers}) != len(peers):
            raise table.wrong("peer", f"at most {PEERS_MAX}, each with a key of its own")
        only = table.boolean("only")
        port = bounded(table, "listen-port", 51820, 1, 65535)
        return cls(addresses, port, True if only is None else only, mtu_of(table, 1420), peers)

    def document(self) -> dict[str, Any]:
        """Return the JSON values."""
        return {
            "addresses": list(self.addresses),
            "listen-port": self.listen_port,
            "only": self.only,
            "mtu": self.mtu,
            "peer": [peer.document() for peer in self.peers],
        }


def _peer(table: Table) -> Peer:
    key = table.string("public-key") or ""
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32 or base64.b64encode(raw).decode() != key:
        raise table.wrong("public-key", "32 bytes in base64, as `wg pubkey` prints them")
    allowed = each(table, "allowed-ips", _network, "networks such as 10.9.0.0/24")
    if not allowed:
        raise table.wrong("allowed-ips", "at least one network")
    endpoint = table.string("endpoint")
    if endpoint is not None:
        _check_endpoint(table, endpoint)
    preshared = table.string("preshared-key")
    if preshared is not None and not _KEY_NAME.fullmatch(preshared):
        raise table.wrong("preshared-key", "the name of one of the owner's keys")
    return Peer(key, endpoint, allowed, bounded(table, "keep-alive", 0, 0, 65535), preshared)


def _check_endpoint(table: Table, endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    good = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            good = False
    elif not _HOST.fullmatch(host):
        good = False
    if not good:
        raise table.wrong("endpoint", "HOST:PORT or [IPV6]:PORT")


def endpoint_parts(endpoint: str) -> tuple[str, int]:
    """Return host, without the brackets of IPv6, and port."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def each(table: Table, key: str, parse: Callable[[str], str], what: str) -> tuple[str, ...]:
    """Return a list of addresses or networks, each in its one spelling."""
    values = table.strings(key) or []
    if len(values) > ADDRESSES_MAX:
        raise table.wrong(key, f"at most {ADDRESSES_MAX} {what}")
    try:
        return tuple(map(parse, values))
    except ValueError as error:
        raise table.wrong(key, what) from error


def interface(text: str) -> str:
    """Return ADDRESS/PREFIX in its one spelling."""
    if "/" not in text:
        raise ValueError(text)
    return str(ipaddress.ip_interface(text))


def address(text: str) -> str:
    """Return an address in its one spelling."""
    return str(ipaddress.ip_address(text))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def mtu_of(table: Table, default: int) -> int:
    """Return the table's mtu in bytes."""
    return bounded(table, "mtu", default, MTU_MIN, MTU_MAX)


def bounded(table: Table, key: str, default: int, low: int, high: int) -> int:
    """Return an integer between `low` and `high`."""
    value = table.integer(key)
    value = default if value is None else value
    if not low <= value <= high:
        raise table.wrong(key, f"between {low} and {high}")
    return value
