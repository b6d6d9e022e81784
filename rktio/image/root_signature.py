# SPDX-License-Identifier: Apache-2.0
"""The JSON in the root-verity-sig partition: the root hash, and the owner's signature over it.

The signed message is the root hash in lower-case hexadecimal, as dm-verity and systemd have it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from rktio.common.errors import RktioError
from rktio.common.signing import PublicKey, SignatureError, SigningKey, sign_detached
from rktio.common.strict_json import JsonError, canonical, parse_object
from rktio.image.layout import SIGNATURE_BYTES

_HEX = re.compile(r"[0-9a-f]{64}")


class SignatureJsonError(ValueError):
    """The partition does not hold a signature; the text says why."""


@dataclass(frozen=True, slots=True)
class RootSignature:
    """A signature of a root hash."""

    root_hash: bytes
    fingerprint: str  # SHA-256 of the signer's certificate, hexadecimal
    signature: bytes  # PKCS#7, detached, DER

    @classmethod
    def make(cls, root_hash: bytes, key: SigningKey) -> RootSignature:
        """Sign a root hash. Raises RktioError."""
        fingerprint = key.public.fingerprint
        assert fingerprint is not None
        return cls(root_hash, fingerprint, sign_detached(key, root_hash.hex().encode()))

    def encode(self) -> bytes:
        """Return the whole partition. Raises RktioError where it doesn't fit."""
        text = canonical(
            {
                "rootHash": self.root_hash.hex(),
                "certificateFingerprint": self.fingerprint,
                "signature": base64.b64encode(self.signature).decode(),
            }
        )
        if len(text) >= SIGNATURE_BYTES:
            raise RktioError("the signature does not fit in its partition")
        return text.ljust(SIGNATURE_BYTES, b"\0")

    @classmethod
    def parse(cls, raw: bytes) -> RootSignature:
        """Parse the partition. Raises SignatureJsonError."""
        text, _, padding = raw.partition(b"\0")
        if any(padding):
            raise SignatureJsonError("bytes that mean nothing follow the JSON")
        try:
            document = parse_object(text, SIGNATURE_BYTES)
        except JsonError as error:
            raise SignatureJsonError(str(error)) from error
        if set(document) != {"rootHash", "certificateFingerprint", "signature"}:
            raise SignatureJsonError("not exactly rootHash, certificateFingerprint and signature")
        root_hash = _hex(document["rootHash"], "rootHash")
        fingerprint = _hex(document["certificateFingerprint"], "certificateFingerprint")
        return cls(bytes.fromhex(root_hash), fingerprint, _base64(document["signature"]))

    def check(self, public: PublicKey) -> None:
        """Raise SignatureError unless the owner signed this root hash."""
        if public.fingerprint not in (None, self.fingerprint):
            raise SignatureError(
                f"signed by the certificate {self.fingerprint[:16]}…, not by {public.source} "
                f"({str(public.fingerprint)[:16]}…)"
            )
        public.check_validity()
        public.verify(self.root_hash.hex().encode(), self.signature)


def _hex(value: object, what: str) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise SignatureJsonError(f"{what} is not a SHA-256 in lower-case hexadecimal")
    return value


def _base64(value: object) -> bytes:
    try:
        if not isinstance(value, str):
            raise SignatureJsonError("signature is not a string")
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureJsonError("signature is not base64") from error
    if base64.b64encode(raw).decode() != value:
        raise SignatureJsonError("signature is not base64 in its one spelling")
    return raw
