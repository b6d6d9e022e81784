# SPDX-License-Identifier: Apache-2.0
"""Private keys that stay on a token: named by a PKCS#11 URI (RFC 7512), used through openssl."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import require, run
from rktio.common.signing import (
    COMMON_NAME,
    VALID_DAYS,
    PublicKey,
    certificate_of,
    write_new,
)

# openssl's engine takes the PIN from the URI or asks on the terminal; a script names a file
# by pin-source=file:/path, so that no PIN is ever in argv.
ENGINE = ("-engine", "pkcs11", "-keyform", "engine")
HINT = (
    "apt-get install libengine-pkcs11-openssl; PKCS11_MODULE_PATH names the token's module; "
    "the URI has pin-source=file:/path"
)


@dataclass(frozen=True)
class TokenKey:
    """A private key on a token, with its certificate in a file."""

    public: PublicKey
    uri: str

    @classmethod
    def load(cls, uri: str, certificate: Path | None) -> TokenKey:
        """Name a key of a token. Raises RktioError."""
        check_uri(uri)
        if certificate is None:
            raise RktioError(
                "a key on a token needs its certificate",
                hint="--certificate owner.crt; rkt-io-disk keygen --token URI owner makes it",
            )
        return cls(certificate_of(certificate), uri)

    def sign(self, message: bytes) -> bytes:
        """Return a bare signature over `message` with SHA-256."""
        return _openssl(["dgst", "-sha256", *ENGINE, "-sign", self.uri], message)


def make_certificate(
    uri: str, stem: Path, *, name: str = COMMON_NAME, days: int = VALID_DAYS
) -> PublicKey:
    """Write `stem`.crt for the key that a token has already. Raises RktioError."""
    check_uri(uri)
    if "/" in name or "\\" in name:
        raise RktioError(f"--name {name}: a name on a token's certificate has no / and no \\")
    path = stem.with_name(f"{stem.name}.crt")
    words = ["req", "-new", "-x509", "-sha256", "-days", str(days), "-subj", f"/CN={name}"]
    words += ["-addext", "keyUsage=critical,digitalSignature", *ENGINE, "-key", uri]
    pem = _openssl(words, b"")
    public = PublicKey.parse(pem, str(path))
    write_new(path, pem, 0o644)
    return public


def check_uri(uri: str) -> None:
    """Refuse a URI with a PIN in it: other users see it in the list of processes."""
    if "pin-value" in uri:
        raise RktioError(
            "a PIN in a PKCS#11 URI is seen by every user of this machine",
            hint="write it to a file of mode 0600 and use pin-source=file:/path",
        )


def _openssl(words: list[str], stdin: bytes) -> bytes:
    openssl = require("openssl", "openssl")
    done = run([openssl, *words], input=stdin, check=False, env={"LC_ALL": "C", **os.environ})
    if done.returncode != 0 or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = next((line for line in reversed(lines) if "error" in line.lower()), "no reason given")
        raise RktioError(f"the token did not sign: {why.strip()[:200]}", hint=HINT)
    return done.stdout
