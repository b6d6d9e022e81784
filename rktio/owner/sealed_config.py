# SPDX-License-Identifier: Apache-2.0
"""A configuration that its owner signed: three lines of text.

rkt-io sealed configuration 1
{canonical JSON}
base64 of a detached PKCS#7 signature over the JSON's bytes, without the line end
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.signing import (
    PublicKey,
    SignatureError,
    SigningKey,
    read_limited,
    sign_detached,
)
from rktio.common.strict_json import JsonError, parse_object
from rktio.owner.config import Configuration

TITLE = b"rkt-io sealed configuration 1"
BYTES_MAX = 256 * 1024


@dataclass(frozen=True)
class SealedConfiguration:
    """What is signed, its signature, and what it says."""

    canonical: bytes
    signature: bytes
    configuration: Configuration

    @classmethod
    def seal(cls, configuration: Configuration, key: SigningKey) -> SealedConfiguration:
        """Sign a configuration. Raises RktioError."""
        text = configuration.canonical()
        sealed = cls(text, sign_detached(key, text), configuration)
        if len(sealed.encode()) > BYTES_MAX:
            raise RktioError(f"the configuration is larger than {BYTES_MAX} bytes")
        return sealed

    def encode(self) -> bytes:
        """Return the file."""
        return b"\n".join((TITLE, self.canonical, base64.b64encode(self.signature), b""))

    @classmethod
    def load(cls, path: Path, public: PublicKey) -> SealedConfiguration:
        """Read a file and check that the owner signed it. Raises RktioError."""
        return cls.parse(read_limited(path, BYTES_MAX), path, public)

    @classmethod
    def parse(cls, raw: bytes, source: Path, public: PublicKey) -> SealedConfiguration:
        """Check form, signature and schema, in this order. Raises RktioError."""
        text, signature = _lines(raw, source)
        try:
            public.check_validity()
            public.verify(text, signature)
        except SignatureError as error:
            raise RktioError(f"{source}: signature: {error.message}", hint=error.hint) from error
        try:
            document = parse_object(text, BYTES_MAX)
        except JsonError as error:
            raise RktioError(f"{source}: configuration: {error}") from error
        configuration = Configuration.of_json(document, source)
        if configuration.canonical() != text:
            raise RktioError(f"{source}: the configuration is not in its one spelling")
        return cls(text, signature, configuration)


def _lines(raw: bytes, source: Path) -> tuple[bytes, bytes]:
    lines = raw.split(b"\n")
    if lines[0] != TITLE:
        raise RktioError(
            f"{source}: title: this is not a sealed configuration",
            hint="rkt-io config sign app.toml --key owner.key makes one",
        )
    if len(lines) != 4 or lines[3]:
        raise RktioError(f"{source}: form: not exactly title, configuration and signature")
    try:
        signature = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise RktioError(f"{source}: signature: not base64") from error
    if base64.b64encode(signature) != lines[2]:
        raise RktioError(f"{source}: signature: not base64 in its one spelling")
    return lines[1], signature
