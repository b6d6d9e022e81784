# SPDX-License-Identifier: Apache-2.0
"""Public keys of enclaves as JSON Web Keys (RFC 7517), the two kinds that the protocol uses."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rktio.owner.claims import refuse
from rktio.owner.encoding import base64url, base64url_bytes, only_keys

RSA_OAEP = "RSA-OAEP-256"
ECDH = "ECDH-ES+A256KW"
RSA_BITS = range(2048, 4097)
RSA_EXPONENT = 65537
COORDINATE_BYTES = {"P-256": 32, "P-384": 48, "P-521": 66}
CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}

TeePublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def parse_jwk(jwk: object) -> TeePublicKey:
    """Return the key of a JWK with exactly the members of its kind. Raises RefusedError."""
    if not isinstance(jwk, Mapping):
        raise refuse("tee-pubkey", type(jwk).__name__, "a JSON object")
    if jwk.get("kty") == "RSA":
        return _rsa(jwk)
    if jwk.get("kty") == "EC":
        return _ec(jwk)
    raise refuse("tee-pubkey.kty", jwk.get("kty"), "RSA or EC")


def to_jwk(key: TeePublicKey) -> dict[str, str]:
    """Return the JWK of a public key."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "alg": RSA_OAEP, "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}
    crv = next(name for name, curve in CURVES.items() if curve.name == key.curve.name)
    return {"kty": "EC", "crv": crv, "alg": ECDH, **coordinates(key, crv)}


def coordinates(key: ec.EllipticCurvePublicKey, crv: str) -> dict[str, str]:
    """Return x and y as RFC 7518 wants them: of full length."""
    numbers, size = key.public_numbers(), COORDINATE_BYTES[crv]
    return {
        "x": base64url(numbers.x.to_bytes(size, "big")),
        "y": base64url(numbers.y.to_bytes(size, "big")),
    }


def ec_key(name: str, crv: str, x: object, y: object) -> ec.EllipticCurvePublicKey:
    """Return the key of a point that is on its curve. Raises RefusedError."""
    size = COORDINATE_BYTES[crv]
    raw_x, raw_y = base64url_bytes(f"{name}.x", x, size), base64url_bytes(f"{name}.y", y, size)
    if len(raw_x) != size or len(raw_y) != size:
        raise refuse(f"{name} coordinates", f"{len(raw_x)} and {len(raw_y)} bytes", size)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[crv], b"\4" + raw_x + raw_y)
    except ValueError as error:
        raise refuse(f"{name} point", "not on the curve", f"a point of {crv}") from error


def _ec(jwk: Mapping[str, object]) -> ec.EllipticCurvePublicKey:
    only_keys("tee-pubkey", jwk, {"kty", "crv", "alg", "x", "y"})
    if jwk["alg"] != ECDH:
        raise refuse("tee-pubkey.alg", jwk["alg"], ECDH)
    crv = jwk["crv"]
    if not isinstance(crv, str) or crv not in CURVES:
        raise refuse("tee-pubkey.crv", crv, " or ".join(CURVES))
    return ec_key("tee-pubkey", crv, jwk["x"], jwk["y"])


def _rsa(jwk: Mapping[str, object]) -> rsa.RSAPublicKey:
    only_keys("tee-pubkey", jwk, {"kty", "alg", "n", "e"})
    if jwk["alg"] != RSA_OAEP:
        raise refuse("tee-pubkey.alg", jwk["alg"], RSA_OAEP)
    modulus = int.from_bytes(base64url_bytes("tee-pubkey.n", jwk["n"], 512), "big")
    exponent = int.from_bytes(base64url_bytes("tee-pubkey.e", jwk["e"], 8), "big")
    if modulus.bit_length() not in RSA_BITS:
        raise refuse("tee-pubkey.n", f"{modulus.bit_length()} bits", "2048 to 4096 bits")
    if exponent != RSA_EXPONENT:
        raise refuse("tee-pubkey.e", exponent, RSA_EXPONENT)
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise refuse("tee-pubkey", f"{error}", "an RSA key") from error


def _unsigned(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
