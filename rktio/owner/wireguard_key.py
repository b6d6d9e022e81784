# SPDX-License-Identifier: Apache-2.0
"""WireGuard's keys: X25519 (RFC 7748), 32 bytes, in base64 for people and in hex for key files."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from rktio.common.errors import RktioError

NAME = "wireguard"
KEY_BYTES = 32


def create(path: Path, name: str = NAME) -> str:
    """Add a new private key to a key file, which only its user can read; return the public key."""
    if name in _keys(path):
        raise RktioError(f"{path} has a key {name!r} already", hint="give another file or --name")
    private = os.urandom(KEY_BYTES)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{name}={private.hex()}\n")
    return public_of(private)


def public(path: Path, name: str = NAME) -> str:
    """Return the public key of a private one in a key file."""
    text = _keys(path).get(name)
    if text is None or not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise RktioError(
            f"{path} has no WireGuard key {name!r}", hint="rkt-io wireguard genkey FILE"
        )
    return public_of(bytes.fromhex(text))


def public_of(private: bytes) -> str:
    """Return the public key in base64, as wg(8) prints it."""
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ModuleNotFoundError as error:
        hint = "pip install 'rkt-io[keys]'"
        raise RktioError("the Python module cryptography is missing", hint=hint) from error
    key = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return base64.b64encode(key).decode()


def _keys(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RktioError(f"cannot read the keys in {path}") from error
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
