# SPDX-License-Identifier: Apache-2.0
"""Secrets are encrypted so that only the attested key opens them, as the RFCs write it."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from rktio.owner.claims import RefusedError
from rktio.owner.encoding import base64url, canonical_json
from rktio.owner.jwe import TeePrivateKey, decrypt, encrypt
from rktio.owner.jwk import parse_jwk, to_jwk
from rktio.owner.messages import report_data
from rktio.owner.token import TokenSigner

KEYS: list[TeePrivateKey] = [
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()),
]


# By joserfc 1.6.5, for the key with the private value 0x1234567890abcdef.
FOREIGN: dict[str, str] = {
    "protected": (
        "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYi"
        "LCJ4IjoiM0h0VE9XLWxHSnNicDJHYzdlRkN1QjBWSkt6cXMtN0lqRk0wbGFoZ3pfSSIsInkiOiJlT0FR"
        "aGdkTDI5TndNbDROYml2eURDdHJrTFpMYWZobENjRHNjLXdqSHBNIiwia3R5IjoiRUMifX0"
    ),
    "encrypted_key": "wv938ycAXjqV2RXlt7NZoQsi3tXFBLwmyPfi3q1QD9vhtlGWY0jVCw",
    "iv": "7Q81RqJPnhz5p2KW",
    "ciphertext": "FdQC1cSkud-AxS9m-QY3lD6je1M",
    "tag": "WrsUXBkiSXZpDo_iqkfZqQ",
}


@pytest.mark.parametrize("key", KEYS, ids=["RSA", "P-256", "P-384", "P-521"])
@pytest.mark.parametrize("secret", [b"", b"k", bytes(4096)], ids=["empty", "short", "long"])
def test_what_is_encrypted_can_be_read_by_its_key_only(key: TeePrivateKey, secret: bytes) -> None:
    sealed = encrypt(secret, parse_jwk(to_jwk(key.public_key())))
    assert decrypt(json.loads(json.dumps(sealed)), key) == secret
    for other in KEYS:
        if other is not key:
            with pytest.raises(RefusedError):
                decrypt(sealed, other)


@pytest.mark.parametrize("member", ["protected", "encrypted_key", "iv", "ciphertext", "tag"])
@pytest.mark.parametrize("key", KEYS[:2], ids=["RSA", "P-256"])
def test_a_changed_member_is_refused(key: TeePrivateKey, member: str) -> None:
    sealed = encrypt(b"a secret", key.public_key())
    for position in range(0, len(sealed[member]), 5):
        old = sealed[member]
        new = old[:position] + ("B" if old[position] == "A" else "A") + old[position + 1 :]
        with pytest.raises(RefusedError):
            decrypt({**sealed, member: new}, key)


def test_ecdh_of_another_implementation_is_read() -> None:
    key = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
    assert decrypt(FOREIGN, key) == b"rkt-io interoperates"


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    assert canonical_json({"b": "\u20ac\n", "a": [1, True, "\x0f"]}) == (
        '{"a":[1,true,"\\u000f"],"b":"\u20ac\\n"}'.encode()
    )


def test_report_data_is_the_hash_that_the_documentation_gives() -> None:
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "X", "y": "Y"}
    text = (
        '{"additional-evidence":"","nonce":"N","tee-pubkey":{"alg":"ECDH-ES+A256KW",'
        '"crv":"P-256","kty":"EC","x":"X","y":"Y"}}'
    )
    expected = hashlib.sha384(text.encode()).digest() + bytes(16)
    assert report_data("N", jwk) == expected


def test_a_token_is_a_jwt_over_the_enclaves_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token = TokenSigner(key).token({"kty": "EC"}, 1000.5, 60)
    header, claims, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    assert json.loads(header)["alg"] == "ES256"
    assert json.loads(claims)["exp"] == 1060
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    signed = token.rpartition(".")[0].encode()
    key.public_key().verify(encode_dss_signature(*numbers), signed, ec.ECDSA(SHA256()))
    assert base64url(b"\xff") == "_w"
