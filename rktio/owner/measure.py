# SPDX-License-Identifier: Apache-2.0
"""The measurement of an enclave: what its evidence must show.

    SHA-384( "rkt-io measurement 1\\n"
             || SHA-384(the executable's bytes)
             || SHA-384(the owner's public key, SubjectPublicKeyInfo in DER)
             || SHA-384(the configuration's canonical JSON) )

Fixed lengths, so that no two inputs share a preimage. The signature over the configuration is
not measured: signing the same again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import file_digest, sha384
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.signing import PublicKey
from rktio.owner.sealed_config import SealedConfiguration

TITLE = b"rkt-io measurement 1\n"


@dataclass(frozen=True)
class Measurement:
    """The measurement with the three digests that it is made of."""

    executable: bytes
    public_key: bytes
    configuration: bytes

    @property
    def value(self) -> bytes:
        """The 48 bytes that evidence holds."""
        return sha384(TITLE + self.executable + self.public_key + self.configuration).digest()


def measure(enclave: Path, public: PublicKey, sealed: SealedConfiguration) -> Measurement:
    """Compute the measurement, the same on every machine. Raises RktioError."""
    try:
        with enclave.open("rb") as file:
            executable = file_digest(file, "sha384").digest()
    except OSError as error:
        raise RktioError(f"cannot read {enclave}: {error.strerror}") from error
    return Measurement(executable, sha384(public.spki).digest(), sha384(sealed.canonical).digest())
