# SPDX-License-Identifier: Apache-2.0
"""The tunnel of an enclave, as the launch record says it. Keys never pass through here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from rktio.common.errors import RktioError
from rktio.common.wireguard import Peer, WireGuard, endpoint_parts


def pairs(tunnel: WireGuard) -> Iterator[tuple[str, str]]:
    """Yield the record's keys and values; abi/launch.h has their form."""
    only = "only" if tunnel.only else "open"
    yield "wireguard", f"{tunnel.listen_port}:{tunnel.mtu}:{only}"
    for address in tunnel.addresses:
        yield "wireguard_addr", address
    for peer in tunnel.peers:
        yield "wireguard_peer", _peer(peer)


def _peer(peer: Peer) -> str:
    endpoint = "-" if peer.endpoint is None else _resolved(peer.endpoint)
    preshared = peer.preshared_key or "-"
    fields = (peer.public_key, str(peer.keep_alive), endpoint, preshared, *peer.allowed_ips)
    return ",".join(fields)


def _resolved(endpoint: str) -> str:
    """Look a name up here: whoever forwards the datagrams can redirect them anyway."""
    host, port = endpoint_parts(endpoint)
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        try:
            first = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise RktioError(
                f"WireGuard endpoint {host!r} can't be resolved: {error.strerror}",
                hint="give its address",
            ) from error
        found = ipaddress.ip_address(first[4][0])
    return f"[{found}]:{port}" if found.version == 6 else f"{found}:{port}"
