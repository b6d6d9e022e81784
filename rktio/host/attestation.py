# SPDX-License-Identifier: Apache-2.0
"""What the host has to say for an enclave's attestation: the broker's address, and the TEE.

Neither is believed. The owner's configuration pins the broker's certificate, and the broker
verifies evidence of the TEE that it is told.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from rktio.common.errors import RktioError
from rktio.host.options import SealedOptions, Tee

PORT = 443


# The devices of the guest drivers, which register with configfs-tsm too.
_DEVICES = (("dev/sev-guest", Tee.SNP), ("dev/tdx_guest", Tee.TDX), ("dev/tdx-guest", Tee.TDX))


def resolved(options: SealedOptions) -> SealedOptions:
    """Return options with the broker's address and a TEE that there is. Raises RktioError."""
    assert options.keys is not None
    return replace(options, keys=broker_url(options.keys), tee=found_tee(options.tee))


def found_tee(wanted: Tee, root: Path = Path("/")) -> Tee:
    """Return what `wanted` means here; without a TEE an ordinary process."""
    if wanted is not Tee.AUTO:
        return wanted
    return next((tee for device, tee in _DEVICES if (root / device).exists()), Tee.PROCESS)


def broker_url(url: str) -> str:
    """Return https://ADDRESS:PORT of a broker. Raises RktioError.

    Names end here: the enclave asks before it has a resolver.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(url) from error
    rest = (parts.username, parts.password, parts.query, parts.fragment)
    if parts.scheme != "https" or not host or any(rest) or parts.path not in ("", "/"):
        raise _wrong(url)
    address = _address(host)
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"https://{shown}:{PORT if port is None else port}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise RktioError(
            f"the key broker's name {host} has no address: {error.strerror}",
            hint="give its address: --keys https://ADDRESS:PORT",
        ) from error
    return ipaddress.ip_address(str(found[0][4][0]).partition("%")[0])


def _wrong(url: str) -> RktioError:
    return RktioError(
        f"--keys {url!r} is not a key broker's address", hint="https://HOST:PORT, without a path"
    )
