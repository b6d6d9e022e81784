# SPDX-License-Identifier: Apache-2.0
"""The folder of a key broker: its keys, rules, collateral and, by default, its database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from rktio.common.errors import RktioError
from rktio.owner.policy import POLICY, REFERENCES
from rktio.owner.signed import (
    PrivateKey,
    PublicKey,
    read_private_key,
    read_public_key,
    sign_file,
    write_whole,
)
from rktio.owner.store import SEALING_KEY_BYTES, Store
from rktio.owner.tls import private_pem
from rktio.owner.token import TokenSigner

POLICY_TEMPLATE = """\
# Which enclaves may have which secrets. What isn't named here is denied.
# After each change: rkt-io keys policy sign
version = 1

# [[grant]]
# resource = "default/disk-key/redis"
# references = ["redis"]

# Evidence of the process back end is signed by nobody: for development only.
# insecure_process = true

# SHA-256 of certificates that are refused from now on.
# revoked_certificates = []
"""

REFERENCES_TEMPLATE = """\
# The enclaves that are known. What isn't here is denied.
# After each change: rkt-io keys policy sign
version = 1

# [[reference]]
# name = "redis"
# tee = "snp"
# measurement = ["96 hex digits"]
# host_data = ["64 hex digits"]
# minimum_tcb = { bootloader = 3, tee = 0, snp = 8, microcode = 115 }

# [[reference]]
# name = "redis-on-tdx"
# tee = "tdx"
# mr_td = ["96 hex digits"]
# rtmr0 = ["96 hex digits"]
# rtmr1 = ["96 hex digits"]
# rtmr2 = ["96 hex digits"]
"""

KINDS = {POLICY: "policy", REFERENCES: "references"}


@dataclass(frozen=True)
class KeyFolder:
    """Paths within one folder."""

    path: Path

    @property
    def owner_public(self) -> Path:
        """Return the key that policy and reference values are verified with."""
        return self.path / "owner.pub"

    @property
    def owner_private(self) -> Path:
        """Return the key that signs them; it may live on another machine."""
        return self.path / "owner.key"

    @property
    def sealing_key(self) -> Path:
        """Return the key that secrets in the database are encrypted with."""
        return self.path / "sealing.key"

    @property
    def token_key(self) -> Path:
        """Return the key that signs attestation tokens."""
        return self.path / "token.key"

    @property
    def tls(self) -> tuple[Path, Path]:
        """Return certificate and key of the generated TLS identity."""
        return self.path / "tls.crt", self.path / "tls.key"

    def create(self, owner: Path | None) -> bool:
        """Make the folder. `owner` is an existing public key; without one a pair is made.

        Return whether a new owner key was made. Raises RktioError where one is there already.
        """
        if self.owner_public.exists() or self.sealing_key.exists():
            raise RktioError(f"{self.path} is a key broker's folder already")
        public = None if owner is None else read_public_key(owner)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for name in ("collateral", "crl"):
            (self.path / name).mkdir(exist_ok=True)
        write_whole(self.sealing_key, os.urandom(SEALING_KEY_BYTES), 0o600)
        write_whole(self.token_key, private_pem(ec.generate_private_key(ec.SECP256R1())), 0o600)
        if public is None:
            public = self._make_owner()
        self._write_templates()
        write_whole(self.owner_public, _public_pem(public))
        if owner is None:
            self.sign(read_private_key(self.owner_private))
        return owner is None

    def owner(self) -> PublicKey:
        """Return the owner's public key."""
        if not self.owner_public.is_file():
            raise RktioError(f"{self.path} is not a key broker's folder", hint="rkt-io keys init")
        return read_public_key(self.owner_public)

    def sign(self, key: PrivateKey) -> list[Path]:
        """Sign policy and reference values with a key that must be the owner's."""
        if _public_pem(key.public_key()) != _public_pem(self.owner()):
            raise RktioError(f"this key isn't the one of {self.owner_public}")
        return [sign_file(self.path / name, kind, key) for name, kind in KINDS.items()]

    def store(self, url: str | None) -> Store:
        """Open the database; without a URL, the folder's own."""
        self.owner()
        try:
            sealing_key = self.sealing_key.read_bytes()
        except OSError as error:
            raise RktioError(f"cannot read {self.sealing_key}: {error.strerror}") from error
        if url is not None:
            return Store(url, sealing_key)
        database = self.path / "keys.db"
        database.touch(0o600)
        return Store(f"sqlite:///{database.resolve()}", sealing_key)

    def tokens(self) -> TokenSigner:
        """Return the signer of attestation tokens."""
        key = read_private_key(self.token_key)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise RktioError(f"{self.token_key}: not an ECDSA key")
        return TokenSigner(key)

    def _make_owner(self) -> PublicKey:
        key = ed25519.Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_whole(self.owner_private, pem, 0o600)
        return key.public_key()

    def _write_templates(self) -> None:
        for name, template in ((POLICY, POLICY_TEMPLATE), (REFERENCES, REFERENCES_TEMPLATE)):
            path = self.path / name
            if not path.exists():
                write_whole(path, template.encode())


def _public_pem(key: PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
