# SPDX-License-Identifier: Apache-2.0
"""A sealed image's start on the host: what it passes on, and what it has to know of it.

Nothing is verified here: the enclave does, which doesn't trust this side.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError
from rktio.host.options import NetMode, NetOptions, SealedOptions

# Bounds of abi/launch.h.
CERTIFICATE_BYTES_MAX = 8192
CONFIG_BYTES_MAX = 256 << 10

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class OwnersWord:
    """What the owner gave for a start: the certificate (DER), the sealed configuration."""

    certificate: bytes
    text: str
    document: dict[str, Any]

    @classmethod
    def read(cls, options: SealedOptions) -> OwnersWord:
        """Read both files. Raises RktioError."""
        text = _read(options.config, CONFIG_BYTES_MAX, "rkt-io config sign makes it")
        return cls(_certificate(options.owner_key), _decoded(text), _document(text, options.config))

    @property
    def terminal(self) -> bool:
        """Whether a terminal may be attached."""
        policy = self.document.get("policy")
        return isinstance(policy, dict) and policy.get("terminal") is True

    @property
    def addresses(self) -> tuple[str, ...]:
        """The enclave's, with prefix."""
        return tuple(self._network().get("addresses", ()))

    def net(self, given: NetOptions) -> NetOptions:
        """Return the device that `given` asks for, with the document's addresses."""
        plain = NetOptions()
        for name in ("addresses", "gateways", "dns", "mtu"):
            if getattr(given, name) not in (getattr(plain, name), ()):
                raise RktioError(
                    f"the sealed configuration says the {name}, not the host",
                    hint="leave the option out",
                )
        network = self._network()
        if not network or given.mode is NetMode.NONE:
            return NetOptions.none() if given.mode is NetMode.AUTO else given
        return replace(
            given,
            addresses=self.addresses,
            gateways=tuple(network.get("gateways", ())),
            dns=tuple(network.get("dns", ())),
            mtu=network.get("mtu", plain.mtu),
        )

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the entries of the launch record."""
        yield "owner_key", self.certificate.hex()
        yield "sealed_config", self.text

    def _network(self) -> dict[str, Any]:
        network = self.document.get("network")
        return network if isinstance(network, dict) else {}


def open_key_file(path: Path) -> int:
    """Open a key file for the enclave to read: none of its bytes come here. Raises RktioError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) and not mode & 0o077:
        return fd
    os.close(fd)
    if not stat.S_ISREG(mode):
        raise RktioError(f"{path} is not a file")
    raise RktioError(
        f"{path} can be read by others (mode {mode & 0o777:04o})", hint=f"chmod 600 {path}"
    )


def _read(path: Path, limit: int, hint: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    if len(content) > limit:
        raise RktioError(f"{path} is larger than {limit} bytes")
    return content


def _decoded(text: bytes) -> str:
    """Return text that os.fsencode turns back into these bytes, for the enclave to judge."""
    return os.fsdecode(text)


def _certificate(path: Path) -> bytes:
    pem = _read(path, 8 * CERTIFICATE_BYTES_MAX, "rkt-io-disk keygen makes it")
    found = _PEM.search(pem)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if not 0 < len(der) <= CERTIFICATE_BYTES_MAX:
        raise RktioError(
            f"{path} holds no certificate in PEM", hint="give the owner's .crt (--owner-key)"
        )
    return der


def _document(text: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(text.split(b"\n")[1])
    except (IndexError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RktioError(
            f"{path} is not a sealed configuration",
            hint="rkt-io config sign app.toml --key owner.key makes one",
        )
    return document
