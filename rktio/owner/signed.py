# SPDX-License-Identifier: Apache-2.0
"""Files with a detached signature of their owner: `policy.toml` with `policy.toml.sig`.

The signature covers a context line before the contents, so that no signature of another kind of
file, made with the same key, can be passed off as one of these.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from rktio.common.errors import RktioError
from rktio.common.signing import read_limited
from rktio.owner.encoding import base64_bytes

SUFFIX = ".sig"
CONTEXT = "rkt-io signed file, version 1: {kind}\n"
FILE_BYTES_MAX = 1 << 20
SIGNATURE_BYTES_MAX = 1024
RSA_BITS_MIN = 3072

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def read_public_key(path: Path) -> PublicKey:
    """Read a PEM public key: Ed25519, ECDSA or RSA. Raises RktioError."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RktioError(f"{path}: not a public key in PEM: {error}") from error
    return _usable(key, path)


def read_private_key(path: Path) -> PrivateKey:
    """Read a PEM private key without passphrase. Raises RktioError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise RktioError(f"{path}: not a private key in PEM: {error}") from error
    if not isinstance(key, PrivateKey):
        raise RktioError(f"{path}: not an Ed25519, ECDSA or RSA key")
    _usable(key.public_key(), path)
    return key


def sign_file(path: Path, kind: str, key: PrivateKey) -> Path:
    """Write the signature of a file next to it, and return its path."""
    message = _message(kind, read_limited(path, FILE_BYTES_MAX))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(message)
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, PKCS1v15(), hashes.SHA384())
    else:
        signature = key.sign(message, ec.ECDSA(hashes.SHA384()))
    target = path.with_name(path.name + SUFFIX)
    write_whole(target, base64.b64encode(signature) + b"\n")
    return target


def read_signed(path: Path, kind: str, key: PublicKey) -> bytes:
    """Return the contents of a file whose signature is right. Raises RktioError."""
    contents = read_limited(path, FILE_BYTES_MAX)
    encoded = read_limited(path.with_name(path.name + SUFFIX), 2 * SIGNATURE_BYTES_MAX)
    text = encoded.decode("ascii", "replace").strip()
    signature = base64_bytes(f"{path.name}{SUFFIX}", text, SIGNATURE_BYTES_MAX)
    try:
        _verify(key, signature, _message(kind, contents))
    except InvalidSignature as error:
        raise RktioError(
            f"{path}: the signature is not the owner's over these contents",
            hint="rkt-io keys policy sign",
        ) from error
    return contents


def write_whole(path: Path, contents: bytes, mode: int = 0o644) -> None:
    """Replace a file at once: a reader sees the old or the new contents, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _message(kind: str, contents: bytes) -> bytes:
    return CONTEXT.format(kind=kind).encode() + contents


def _verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, PKCS1v15(), hashes.SHA384())
    else:
        key.verify(signature, message, ec.ECDSA(hashes.SHA384()))


def _usable(key: object, path: Path) -> PublicKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS_MIN:
        raise RktioError(f"{path}: an RSA key of {key.key_size} bits; {RSA_BITS_MIN} are needed")
    if not isinstance(key, PublicKey):
        raise RktioError(f"{path}: not an Ed25519, ECDSA or RSA key")
    return key
