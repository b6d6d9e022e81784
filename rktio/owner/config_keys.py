# SPDX-License-Identifier: Apache-2.0
"""The configuration's key broker: whom the enclave believes, and where its keys are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rktio.common.toml import Table

KEYS_KEYS = ("fingerprint", "resources")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}"
_RESOURCES = re.compile(f"{_PART}/{_PART}")


@dataclass(frozen=True)
class Keys:
    """The broker's certificate, by its SHA-256, and REPOSITORY/TYPE of the keys.

    The host chooses the address. Names are root, data-NAME and wireguard: RESOURCES/root and so on.
    """

    fingerprint: str
    resources: str

    @classmethod
    def of(cls, table: Table | None) -> Keys | None:
        """Check the table. Raises RktioError."""
        if table is None:
            return None
        fingerprint = (table.string("fingerprint") or "").removeprefix("sha256:").lower()
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise table.wrong("fingerprint", "SHA-256 of the broker's certificate, 64 hex digits")
        resources = table.string("resources") or ""
        if not _RESOURCES.fullmatch(resources):
            raise table.wrong("resources", "REPOSITORY/TYPE, such as 'default/redis'")
        return cls(fingerprint, resources)

    def document(self) -> dict[str, Any]:
        """Return the JSON values."""
        return {"fingerprint": self.fingerprint, "resources": self.resources}
