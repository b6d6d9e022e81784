# SPDX-License-Identifier: Apache-2.0
"""Secrets for one enclave: JSON Web Encryption (RFC 7516), flattened, A256GCM.

The content key is wrapped with RSA-OAEP-256 or ECDH-ES+A256KW (RFC 7518, 4.3 and 4.6).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from rktio.owner.claims import refuse
from rktio.owner.encoding import base64url, base64url_bytes, only_keys, parse_object
from rktio.owner.jwk import CURVES, ECDH, RSA_OAEP, TeePublicKey, coordinates, ec_key, to_jwk

CONTENT_CIPHER = "A256GCM"
IV_BYTES = 12
TAG_BYTES = 16
CIPHERTEXT_BYTES_MAX = 1 << 20

TeePrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def encrypt(plaintext: bytes, recipient: TeePublicKey) -> dict[str, str]:
    """Return the JWE of a secret that only the recipient can read."""
    content_key = os.urandom(32)
    header, wrapped = _wrap(content_key, recipient)
    protected = base64url(json.dumps(header, separators=(",", ":")).encode())
    iv = os.urandom(IV_BYTES)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode())
    return {
        "protected": protected,
        "encrypted_key": base64url(wrapped),
        "iv": base64url(iv),
        "ciphertext": base64url(sealed[:-TAG_BYTES]),
        "tag": base64url(sealed[-TAG_BYTES:]),
    }


def decrypt(jwe: object, key: TeePrivateKey) -> bytes:
    """Return the secret of a JWE. Raises RefusedError."""
    members = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    only_keys("JWE", jwe, members, {"aad"})
    assert isinstance(jwe, Mapping)
    if jwe.get("aad") not in (None, "", jwe["protected"]):  # older Trustees repeat the header
        raise refuse("JWE.aad", jwe["aad"], "none")
    sizes = (2048, 1024, IV_BYTES, CIPHERTEXT_BYTES_MAX, TAG_BYTES)
    raw = {m: base64url_bytes(f"JWE.{m}", jwe[m], s) for m, s in zip(members, sizes, strict=True)}
    if len(raw["iv"]) != IV_BYTES or len(raw["tag"]) != TAG_BYTES:
        raise refuse("JWE.iv and tag", f"{len(raw['iv'])} and {len(raw['tag'])} bytes", "12 and 16")
    header = parse_object("JWE.protected", raw["protected"])
    content_key = _unwrap(header, raw["encrypted_key"], key)
    try:
        sealed = raw["ciphertext"] + raw["tag"]
        return AESGCM(content_key).decrypt(raw["iv"], sealed, jwe["protected"].encode())
    except InvalidTag as error:
        raise refuse("JWE.tag", raw["tag"], "one that authenticates the ciphertext") from error


def _wrap(content_key: bytes, recipient: TeePublicKey) -> tuple[dict[str, object], bytes]:
    if isinstance(recipient, rsa.RSAPublicKey):
        return {"alg": RSA_OAEP, "enc": CONTENT_CIPHER}, recipient.encrypt(content_key, _oaep())
    ephemeral = ec.generate_private_key(recipient.curve)
    shared = ephemeral.exchange(ec.ECDH(), recipient)
    crv = to_jwk(recipient)["crv"]
    epk = {"kty": "EC", "crv": crv, **coordinates(ephemeral.public_key(), crv)}
    wrapped = aes_key_wrap(_derive(shared), content_key)
    return {"alg": ECDH, "enc": CONTENT_CIPHER, "epk": epk}, wrapped


def _unwrap(header: Mapping[str, object], wrapped: bytes, key: TeePrivateKey) -> bytes:
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    only_keys("JWE.protected", header, {"alg", "enc"} if is_rsa else {"alg", "enc", "epk"})
    expected = RSA_OAEP if is_rsa else ECDH
    if header["alg"] != expected:
        raise refuse("JWE.protected.alg", header["alg"], expected)
    if header["enc"] != CONTENT_CIPHER:
        raise refuse("JWE.protected.enc", header["enc"], CONTENT_CIPHER)
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            content_key = key.decrypt(wrapped, _oaep())
        else:
            shared = key.exchange(ec.ECDH(), _ephemeral(header["epk"], key.curve))
            content_key = aes_key_unwrap(_derive(shared), wrapped)
    except (ValueError, InvalidUnwrap) as error:
        raise refuse("JWE.encrypted_key", "not for this key", "wrapped for this key") from error
    if len(content_key) != 32:
        raise refuse("JWE.encrypted_key", f"{len(content_key)} bytes", "32 bytes")
    return content_key


def _ephemeral(epk: object, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    only_keys("JWE.protected.epk", epk, {"kty", "crv", "x", "y"})
    assert isinstance(epk, Mapping)
    crv = epk["crv"]
    if epk["kty"] != "EC" or crv not in CURVES or CURVES[crv].name != curve.name:
        raise refuse("JWE.protected.epk", f"{epk['kty']} {crv}", f"EC {curve.name}")
    return ec_key("JWE.protected.epk", crv, epk["x"], epk["y"])


def _derive(shared: bytes) -> bytes:
    """Return the wrapping key: Concat KDF of RFC 7518, 4.6.2, empty apu and apv."""
    algorithm = ECDH.encode()
    info = struct.pack(">I", len(algorithm)) + algorithm + bytes(8) + struct.pack(">I", 256)
    return ConcatKDFHash(hashes.SHA256(), 32, info).derive(shared)


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
