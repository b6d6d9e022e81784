# SPDX-License-Identifier: Apache-2.0
"""An encrypted volume: its key, its LUKS2 header with a key slot, and its sectors.

Everything that is random in an ordinary LUKS2 header is derived from the volume key here, so
that the same key over the same contents gives the same bytes, and nothing public tells about the
contents.
"""

from __future__ import annotations

import base64
import hmac
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import pbkdf2_hmac, sha256, shake_256
from pathlib import Path
from typing import Any
from uuid import UUID

from rktio.common.errors import RktioError
from rktio.common.signing import need_cryptography, read_limited
from rktio.image import luks2

SECTOR_BYTES = 4096
OFFSET = 1 << 20  # of the payload: 32 KiB of headers, 252 KiB of key slot, zeros
SLOT_SECTOR_BYTES = 512  # key slots are always encrypted in sectors of 512 bytes
STRIPES = 4000
SLOT_BYTES = STRIPES * luks2.KEY_BYTES
AREA_BYTES = -(-SLOT_BYTES // 4096) * 4096
# The least that cryptsetup takes. The key is 512 random bits: stretching it adds nothing.
ITERATIONS = 1000
LABEL = "rkt-io-root"


@dataclass(frozen=True)
class VolumeKey:
    """The 64 bytes that encrypt a volume. Whoever has them reads it."""

    secret: bytes

    def __post_init__(self) -> None:
        half = luks2.KEY_BYTES // 2
        if len(self.secret) != luks2.KEY_BYTES:
            raise RktioError(
                f"a volume key has {luks2.KEY_BYTES} bytes, this one {len(self.secret)}",
                hint="--key-out FILE makes one, or head -c 64 /dev/urandom > FILE",
            )
        if self.secret[:half] == self.secret[half:]:
            raise RktioError("the two halves of the volume key are equal; XTS needs two keys")

    def __repr__(self) -> str:
        return "VolumeKey(...)"

    @classmethod
    def generate(cls) -> VolumeKey:
        """Return a new random key."""
        return cls(os.urandom(luks2.KEY_BYTES))

    @classmethod
    def load(cls, path: Path) -> VolumeKey:
        """Read a key file of raw bytes. Raises RktioError."""
        try:
            return cls(read_limited(path))
        except RktioError as error:
            raise RktioError(f"{path}: {error.message}", hint=error.hint) from error

    def derive(self, purpose: str, size: int) -> bytes:
        """Return public bytes that only this key gives."""
        key = hmac.digest(self.secret, b"rkt-io volume 1: " + purpose.encode(), sha256)
        return shake_256(key).digest(size)

    def derive_uuid(self, purpose: str) -> UUID:
        """Return a UUID that only this key gives."""
        return UUID(bytes=self.derive(purpose, 16), version=4)

    def matches(self, digest: luks2.Digest) -> bool:
        """Say whether a header is of a volume with this key."""
        found = pbkdf2_hmac("sha256", self.secret, digest.salt, digest.iterations)
        return hmac.compare_digest(found, digest.value)

    def header(self) -> bytes:
        """Return all that comes before the payload: OFFSET bytes."""
        salt = self.derive("digest salt", 32)
        slot_salt = self.derive("slot salt", 32)
        value = pbkdf2_hmac("sha256", self.secret, salt, ITERATIONS)
        metadata = _metadata(slot_salt, salt, value)
        salts = (self.derive("header salt 0", 64), self.derive("header salt 1", 64))
        headers = luks2.encode(metadata, str(self.derive_uuid("uuid")), LABEL, salts)
        return (headers + self._slot(slot_salt)).ljust(OFFSET, b"\0")

    def _slot(self, salt: bytes) -> bytes:
        """Return the key slot that the volume key itself opens.

        So one key file serves cryptsetup's --key-file as well as --volume-key-file.
        """
        wrapping = pbkdf2_hmac("sha256", self.secret, salt, ITERATIONS, luks2.KEY_BYTES)
        filler = self.derive("stripes", SLOT_BYTES - luks2.KEY_BYTES)
        material = _split(self.secret, filler).ljust(AREA_BYTES, b"\0")
        return Xts(wrapping, SLOT_SECTOR_BYTES).encrypt(material, 0)

    @cached_property
    def sectors(self) -> Xts:
        """The cipher of the payload."""
        return Xts(self.secret, SECTOR_BYTES)


class Xts:
    """aes-xts-plain64 over sectors; the tweak counts 512 bytes, as in dm-crypt."""

    def __init__(self, key: bytes, sector_bytes: int) -> None:
        need_cryptography()
        from cryptography.hazmat.primitives.ciphers.algorithms import AES

        self._aes = AES(key)
        self._sector_bytes = sector_bytes

    def encrypt(self, data: bytes | bytearray | memoryview, offset: int) -> bytes:
        """Encrypt whole sectors that begin `offset` bytes into the payload."""
        return self._crypt(data, offset, decrypt=False)

    def decrypt(self, data: bytes | bytearray | memoryview, offset: int) -> bytes:
        """Undo `encrypt`."""
        return self._crypt(data, offset, decrypt=True)

    def _crypt(self, data: bytes | bytearray | memoryview, offset: int, *, decrypt: bool) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.modes import XTS

        size = self._sector_bytes
        if len(data) % size or offset % size:
            raise ValueError("not whole sectors")
        view = memoryview(data)
        sectors = []
        for start in range(0, len(view), size):
            tweak = ((offset + start) // 512).to_bytes(16, "little")
            cipher = Cipher(self._aes, XTS(tweak))
            context = cipher.decryptor() if decrypt else cipher.encryptor()
            sectors.append(context.update(view[start : start + size]))
        return b"".join(sectors)


def _metadata(slot_salt: bytes, salt: bytes, value: bytes) -> dict[str, Any]:
    return {
        "keyslots": {
            "0": {
                "type": "luks2",
                "key_size": luks2.KEY_BYTES,
                "af": {"type": "luks1", "stripes": STRIPES, "hash": "sha256"},
                "area": {
                    "type": "raw",
                    "offset": str(luks2.HEADERS_BYTES),
                    "size": str(AREA_BYTES),
                    "encryption": luks2.CIPHER,
                    "key_size": luks2.KEY_BYTES,
                },
                "kdf": _pbkdf2(slot_salt),
            }
        },
        "tokens": {},
        "segments": {
            "0": {
                "type": "crypt",
                "offset": str(OFFSET),
                "size": "dynamic",
                "iv_tweak": "0",
                "encryption": luks2.CIPHER,
                "sector_size": SECTOR_BYTES,
            }
        },
        "digests": {
            "0": {
                **_pbkdf2(salt),
                "keyslots": ["0"],
                "segments": ["0"],
                "digest": base64.b64encode(value).decode(),
            }
        },
        "config": {"json_size": str(luks2.JSON_BYTES), "keyslots_size": str(AREA_BYTES)},
    }


def _pbkdf2(salt: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(salt).decode()
    return {"type": "pbkdf2", "hash": "sha256", "iterations": ITERATIONS, "salt": encoded}


def _split(secret: bytes, filler: bytes) -> bytes:
    """Spread `secret` over stripes, all of which are needed to get it back (LUKS1's AF)."""
    size = len(secret)
    diffused = bytes(size)
    for start in range(0, len(filler), size):
        diffused = _diffuse(_xor(diffused, filler[start : start + size]))
    return filler + _xor(diffused, secret)


def _diffuse(block: bytes) -> bytes:
    return b"".join(
        sha256(number.to_bytes(4, "big") + block[start : start + 32]).digest()
        for number, start in enumerate(range(0, len(block), 32))
    )


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
