# SPDX-License-Identifier: Apache-2.0
"""The configuration's network: addresses of eth0. WireGuard is rktio.common.wireguard's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rktio.common.toml import Table
from rktio.common.wireguard import address, each, interface, mtu_of

NETWORK_KEYS = ("addresses", "gateways", "dns", "mtu")


@dataclass(frozen=True)
class Network:
    """eth0 of the enclave."""

    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    dns: tuple[str, ...]
    mtu: int

    @classmethod
    def of(cls, table: Table | None) -> Network | None:
        """Check the table. Raises RktioError."""
        if table is None:
            return None
        return cls(
            each(table, "addresses", interface, "addresses with prefix"),
            each(table, "gateways", address, "addresses"),
            each(table, "dns", address, "addresses"),
            mtu_of(table, 1500),
        )

    def document(self) -> dict[str, Any]:
        """Return the JSON values."""
        return {
            "addresses": list(self.addresses),
            "gateways": list(self.gateways),
            "dns": list(self.dns),
            "mtu": self.mtu,
        }
