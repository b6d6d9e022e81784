# SPDX-License-Identifier: Apache-2.0
"""The attestation token of the protocol: a JWT (RFC 7519, ES256) that names the enclave's key.

Our own broker releases by session only; the token is there because clients expect one, and says
no more than what the client itself sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rktio.owner.encoding import base64url, canonical_json
from rktio.owner.jwk import coordinates

ISSUER = "rkt-io keys"
COORDINATE_BYTES = 32


class TokenSigner:
    """Signs tokens with one ECDSA P-256 key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def token(self, tee_pubkey: Mapping[str, Any], now: float, seconds: int) -> str:
        """Return a token that is valid from `now` on."""
        claims = {
            "iss": ISSUER,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + seconds,
            "tee-pubkey": dict(tee_pubkey),
        }
        jwk = {"kty": "EC", "crv": "P-256", **coordinates(self._key.public_key(), "P-256")}
        header = {"alg": "ES256", "typ": "JWT", "jwk": jwk}
        signed = f"{base64url(canonical_json(header))}.{base64url(canonical_json(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(COORDINATE_BYTES, "big") + s.to_bytes(COORDINATE_BYTES, "big")
        return f"{signed}.{base64url(signature)}"
